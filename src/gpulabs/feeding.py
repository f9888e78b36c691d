"""Feeding a device with batches: a toy to measure on, and real pipelines that wait more or less.

The host makes a batch, hands the step over and goes on at once; the device works meanwhile. So a step takes whichever
is longer, and only the difference is waiting.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LAUNCH_MS = 0.05
"""What it costs the host to hand over a step."""
CLOCK_MS = 0.001
NOISE = 0.03
"""Spread of each single time, as a share."""
COLD = 30.0
"""The first batch and the first step take so many times as long: files are opened, the step is compiled."""


@dataclass
class ToyFeed:
    """A loader and a device with a clock of their own.

    Attributes:
        load_ms: To make one batch, on the host.
        compute_ms: One step, on the device.
        rng: Of the noise.
    """

    load_ms: float
    compute_ms: float
    rng: np.random.Generator
    _now_ms: float = 0.0
    _busy_until_ms: float = 0.0
    _batches: int = 0
    _steps: int = 0

    @property
    def operations(self) -> Mapping[str, Callable[..., Any]]:
        """What is to be called: `next_batch()`, `step(batch)`, `synchronize()`, `clock()`, in this order."""
        return {
            "next_batch": self.next_batch,
            "step": self.step,
            "synchronize": self.synchronize,
            "clock": self.clock,
        }

    @property
    def share(self) -> float:
        """The truth: the share of a step in which the device waits for its batch."""
        with_data = max(self.load_ms + LAUNCH_MS, self.compute_ms)
        return 1 - max(self.compute_ms, LAUNCH_MS) / with_data

    def next_batch(self) -> int:
        """Makes a batch; returns its number."""
        self._now_ms += self._noisy(self.load_ms) * (1 if self._batches else COLD)
        self._batches += 1
        return self._batches

    def step(self, batch: Any) -> None:
        """Hands a batch to the device, which takes it when it is done with those before."""
        if type(batch) is not int or not 1 <= batch <= self._batches:
            raise ValueError(f"step: {batch!r} is no batch that next_batch() has made")
        self._now_ms += LAUNCH_MS
        begin = max(self._now_ms, self._busy_until_ms)
        self._busy_until_ms = begin + self._noisy(self.compute_ms) * (1 if self._steps else COLD)
        self._steps += 1

    def synchronize(self) -> None:
        """Waits until the device is done."""
        self._now_ms = max(self._now_ms, self._busy_until_ms)

    def clock(self) -> float:
        """Seconds on the host's clock."""
        self._now_ms += CLOCK_MS
        return self._now_ms / 1e3

    def facts(self) -> dict[str, Any]:
        """The truth, for a judge."""
        return {"share": self.share, "load_ms": self.load_ms, "compute_ms": self.compute_ms}

    def _noisy(self, mean_ms: float) -> float:
        return mean_ms * (1 + NOISE * float(self.rng.uniform(-1, 1)))


class Operations(NamedTuple):
    """What a function that measures is given."""

    next_batch: Callable[[], Any]
    step: Callable[[Any], None]
    synchronize: Callable[[], None]
    clock: Callable[[], float]


def real_feeds(model: Any, x: NDArray[np.uint8], y: NDArray[np.uint8], batch: int) -> dict[str, Operations]:
    """Three pipelines for one training step, each a little better than the one before.

    Args:
        model: A compiled Keras model; its weights change.
        x: Images, (N, H, W, C).
        y: Class indices, (N,).
        batch: Images a step.

    Returns:
        Caption -> operations: batches made image by image in Python; by NumPy, ahead, in a thread; on the device
        already.
    """
    import tensorflow as tf

    def trained(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model.compute_loss(images, labels, model(images, training=True)))
        model.optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        )
        return loss

    compiled = tf.function(trained)
    last: list[Any] = []

    def step(given: Any) -> None:
        last[:] = [compiled(*given)]

    def synchronize() -> None:
        for loss in last:
            loss.numpy()

    order = np.random.default_rng(0).permutation(len(x))
    starts = itertools.cycle(range(0, len(x) - batch + 1, batch))

    def one_by_one() -> Any:
        chosen = order[(first := next(starts)) : first + batch]
        images = np.stack([np.asarray(x[place].tolist(), np.float32) / 255 for place in chosen])
        return tf.constant(images), tf.constant(y[chosen])

    def arrays() -> Iterator[Any]:
        while True:
            chosen = order[(first := next(starts)) : first + batch]
            yield x[chosen].astype(np.float32) / 255, y[chosen]

    signature = (
        tf.TensorSpec((batch, *x.shape[1:]), tf.float32),
        tf.TensorSpec((batch,), tf.uint8),
    )
    ahead = iter(tf.data.Dataset.from_generator(arrays, output_signature=signature).prefetch(4))
    there = tf.constant(x[order[:batch]].astype(np.float32) / 255), tf.constant(y[order[:batch]])
    return {
        "image by image": Operations(one_by_one, step, synchronize, time.perf_counter),
        "made ahead": Operations(lambda: next(ahead), step, synchronize, time.perf_counter),
        "on the device": Operations(lambda: there, step, synchronize, time.perf_counter),
    }
