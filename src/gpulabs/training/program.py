"""An epoch as one program: every step, the metrics' inputs and the validation, without coming back to Python."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpulabs.training.batches import Arrays, Augment, order
from gpulabs.training.compilation import scoped_flags, steady_names
from gpulabs.training.flat import FlatOptimizer, can_flatten
from gpulabs.training.lowering import Lowering

VALIDATION_BATCH = 1000
"""Images of a validation step, at most: memory for the activations of so many is there wherever one trains."""

REPORT_S = 1.0
"""How often a program that runs in parts reports; a part's own cost is about a millisecond."""


@dataclass(frozen=True)
class Job:
    """What is trained on.

    Attributes:
        model: Compiled and built.
        arrays: Images and labels to train on.
        validation: Images and labels to validate with after every epoch, or None.
        batch_size: Images of a step; of an epoch's order, what doesn't fill a batch is left out.
        augment: See `gpulabs.training.fit`.
        seed: Of orders, masks and augmentation.
    """

    model: Any
    arrays: Arrays
    validation: Arrays | None
    batch_size: int
    augment: Augment | None
    seed: int

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return len(self.arrays.x) // self.batch_size


class Program:
    """Runs epochs of a job on the device that TensorFlow chooses.

    Args:
        job: What to train.
        jit: One XLA program an epoch; otherwise a TensorFlow graph, called for as many steps as fit `REPORT_S`.
        deterministic: The same bits every time, where the device offers a choice.
    """

    def __init__(self, job: Job, jit: bool, deterministic: bool) -> None:
        import tensorflow as tf

        self._job, self._jit, self._deterministic = job, jit, deterministic
        if not job.model.optimizer.built:
            job.model.optimizer.build(job.model.trainable_variables)
        self._flat = FlatOptimizer(job.model) if jit and can_flatten(job.model) else None
        self._lowering = Lowering(job.model, job.batch_size) if jit else None
        self._x, self._y = tf.constant(job.arrays.x), tf.constant(job.arrays.y)
        if job.validation is not None:
            self._parts, self._part, padded = _padded(job.validation.x)
            self._val_x, self._val_y = tf.constant(padded), tf.constant(job.validation.y)
        self._logs_of = tf.function(self._measure, autograph=False, reduce_retracing=True)
        if jit:
            self._whole = tf.function(self._epoch, autograph=False, jit_compile=True)
        else:
            self._some = tf.function(self._train, autograph=False, reduce_retracing=True)
            self._predict = tf.function(self._validate, autograph=False)
        self._compiled = False
        self._build()

    def epoch(self, number: int, report: Callable[[int], None]) -> dict[str, float]:
        """Trains one epoch.

        Args:
            number: 0 for the first; orders, masks and augmentation follow from it and the seed.
            report: Called with the steps done, now and then.

        Returns:
            The loss and the metrics, those of validation with `val_` before their names.
        """
        import tensorflow as tf

        job = self._job
        indices = order(job.seed, number, len(job.arrays.x))[: job.steps * job.batch_size]
        # Arguments, and not constants of the program: what one seed compiled serves all.
        rows, epoch = tf.constant(indices), tf.constant([job.seed % 2**31, number])
        if self._jit:
            losses, outputs, validated = self._call(rows, epoch)
            report(job.steps)
        else:
            losses, outputs = self._in_parts(rows, epoch, report)
            validated = self._predict() if job.validation is not None else None
        logs = self._logs_of(tf.gather(self._y, rows), outputs, losses, False)
        found = {name: float(value) for name, value in logs.items()}
        if validated is not None:
            logs = self._logs_of(self._val_y, validated, tf.constant([0.0]), True)
            found |= {f"val_{name}": float(value) for name, value in logs.items()}
        return found

    def _call(self, rows: Any, epoch: Any) -> Any:
        if self._compiled:
            return self._whole(rows, epoch)
        search = self._lowering is not None and self._lowering.leaves_convolutions
        with scoped_flags(search, self._deterministic):
            steady_names()
            found = self._whole(rows, epoch)
        self._compiled = True
        return found

    def _in_parts(self, rows: Any, epoch: Any, report: Callable[[int], None]) -> tuple[Any, Any]:
        import tensorflow as tf

        done, count, losses, outputs = 0, 1, [], []
        while done < self._job.steps:
            count = min(count, self._job.steps - done)
            start = time.perf_counter()
            some, output = self._some(rows, epoch, tf.constant(done), tf.constant(count))
            losses.append(some)
            outputs.append(output)
            done += count
            report(done)
            a_step = (time.perf_counter() - start) / count
            count = min(4 * count, max(1, int(REPORT_S / a_step)))
        return tf.concat(losses, 0), tf.concat(outputs, 0)

    def _epoch(self, rows: Any, epoch: Any) -> tuple[Any, Any, Any]:
        if self._flat is not None:
            self._flat.gather()
        losses, outputs = self._train(rows, epoch, 0, self._job.steps)
        if self._flat is not None:
            self._flat.scatter()
        return losses, outputs, self._validate() if self._job.validation is not None else None

    def _train(self, rows: Any, epoch: Any, first: Any, count: Any) -> tuple[Any, Any]:
        """Steps `first` to `first + count`; returns their losses, and the model's outputs."""
        import tensorflow as tf

        job = self._job

        def body(step: Any, losses: Any, outputs: Any) -> tuple[Any, Any, Any]:
            chosen = tf.slice(rows, [step * job.batch_size], [job.batch_size])
            x, y = self._images(tf.gather(self._x, chosen)), tf.gather(self._y, chosen)
            moment = tf.stack([epoch[0], epoch[1] * job.steps + step])
            if job.augment is not None:
                x = tf.ensure_shape(job.augment(x, moment), x.shape)
            loss, output = self._step(x, y, moment)
            return step + 1, losses.write(step - first, loss), outputs.write(step - first, output)

        start = tf.convert_to_tensor(first)
        outputs = tf.TensorArray(tf.float32, count, element_shape=(job.batch_size, *job.model.output_shape[1:]))
        losses = tf.TensorArray(tf.float32, count, element_shape=())
        state = (start, losses, outputs)
        _, losses, outputs = tf.while_loop(lambda step, *_: step < first + count, body, state)
        return losses.stack(), outputs.concat()

    def _step(self, x: Any, y: Any, moment: Any) -> tuple[Any, Any]:
        """One step; returns the loss and the outputs, float32."""
        import keras
        import tensorflow as tf

        model, flat = self._job.model, self._flat
        if self._lowering is not None:
            seed, step = (tf.cast(part, tf.uint32) for part in tf.unstack(moment))
            self._lowering.key = seed * tf.constant(0x85EBCA6B, tf.uint32) + step
        if flat is None:
            with self._lowered(), tf.GradientTape() as tape:
                output = model(x, training=True)
                loss = model.compute_loss(x=x, y=y, y_pred=output, training=True)
                scaled = model.optimizer.scale_loss(loss)
            variables = model.trainable_variables
            model.optimizer.apply(tape.gradient(scaled, variables), variables)
            return tf.cast(loss, tf.float32), tf.cast(output, tf.float32)
        vector = tf.convert_to_tensor(flat.vector.value)
        with self._lowered(), tf.GradientTape() as tape:
            tape.watch(vector)
            scope = keras.StatelessScope(state_mapping=flat.weights(vector), collect_losses=True)
            with scope:
                output = model(x, training=True)
                loss = model.compute_loss(x=x, y=y, y_pred=output, training=True)
            scaled = model.optimizer.scale_loss(loss)
        gradient = tape.gradient(scaled, vector)
        for variable in model.non_trainable_variables:
            if (value := scope.get_current_value(variable)) is not None:
                variable.assign(value)
        flat.apply(gradient)
        return tf.cast(loss, tf.float32), tf.cast(output, tf.float32)

    def _validate(self) -> Any:
        """The model's outputs for the validation images, float32."""
        import tensorflow as tf

        def body(part: Any, outputs: Any) -> tuple[Any, Any]:
            x = tf.slice(self._val_x, [part * self._part, *zeros], [self._part, *self._val_x.shape[1:]])
            with self._lowered():
                output = self._job.model(self._images(x), training=False)
            return part + 1, outputs.write(part, tf.cast(output, tf.float32))

        zeros = [0] * (len(self._val_x.shape) - 1)
        shape = (self._part, *self._job.model.output_shape[1:])
        outputs = tf.TensorArray(tf.float32, self._parts, element_shape=shape)
        _, outputs = tf.while_loop(lambda part, _: part < self._parts, body, (tf.constant(0), outputs))
        return outputs.concat()[: len(self._val_y)]

    def _images(self, x: Any) -> Any:
        import tensorflow as tf

        return tf.cast(x, tf.float32) * (1 / 255) if x.dtype == tf.uint8 else x

    def _lowered(self) -> contextlib.AbstractContextManager[None]:
        return self._lowering.active() if self._lowering is not None else contextlib.nullcontext()

    def _measure(self, y: Any, outputs: Any, losses: Any, validating: bool) -> dict[str, Any]:
        """The model's metrics, of all outputs at once; `losses` are those of the steps, if it was trained on them."""
        import tensorflow as tf

        model = self._job.model
        loss = model.compute_loss(x=None, y=y, y_pred=outputs, training=False) if validating else tf.reduce_mean(losses)
        for metric in model.metrics:
            metric.reset_state()
        model._loss_tracker.update_state(loss)
        logs: dict[str, Any] = model.compute_metrics(x=None, y=y, y_pred=outputs)
        return logs

    def _build(self) -> None:
        """Makes the variables of loss and metrics, which Keras makes at the first batch, outside of the program."""
        import tensorflow as tf

        self._measure(self._y[:1], tf.ones((1, *self._job.model.output_shape[1:])), tf.constant([0.0]), True)


def _padded(images: np.ndarray[Any, Any]) -> tuple[int, int, np.ndarray[Any, Any]]:
    """Cuts into equal parts: their number, their size, and the images with as many more as that needs."""
    parts = -(-len(images) // VALIDATION_BATCH)
    part = -(-len(images) // parts)
    more = parts * part - len(images)
    return parts, part, np.concatenate([images, images[:1].repeat(more, 0)]) if more else images
