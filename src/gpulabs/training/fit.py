"""`fit`: what `keras.Model.fit` takes and returns, with an epoch as one program where that can be."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gpulabs.errors import BadInputError
from gpulabs.training import batches, checkpoint, compilation
from gpulabs.training.batches import Augment
from gpulabs.training.fallback import keras_fit
from gpulabs.training.program import Job, Program
from gpulabs.training.progress import Progress
from gpulabs.training.support import reason_for_fit


class FallbackWarning(UserWarning):
    """`keras.Model.fit` trains, and why."""


def fit(
    model: Any,
    x: Any,
    y: Any,
    *,
    epochs: int,
    batch_size: int = 128,
    validation_data: tuple[Any, Any] | None = None,
    augment: Augment | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Any] = (),
    deterministic: bool = False,
    verbose: int | str = "auto",
    sample_weight: Any = None,
    xla: bool | None = None,
) -> Any:
    """Trains a compiled Keras model.

    Every epoch has an order of its own. What doesn't fill its last batch is left out, other images each time. Metrics
    are computed of all outputs of an epoch, as Keras does.

    Args:
        model: A compiled `keras.Model` with one input and one output; any optimizer, loss, metrics and dtype policy.
        x: Images (N, H, W, C), uint8 (the model sees them divided by 255) or float32 (as they are).
        y: Labels (N,), integers.
        epochs: Epochs in all, those of an earlier run with this `checkpoint` included.
        batch_size: Images of a step; at most N.
        validation_data: Images and labels; their loss and metrics stand in the history with `val_` before the name.
        augment: Takes the images of a step, float32 (B, H, W, C), and a seed, int32 (2,), another one at every step;
            returns images of the same shape. Made of TensorFlow's operations; on a GPU, of those that XLA compiles.
        seed: Of orders, of augmentation, and on a GPU of dropout. At least 0.
        checkpoint: A folder. The state is written there after every epoch, whole or not at all; the same call goes on
            from it, also after the process was killed.
        callbacks: Keras's or your own. Called at epochs; one that wants batches makes `keras.Model.fit` train.
        deterministic: The same bits every time on the same machine.
        verbose: 0 nothing, 1 a bar, 2 a line an epoch; `auto` is a bar in a notebook or on a terminal.
        sample_weight: Weights of the images (N,); `keras.Model.fit` trains with them.
        xla: Whether an epoch is an XLA program; by default where there is a GPU.

    Returns:
        A `keras.callbacks.History`; its `params["program"]` is `xla`, `graph` or `fit`.

    Raises:
        BadInputError: An argument can't be used, or the checkpoint is of another run.
        DataError: The checkpoint is damaged.

    Example:
        >>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        >>> history = fit(model, x_train, y_train, epochs=20, validation_data=(x_test, y_test))
        >>> history.history["val_accuracy"][-1]
        0.79
    """
    import tensorflow as tf

    compilation.prepare()
    if not getattr(model, "compiled", False):
        raise BadInputError("fit: the model is not compiled; call model.compile(optimizer, loss) first")
    if epochs < 1 or batch_size < 1 or seed < 0:
        raise BadInputError(
            f"fit: epochs={epochs}, batch_size={batch_size}, seed={seed}; the first two are at least 1, seed at least 0"
        )
    train = batches.arrays(x, y, "x, y")
    validation = batches.arrays(*validation_data, "validation_data") if validation_data is not None else None
    _check_shapes(model, train, validation)
    jit = bool(tf.config.list_physical_devices("GPU")) if xla is None else xla
    job = Job(model, train, validation, min(batch_size, len(train.x)), augment, seed)
    run = _Run(job, epochs, callbacks, None if checkpoint is None else Path(checkpoint), verbose)
    reason = reason_for_fit(model, callbacks, jit, len(train.x))
    if sample_weight is not None:
        reason = "sample_weight is given"
    if reason is None:
        try:
            return run.as_program(jit, deterministic)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            if not jit or run.began:
                raise
            reason = f"XLA can't compile it ({_first_line(error)})"
    warnings.warn(f"gpulabs.training: keras.Model.fit trains, because {reason}", FallbackWarning, stacklevel=2)
    return run.as_keras_fit(sample_weight, deterministic)


class _Run:
    """One call of `fit`."""

    def __init__(
        self, job: Job, epochs: int, callbacks: Sequence[Any], folder: Path | None, verbose: int | str
    ) -> None:
        self._job, self._epochs, self._folder = job, epochs, folder
        self._callbacks, self._verbose = list(callbacks), verbose
        self.began = False
        """Whether an epoch was trained."""

    def as_program(self, jit: bool, deterministic: bool) -> Any:
        """Trains with `Program`."""
        import keras

        kind = "xla" if jit else "graph"
        program = Program(self._job, jit, deterministic)
        model, steps = self._job.model, self._job.steps
        state = self._resume(kind)
        listed = keras.callbacks.CallbackList(
            self._callbacks, add_history=True, model=model, epochs=self._epochs, steps=steps, verbose=0, program=kind
        )
        history = listed._history
        model.stop_training = False
        listed.on_train_begin()
        history.history, history.epoch = dict(state.history), list(range(state.epochs_done))
        progress = Progress(self._verbose, self._epochs, steps)
        logs: dict[str, float] = {}
        todo = range(state.epochs_done, self._epochs if not state.stopped else state.epochs_done)
        for number in todo:
            listed.on_epoch_begin(number)
            progress.begin(number, ": compiling" if jit and not self.began else "")
            with _determinism(deterministic and not jit):
                logs = program.epoch(number, progress.steps)
            self.began = True
            progress.end(logs)
            for each in self._callbacks:
                if isinstance(each, keras.callbacks.TerminateOnNaN):
                    each.on_batch_end(steps - 1, logs)
            listed.on_epoch_end(number, logs)
            self._save(kind, number + 1, history.history)
            if model.stop_training:
                break
        model.optimizer.finalize_variable_values(model.trainable_variables)
        listed.on_train_end(logs)
        return history

    def as_keras_fit(self, sample_weight: Any, deterministic: bool) -> Any:
        """Trains with `keras.Model.fit`, on the same batches."""
        model = self._job.model
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        state = self._resume("fit")
        epochs = self._epochs if not state.stopped else state.epochs_done
        with _determinism(deterministic):
            history = keras_fit(self._job, state, epochs, self._callbacks, self._verbose, sample_weight, self._saver())
        history.params["program"] = "fit"
        return history

    def _saver(self) -> Callable[[int, dict[str, list[float]]], None]:
        return lambda done, history: self._save("fit", done, history)

    def _resume(self, kind: str) -> checkpoint.State:
        """Puts the checkpoint's state into model and optimizer, if there is one."""
        fresh = checkpoint.State(0, {})
        if self._folder is None:
            return fresh
        found = checkpoint.load(self._folder, self._identity(kind))
        if found is None:
            return fresh
        for variable, value in zip(_variables(self._job.model), found.arrays, strict=True):
            variable.assign(value)
        return found

    def _save(self, kind: str, done: int, history: dict[str, list[float]]) -> None:
        if self._folder is not None:
            values = [each.value for each in _variables(self._job.model)]
            stopped = bool(self._job.model.stop_training)
            checkpoint.save(self._folder, checkpoint.State(done, history, stopped, values), self._identity(kind))

    def _identity(self, kind: str) -> dict[str, Any]:
        """What the run is: whatever changes its weights, but for the number of epochs."""
        job = self._job
        if not hasattr(self, "_digest"):
            digest = hashlib.blake2b(digest_size=16)
            for array in (*job.arrays, *(job.validation or ())):
                digest.update(memoryview(array).cast("B") if array.flags.c_contiguous else array.tobytes())
            self._digest = digest.hexdigest()
        model = job.model
        shapes = ";".join(f"{tuple(each.shape)} {each._dtype}" for each in _variables(model))
        layers = [type(each).__name__ for each in model._flatten_layers(include_self=False)]
        return {
            "program": kind,
            "seed": job.seed,
            "batch_size": job.batch_size,
            "augment": getattr(job.augment, "__qualname__", type(job.augment).__name__) if job.augment else "",
            "data": self._digest,
            "layers": layers,
            "dtype_policy": model.dtype_policy.name,
            "variables": hashlib.sha256(shapes.encode()).hexdigest(),
            "optimizer": type(getattr(model.optimizer, "inner_optimizer", model.optimizer)).__name__,
        }


