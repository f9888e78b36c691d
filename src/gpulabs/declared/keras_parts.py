"""What a plan needs of Keras that Keras doesn't have. Imports Keras: load it only where a model is compiled."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable("gpulabs")
class TabledRate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learning rate looked up by step: any schedule costs the same, one read, and is exactly what was drawn.

    Steps beyond the end keep the last rate.
    """

    def __init__(self, rates: Any) -> None:
        self.table = np.asarray(rates, np.float32)

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step, a float32 scalar."""
        place = keras.ops.minimum(keras.ops.cast(step, "int32"), len(self.table) - 1)
        return keras.ops.take(keras.ops.convert_to_tensor(self.table), place)

    def get_config(self) -> dict[str, Any]:
        """Returns what `__init__` takes."""
        return {"rates": self.table.tolist()}


@keras.saving.register_keras_serializable("gpulabs")
class SmoothedCrossentropy(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy of class indices and probabilities, the target's certainty partly spread over all classes.

    Keras has this for one-hot labels only.

    Source: Szegedy and others, "Rethinking the Inception Architecture for Computer Vision" (2016), section 7.
    """

    def __init__(self, smoothing: float, name: str = "smoothed_crossentropy", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns each image's loss, shape (N,)."""
        labels = keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "int32")
        target = keras.ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype)
        return keras.losses.categorical_crossentropy(target, y_pred, label_smoothing=self.smoothing)

    def get_config(self) -> dict[str, Any]:
        """Returns what `__init__` takes."""
        return {**super().get_config(), "smoothing": self.smoothing}
