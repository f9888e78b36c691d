"""All trainable variables, and each kind of optimizer slot, as one vector.

The labs' CNN has 16 trainable variables. Updated one by one, they cost Adam dozens of small kernels a step, which take
longer to launch than to run; as one vector, one kernel. Keras's own optimizer does the arithmetic: a copy of it that
knows a single variable. That is right for optimizers which treat every number alike, and only those are copied.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

ELEMENTWISE = ("SGD", "Adam", "AdamW", "Adamax", "Nadam", "RMSprop", "Adagrad", "Adadelta", "Lion")


class FlatOptimizer:
    """Steps a model's trainable variables as one vector, with a copy of its optimizer, which is built.

    Attributes:
        vector: float32, all trainable variables end to end.
    """

    def __init__(self, model: Any) -> None:
        import keras

        self._scaler: Any = (
            model.optimizer if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) else None
        )
        self._users = self._scaler.inner_optimizer if self._scaler else model.optimizer
        self._variables = list(model.trainable_variables)
        self._sizes = [math.prod(each.shape) for each in self._variables]
        self.vector = keras.Variable(keras.ops.zeros(sum(self._sizes)), name="all_trainable")
        config = self._users.get_config() | {"learning_rate": 0.0}
        self._copy = type(self._users).from_config(config)
        self._copy.weight_decay = None  # ours: it may concern some variables only
        self._copy.build([self.vector])
        self._decay = self._decay_of_each()
        self._slots: list[tuple[Any, list[Any]]] = []
        known = set()
        for name, users in vars(self._users).items():
            ours = getattr(self._copy, name, None)
            if name.startswith("_trainable") or name == "_variables":
                continue
            if isinstance(users, list) and len(users) == len(self._variables) and isinstance(ours, list):
                if len(ours) == 1 and all(isinstance(each, keras.Variable) for each in users):
                    self._slots.append((ours[0], users))
                    known |= {id(each) for each in users}
            elif isinstance(users, keras.Variable) or name == "_learning_rate":
                setattr(self._copy, name, users)  # shared: step count and learning rate stay the user's
                known.add(id(users))
        if lost := [each.path for each in self._users.variables if id(each) not in known]:
            raise ValueError(f"FlatOptimizer: {lost} of {type(self._users).__name__} would not be stepped")

    def gather(self) -> None:
        """Copies the model's variables and slots into the vectors; in a program."""
        import tensorflow as tf

        for vector, parts in ((self.vector, self._variables), *self._slots):
            vector.assign(tf.concat([tf.reshape(part.value, (-1,)) for part in parts], 0))

    def scatter(self) -> None:
        """Copies the vectors back; in a program."""
        import tensorflow as tf

        for vector, parts in ((self.vector, self._variables), *self._slots):
            for part, values in zip(parts, tf.split(vector.value, self._sizes), strict=True):
                part.assign(tf.reshape(values, part.shape))

    def weights(self, vector: Any) -> list[tuple[Any, Any]]:
        """Returns (variable, its value) as a `keras.StatelessScope` takes them.

        Args:
            vector: The value of `self.vector`.
        """
        import tensorflow as tf

        values = tf.split(vector, self._sizes)
        return [(each, tf.reshape(value, each.shape)) for each, value in zip(self._variables, values, strict=True)]

    def apply(self, gradient: Any) -> None:
        """One step.

        Args:
            gradient: Of the scaled loss, as long as the vector.
        """
        if self._scaler is None:
            self._update(gradient)
        else:
            self._apply_if_finite(gradient)

    def _update(self, gradient: Any) -> None:
        if self._decay is not None:
            self.vector.assign(self.vector.value * (1.0 - self._decay * self._copy.learning_rate))
        self._copy.apply([gradient], [self.vector])

    def _decay_of_each(self) -> Any:
        """The weight decay, one number or one a number of the vector; None if there is none."""
        import tensorflow as tf

        strength = self._users.weight_decay
        decayed = [bool(strength and self._users._use_weight_decay(each)) for each in self._variables]
        if not any(decayed):
            return None
        if all(decayed):
            return strength
        parts = [np.full(size, strength * on, np.float32) for size, on in zip(self._sizes, decayed, strict=True)]
        return tf.constant(np.concatenate(parts))

    def _apply_if_finite(self, gradient: Any) -> None:
        """What LossScaleOptimizer does, by choosing values and not branches, which would wait for the host."""
        import tensorflow as tf

        scale, count = self._scaler.dynamic_scale, self._scaler.step_counter
        gradient = gradient / scale.value
        finite = tf.reduce_all(tf.math.is_finite(gradient))
        kept = [self.vector, *(vector for vector, _ in self._slots), self._copy.iterations]
        before = [tf.identity(each.value) for each in kept]
        self._update(tf.where(finite, gradient, tf.zeros_like(gradient)))
        for each, old in zip(kept, before, strict=True):
            each.assign(tf.where(finite, each.value, old))
        full = tf.equal(count.value, self._scaler.dynamic_growth_steps - 1)
        grown = tf.where(full, scale.value * 2.0, scale.value)
        scale.assign(tf.where(finite, grown, scale.value * 0.5))
        count.assign(tf.where(finite & ~full, count.value + 1, tf.zeros_like(count.value)))


def can_flatten(model: Any) -> bool:
    """Whether a step of the model's optimizer treats every number of every trainable variable alike."""
    import keras

    optimizer = model.optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    known = any(type(optimizer) is getattr(keras.optimizers, name, None) for name in ELEMENTWISE)
    if not known or optimizer.clipnorm or optimizer.use_ema or optimizer.gradient_accumulation_steps:
        return False
    variables = model.trainable_variables
    plain = all(str(each._dtype) == "float32" and each.constraint is None for each in variables)
    return plain and not any(each.overwrite_with_gradient for each in variables)