def _variables(model: Any) -> list[Any]:
    """Model and optimizer, without metrics: they start anew with every epoch."""
    metrics = {id(each) for metric in model.metrics for each in metric.variables}
    found = {id(each): each for each in (*model.variables, *model.optimizer.variables) if id(each) not in metrics}
    return list(found.values())


def _check_shapes(model: Any, train: batches.Arrays, validation: batches.Arrays | None) -> None:
    expected = getattr(model, "input_shape", None)
    for name, each in (("x", train), ("validation_data", validation)):
        if each is None or not isinstance(expected, tuple) or len(expected) != 4:
            continue
        if any(want is not None and want != got for want, got in zip(expected[1:], each.x.shape[1:], strict=True)):
            raise BadInputError(f"fit: {name} has images of shape {each.x.shape[1:]}, the model takes {expected[1:]}")
    classes: Sequence[Any] = getattr(model, "output_shape", (None,))
    if len(classes) == 2 and classes[1] and classes[1] > 1 and not 0 <= train.y.min() <= train.y.max() < classes[1]:
        raise BadInputError(
            f"fit: labels from {train.y.min()} to {train.y.max()}, but the model tells {classes[1]} classes apart: "
            f"expected 0 to {classes[1] - 1}"
        )


@contextlib.contextmanager
def _determinism(wanted: bool) -> Iterator[None]:
    """Inside, TensorFlow's operations are deterministic if asked; after it, as before."""
    import tensorflow as tf
    from tensorflow.python.framework import config

    change = wanted and not config.is_op_determinism_enabled()
    if change:
        tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        if change:
            config.disable_op_determinism()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
