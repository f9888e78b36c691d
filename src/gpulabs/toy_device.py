"""Made-up devices to measure on: steps that are queued and run later, and throughput against the batch size.

A toy has a clock of its own, so that what takes seconds on a GPU takes none here, and its truth is known: that is how
the estimators of Lab 4 are judged, on any machine. The same seed gives the same device.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from gpulabs.errors import BadInputError, OutOfMemory

QUEUE = 1024
"""Steps that wait for the device at most; the host then waits for room, as CUDA's launch does."""
CLOCK_S = 1e-7
"""What reading the clock takes."""


@dataclass(frozen=True)
class Character:
    """What a device is like.

    Attributes:
        step_ms: One step on the device, undisturbed.
        launch_ms: What queueing a step takes on the host.
        wait_ms: What `synchronize` takes beyond the waiting.
        compile_s: What the first step takes on the host besides.
        slow_steps: So many first steps are slower, from three times as long down to normal.
        noise: Relative spread of a step's time.
        drift: How much slower the device gets, as a share, over its first 20 seconds.
        interruptions_per_s: How often something else runs on the device.
        interruption_ms: How long that takes, on average.
    """

    step_ms: float
    launch_ms: float = 0.03
    wait_ms: float = 0.06
    compile_s: float = 0.0
    slow_steps: int = 0
    noise: float = 0.0
    drift: float = 0.0
    interruptions_per_s: float = 0.0
    interruption_ms: float = 40.0

    @property
    def in_training_ms(self) -> float:
        """What a step takes when the host queues one after the other and never waits."""
        return max(self.step_ms, self.launch_ms)


class ToyDevice:
    """A device with a queue; `step`, `synchronize` and `clock` are what a meter gets.

    Attributes:
        character: What it is like.
        steps: Steps queued so far.
        spans: (queued from, queued until, runs from, runs until) of the first 100 steps, in seconds.
        waits: (from, until) of the first 100 synchronisations.
    """

    def __init__(self, character: Character, seed: int = 0) -> None:
        self.character, self.steps = character, 0
        self.spans: list[tuple[float, float, float, float]] = []
        self.waits: list[tuple[float, float]] = []
        self._random = random.Random(seed)
        self._now = 0.0
        self._ends: deque[float] = deque([0.0], QUEUE)

    def step(self) -> None:
        """Queues one training step and returns at once."""
        is_like, begin = self.character, self._now
        self._now += is_like.launch_ms / 1e3 + (is_like.compile_s if self.steps == 0 else 0.0)
        if len(self._ends) >= QUEUE:  # full: wait until the oldest is done
            self._now = max(self._now, self._ends[0])
        start = max(self._now, self._ends[-1])
        end = start + self._duration(start)
        if len(self.spans) < 100:
            self.spans.append((begin, self._now, start, end))
        self._ends.append(end)
        self.steps += 1

    def _duration(self, start: float) -> float:
        is_like = self.character
        duration = is_like.step_ms / 1e3 * (1 + is_like.noise * self._random.gauss(0, 1))
        duration *= 1 + is_like.drift * min(start / 20, 1)
        if self.steps < is_like.slow_steps:
            duration *= 1 + 2 * (1 - self.steps / is_like.slow_steps)
        if self._random.random() < is_like.interruptions_per_s * duration:
            duration += is_like.interruption_ms / 1e3 * self._random.uniform(0.5, 1.5)
        return duration

    def synchronize(self) -> None:
        """Waits until every queued step is done."""
        begin = self._now
        self._now = max(self._now, self._ends[-1]) + self.character.wait_ms / 1e3
        if len(self.waits) < 100:
            self.waits.append((begin, self._now))

    def clock(self) -> float:
        """The time on the host, in seconds."""
        self._now += CLOCK_S
        return self._now


@dataclass(frozen=True)
class ToyCurve:
    """How long a step takes against the batch, up to a batch that does not fit.

    Attributes:
        fixed_ms: What a step takes however small the batch.
        per_image_ms: What each image adds.
        largest: The largest batch that fits.
        sharpness: 1 adds both parts up; the larger, the more the greater of the two hides the other.
    """

    fixed_ms: float
    per_image_ms: float
    largest: int = 1 << 20
    sharpness: float = 1.0

    def step_ms(self, batch: int) -> float:
        """The time of a step.

        Raises:
            OutOfMemory: The batch is larger than `largest`.
            BadInputError: It is no batch.
        """
        if type(batch) is not int or batch < 1:
            raise BadInputError(f"batch {batch!r}: expected a whole number from 1")
        if batch > self.largest:
            raise OutOfMemory(f"out of memory: a batch of {batch} does not fit")
        power = self.sharpness
        return float((self.fixed_ms**power + (self.per_image_ms * batch) ** power) ** (1 / power))

    def images_per_s(self, batch: int) -> float:
        """The throughput."""
        return batch * 1e3 / self.step_ms(batch)


def noisy_times(step_ms: float, count: int, seed: int, outliers: float = 0.0, drift: float = 0.0) -> list[float]:
    """Makes up measured times: noise of 1 %, a share of outliers that took 1.5 to 8 times as long, a drift.

    Args:
        step_ms: The time they spread about.
        count: How many.
        seed: Of the chance.
        outliers: The share.
        drift: How much longer the last one takes, as a share.

    Returns:
        Milliseconds.
    """
    chance = random.Random(seed)
    times = []
    for place in range(count):
        time_ms = step_ms * (1 + 0.01 * chance.gauss(0, 1)) * (1 + drift * place / max(count - 1, 1))
        times.append(time_ms * chance.uniform(1.5, 8) if chance.random() < outliers else time_ms)
    return times


def utilisation(kernels: Sequence[tuple[float, float]], start: float, end: float) -> float:
    """The share of a window in which at least one kernel runs: what NVML calls the utilisation of a GPU.

    Args:
        kernels: (begin, end) of each, in any order; they may overlap and stick out.
        start: Of the window.
        end: Of the window.

    Returns:
        0 to 1.

    Raises:
        BadInputError: The window is empty.

    Example:
        >>> utilisation([(0, 4), (2, 6)], 0, 10)
        0.6
    """
    if not end > start:
        raise BadInputError(f"utilisation: the window from {start} to {end} is empty")
    edges = sorted({start, end, *(edge for kernel in kernels for edge in kernel if start < edge < end)})
    pieces = itertools.pairwise(edges)  # within a piece no kernel begins or ends
    return sum(b - a for a, b in pieces if any(kernel[0] <= a and b <= kernel[1] for kernel in kernels)) / (end - start)
