"""`gpulabs train`: the labs' CNN on a data set, with the trainer that the labs and the grader use."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from gpulabs import terminal
from gpulabs.exit_codes import ExitCode
from gpulabs.terminal import Interrupted

SCHEMA_VERSION = 1
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


class Request(NamedTuple):
    """What was asked for on the command line."""

    data: str
    epochs: int
    batch: int
    precision: str
    rate: float
    augment: bool
    seed: int
    checkpoint: Path | None
    tensorboard: Path | None
    deterministic: bool


def train(request: Request, as_json: bool) -> int:
    """Trains, then prints the epochs, or JSON."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's log goes to stderr
    from gpulabs import data, devices
    from gpulabs.training import prepare

    prepare()
    identity = data.identity(request.data)
    images = _images(request.data)
    terminal.complain(devices.header().line()) if not as_json else None
    model = _model(request, images)
    clock = epoch_clock()
    start = time.perf_counter()
    try:
        with redirect_stdout(sys.stderr):
            history = _fit(request, model, images, clock)
    except KeyboardInterrupt:
        kept = (
            f"finished epochs are kept in {request.checkpoint}: the same command goes on" if request.checkpoint else ""
        )
        raise Interrupted(f"train: stopped; {kept or 'nothing was kept, --checkpoint FOLDER would'}") from None
    found = {
        "schema_version": SCHEMA_VERSION,
        "device": devices.header().as_dict(),
        "data": {
            "name": request.data,
            "sha256": identity,
            "official": data.registry.is_official(request.data, identity),
        },
        "images": {"train": len(images.x_train), "test": len(images.x_test)},
        "parameters": model.count_params(),
        "batch_size": request.batch,
        "precision": request.precision,
        "augment": request.augment,
        "seed": request.seed,
        "epochs": request.epochs,
        "program": history.params["program"],
        "seconds": time.perf_counter() - start,
        "epoch_seconds": clock.seconds,
        "history": history.history,
        "weights_sha256": _digest(model),
    }
    if as_json:
        terminal.print_json(found)
    else:
        _show(found, request)
    return ExitCode.OK


def _images(name: str) -> Any:
    """The set; digits twice as large and as fractions: the CNN leaves nothing of 8 x 8 pixels."""
    import numpy as np

    from gpulabs import data

    split = data.load(name)
    if name != "digits":
        return split

    def enlarge(x: Any) -> Any:
        return (x.repeat(2, 1).repeat(2, 2) / 16).astype(np.float32)

    return split._replace(x_train=enlarge(split.x_train), x_test=enlarge(split.x_test))


def _model(request: Request, images: Any) -> Any:
    import keras

    from gpulabs.networks import lab_cnn

    keras.utils.set_random_seed(request.seed)
    model = lab_cnn(images.x_train.shape[1:], 10, POLICIES[request.precision], request.seed)
    optimizer = keras.optimizers.Adam(request.rate)
    if request.precision == "float16":  # Keras does so by itself only where the policy is the whole model's
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    return model


def _fit(request: Request, model: Any, images: Any, clock: Any) -> Any:
    from gpulabs.training import fit
    from gpulabs.training.event_log import event_log

    callbacks = [clock]
    if request.tensorboard is not None:
        callbacks.append(event_log(request.tensorboard))
    return fit(
        model,
        images.x_train,
        images.y_train,
        epochs=request.epochs,
        batch_size=request.batch,
        validation_data=(images.x_test, images.y_test),
        augment=_augment() if request.augment else None,
        seed=request.seed,
        checkpoint=request.checkpoint,
        callbacks=callbacks,
        deterministic=request.deterministic,
        verbose=1 if sys.stderr.isatty() else 0,
    )


def _augment() -> Any:
    from gpulabs.augmentation import Augmentation, augmenter

    return augmenter(Augmentation(flip=True, shift=3))


def epoch_clock() -> Any:
    """Returns a callback whose `seconds` are those of the epochs."""
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        """Times epochs."""

        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self._start)

    return Clock()


def _digest(model: Any) -> str:
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()


def _show(found: dict[str, Any], request: Request) -> None:
    history, seconds = found["history"], found["epoch_seconds"]
    before = found["epochs"] - len(seconds)
    rows = []
    for number in range(len(history.get("loss", ()))):
        took = f"{seconds[number - before]:.3g}" if number >= before else "earlier"
        values = (f"{history[name][number]:.4f}" for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
        rows.append((number + 1, took, *values))
    columns = ("epoch", "s", "loss", "accuracy", "test loss", "test accuracy")
    terminal.print_table(columns, rows, right=range(len(columns)))
    official = "" if found["data"]["official"] else " (not the official archive)"
    print(
        f"{request.data}{official}: {history['val_accuracy'][-1]:.1%} of {found['images']['test']:,} test images right "
        f"after {len(rows)} epochs; {found['seconds']:.1f} s in all"
    )
    if request.checkpoint is not None:
        print(f"next: --epochs {2 * found['epochs']} goes on from {request.checkpoint}")
