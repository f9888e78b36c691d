"""What can't be put into one program, each with its sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

PREDICTIONS_LIMIT = 2**28
"""Numbers that the model may put out in an epoch: they are kept on the device until its metrics are computed."""

_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_begin",
    "on_test_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)


def reason_for_fit(model: Any, callbacks: Sequence[Any], jit: bool, images: int) -> str | None:
    """Returns why `keras.Model.fit` has to train, or None.

    Args:
        model: Compiled.
        callbacks: Of the user.
        jit: Whether XLA would compile the program.
        images: In an epoch.
    """
    import keras
    import tensorflow as tf

    kind = type(model)
    if tf.distribute.has_strategy() or tf.distribute.get_strategy() is not model.distribute_strategy:
        return "the model was made under a tf.distribute strategy"
    if model.run_eagerly:
        return "the model was compiled with run_eagerly=True"
    if kind.train_step is not keras.Model.train_step or kind.test_step is not keras.Model.test_step:
        return f"{kind.__name__} has a train_step or test_step of its own"
    if len(model.inputs or [None]) != 1 or len(model.outputs or [None]) != 1:
        return "the model has several inputs or outputs"
    if not model.trainable_variables:
        return "the model has nothing to train"
    if slow := batch_callback(callbacks):
        return f"{slow} wants to be called at every batch, or around the validation"
    if jit and (layer := next((each for each in model._flatten_layers() if not each.supports_jit), None)):
        return f"the layer {layer.name} ({type(layer).__name__}) can't be compiled by XLA"
    outputs = model.compute_output_shape((1, *model.input_shape[1:]))
    numbers = images
    for size in outputs[1:]:
        numbers *= size or 1
    if numbers > PREDICTIONS_LIMIT:
        return f"its {numbers:,} outputs an epoch are more than are kept for the metrics ({PREDICTIONS_LIMIT:,})"
    return None


def batch_callback(callbacks: Iterable[Any]) -> str | None:
    """Returns the name of the first callback that does something at every batch, or around the validation."""
    import keras

    for each in callbacks:
        if only_epochs(each):
            continue
        for hook in _HOOKS:
            method = getattr(each, hook)
            if getattr(method, "__func__", method) is not getattr(keras.callbacks.Callback, hook):
                return type(each).__name__
    return None


def only_epochs(callback: Any) -> bool:
    """Whether it is a callback of Keras whose batch hooks do nothing as it is set up, or can do without."""
    from keras import callbacks

    if isinstance(callback, callbacks.TensorBoard):
        return bool(callback.update_freq == "epoch" and not callback._should_trace)
    if isinstance(callback, callbacks.ModelCheckpoint | callbacks.BackupAndRestore):
        return bool(callback.save_freq == "epoch")
    # TerminateOnNaN is told the epoch's loss: a NaN in a step is one in the epoch.
    return isinstance(callback, callbacks.ProgbarLogger | callbacks.TerminateOnNaN)
