"""A rig of functions that look for waiting: a loader that makes batches, a device that works through a queue.

The host makes a batch (`next_batch`), hands it to the device (`step`) and goes on at once; the device works meanwhile.
So a step takes whichever is longer, and only the difference is waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

LAUNCH_MS = 0.05
"""What it costs the host to hand over a step."""
CLOCK_MS = 0.001
NOISE = 0.03
"""Spread of each single time, as a share."""
COLD = 30.0
"""The first batch and the first step take so many times as long: files are opened, the step is compiled."""


@dataclass
class FeedingRig:
    """A loader and a device, with a clock of their own.

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
        """What a function is given."""
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
        """The truth, for the judge."""
        return {"share": self.share, "load_ms": self.load_ms, "compute_ms": self.compute_ms}

    def _noisy(self, mean_ms: float) -> float:
        return mean_ms * (1 + NOISE * float(self.rng.uniform(-1, 1)))
