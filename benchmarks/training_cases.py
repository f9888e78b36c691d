"""One case of `benchmarks.training`, in its own process: prints a JSON line a run.

python -m benchmarks.training_cases CASE [FILE.npz]        CASE: JSON, as in benchmarks.training.CASES
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.training import BATCH, EPOCHS

AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "flip and shift": {"flip": True, "shift": 2},
    "everything": {
        **{"flip": True, "shift": 2, "rotate": 10.0},
        **{"brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 18.0, "cutout": 8},
    },
}


def main(case: dict[str, Any], images: Path | None) -> None:
    """Runs the case."""
    data = read(images, case.get("images"))
    runner = {"trainer": by_trainer, "plan": by_plan, "augmentation": by_augmentation}
    runner |= {"keras": by_keras, "torch": by_torch}
    for found in runner[case["how"]](case, data):
        print(json.dumps(found), flush=True)


def read(images: Path | None, count: int | None) -> tuple[Any, Any, Any, Any]:
    """Training images and labels, as many as asked, and the test set's."""
    import numpy as np

    if images is None:
        from gpulabs.data import load

        with moved_data():
            arrays = tuple(load("cifar10"))
    else:
        with np.load(images) as stored:
            arrays = tuple(stored[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    x, y, x_test, y_test = arrays
    return x[:count], y.reshape(-1)[:count], x_test, y_test.reshape(-1)


class moved_data:
    """Inside, the data sets lie where they lay for the parent; after it, in the case's own folder."""

    def __enter__(self) -> None:
        self._ours = os.environ.pop("GPULABS_DATA", None)
        if theirs := os.environ.get("GPULABS_DATA_OF_SET"):
            os.environ["GPULABS_DATA"] = theirs

    def __exit__(self, *_: object) -> None:
        if self._ours is not None:
            os.environ["GPULABS_DATA"] = self._ours


def by_trainer(case: dict[str, Any], data: tuple[Any, Any, Any, Any]) -> Iterator[dict[str, Any]]:
    """The network as given; nothing but importing comes before the clock."""
    from gpulabs.training import fit, prepare

    prepare()
    from gpulabs.commands.train import epoch_clock

    x, y, x_test, y_test = data
    clock = epoch_clock()
    start = time.perf_counter()
    model = keras_model(case)
    made = time.perf_counter()
    options = {"epochs": case.get("epochs", EPOCHS), "batch_size": BATCH, "validation_data": (x_test, y_test)}
    history = fit(model, x, y, **options, callbacks=[clock], verbose=0)
    found = result(start, clock.seconds, history.history["val_accuracy"])
    yield found | {"model_s": made - start, "program": history.params["program"]}


def by_plan(case: dict[str, Any], data: tuple[Any, Any, Any, Any]) -> Iterator[dict[str, Any]]:
    """The lab's network by a declared plan, seed after seed."""
    from gpulabs.training import prepare

    prepare()
    from gpulabs.commands.train import epoch_clock
    from gpulabs.declared import LAB_NETWORK, read_plan, train

    x, y, x_test, y_test = data
    plan = read_plan(case["plan"] | {"epochs": case.get("epochs", EPOCHS), "precision": case["precision"]})
    for seed in range(case["seeds"]):
        clock = epoch_clock()
        start = time.perf_counter()
        options = {"validation_data": (x_test, y_test), "callbacks": [clock]}
        _, history = train(LAB_NETWORK, plan, x, y, seed=seed, **options)
        yield result(start, clock.seconds, history.history["val_accuracy"]) | {"seed": seed}


def by_augmentation(case: dict[str, Any], data: tuple[Any, Any, Any, Any]) -> Iterator[dict[str, Any]]:
    """Epochs with more and more augmentation, without validation, so that only steps differ."""
    from gpulabs.training import fit, prepare

    prepare()
    from gpulabs.augmentation import Augmentation, augmenter
    from gpulabs.commands.train import epoch_clock

    for name, settings in AUGMENTATIONS.items():
        clock = epoch_clock()
        start = time.perf_counter()
        augment = augmenter(Augmentation(**settings)) if settings else None
        options = {"epochs": case["epochs"], "batch_size": BATCH, "augment": augment}
        history = fit(keras_model(case), *data[:2], **options, callbacks=[clock], verbose=0)
        yield result(start, clock.seconds, history.history["accuracy"]) | {"augmentation": name}


def by_keras(case: dict[str, Any], data: tuple[Any, Any, Any, Any]) -> Iterator[dict[str, Any]]:
    """Stock `keras.Model.fit`."""
    import keras  # noqa: F401 (imported before the clock starts)
    import numpy as np

    from gpulabs.commands.train import epoch_clock

    x, y, x_test, y_test = data
    x, x_test = (each.astype(np.float32) / np.float32(255) for each in (x, x_test))
    clock = epoch_clock()
    start = time.perf_counter()
    options = {"epochs": case["epochs"], "batch_size": BATCH, "validation_data": (x_test, y_test)}
    history = keras_model(case).fit(x, y, **options, callbacks=[clock], verbose=0)
    yield result(start, clock.seconds, history.history["val_accuracy"])


def keras_model(case: dict[str, Any]) -> Any:
    """The lab's network, compiled as given."""
    import keras

    from gpulabs.networks import lab_cnn

    keras.utils.set_random_seed(0)
    model = lab_cnn(precision=case["precision"], seed=0)
    optimizer = keras.optimizers.Adam(1e-3)
    if case["precision"] == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    return model


def by_torch(case: dict[str, Any], data: tuple[Any, Any, Any, Any]) -> Iterator[dict[str, Any]]:
    """The same network, Keras's defaults for normalization, initial weights and Adam's epsilon where they differ."""
    import torch
    from torch import nn

    x, y, x_test, y_test = (torch.from_numpy(each.astype("int64") if each.ndim == 1 else each) for each in data)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    start = time.perf_counter()
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    x, y, x_test, y_test = (each.to(device) for each in (x, y, x_test, y_test))
    model = torch_model(nn).to(device).to(memory_format=torch.channels_last)
    fused = {"fused": True, "capturable": True} if device == "cuda" else {}
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-7, **fused)

    def images(batch: Any) -> Any:
        return batch.permute(0, 3, 1, 2).to(memory_format=torch.channels_last).float() / 255

    def losses(batch: Any, labels: Any) -> Any:
        with torch.autocast(device, torch.bfloat16):
            return nn.functional.cross_entropy(model(images(batch)).float(), labels)

    if not case.get("eager"):
        losses = torch.compile(losses, mode="reduce-overhead")
    times, accuracies = [], []
    for _ in range(case["epochs"]):
        begin = time.perf_counter()
        model.train()
        order = torch.randperm(len(x), device=device)
        for step in range(len(x) // BATCH):
            rows = order[step * BATCH : (step + 1) * BATCH]
            loss = losses(x[rows], y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad(), torch.autocast(device, torch.bfloat16):
            right = sum(
                int((model(images(x_test[at : at + 1000])).argmax(1) == y_test[at : at + 1000]).sum())
                for at in range(0, len(x_test), 1000)
            )
        accuracies.append(right / len(x_test))
        times.append(time.perf_counter() - begin)
    yield result(start, times, accuracies) | {"torch": torch.__version__, "device": device}


def torch_model(nn: Any) -> Any:
    """The lab's network for images NCHW, with Keras's initial weights."""

    def block(inputs: int, filters: int) -> list[Any]:
        return [
            *(nn.Conv2d(inputs, filters, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(filters, 1e-3, 0.01)),
            *(nn.Conv2d(filters, filters, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        ]

    head = [
        *(nn.Flatten(), nn.Linear(2304, 512), nn.ReLU(), nn.BatchNorm1d(512, 1e-3, 0.01), nn.Dropout(0.5)),
        nn.Linear(512, 10),
    ]
    model = nn.Sequential(*block(3, 32), *block(32, 64), *head)
    for part in model.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
    return model


def result(start: float, times: list[float], accuracies: list[float]) -> dict[str, Any]:
    """A run, from its start until now."""
    return {"total_s": time.perf_counter() - start, "epoch_times_s": times, "test_accuracies": accuracies}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
