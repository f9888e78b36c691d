"""Rigs of functions that ask a device how much memory it takes: a search for the largest batch, a few measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpulabs.toy_memory import ToyMemory


@dataclass
class MemoryRig:
    """A device with a memory: `try_batch(n)`, `release()`.

    Attributes:
        device: The device.
        releases: Times that its memory was given back.
    """

    device: ToyMemory
    releases: int = 0

    @property
    def operations(self) -> Mapping[str, Callable[..., Any]]:
        """What a search is given."""
        return {"try_batch": self.device.try_batch, "release": self.release}

    def release(self) -> None:
        """Gives the memory back."""
        self.device.release()
        self.releases += 1

    def facts(self) -> dict[str, Any]:
        """The largest batch, what was tried, what is still held, and whether the process is gone."""
        device = self.device
        return {
            "largest": device.largest,
            "tries": list(device.tries),
            "held": device.held,
            "lost": device.lost,
            "releases": self.releases,
        }


@dataclass
class PeakRig:
    """The peak of a training step, measured a few times: `measure(batch)`.

    Attributes:
        answer: Batch -> bytes.
        truth: The peaks that the judge holds against the prediction, in order; asked for at the end.
        most: Measurements that are allowed.
        largest: Batch that may be measured.
        measured: Batches that were.
    """

    answer: Callable[[int], int]
    truth: Callable[[], list[int]]
    most: int
    largest: int
    measured: list[int] = field(default_factory=list)

    @property
    def operations(self) -> Mapping[str, Callable[..., Any]]:
        """What a prediction is given."""
        return {"measure": self.measure}

    def measure(self, batch: Any) -> int:
        """Measures one batch, if there is a measurement left."""
        if type(batch) is not int or not 1 <= batch <= self.largest:
            raise ValueError(f"measure() takes whole numbers from 1 to {self.largest}, not {batch!r}")
        if len(self.measured) >= self.most:
            raise RuntimeError(f"no measurement is left: there are {self.most}")
        self.measured.append(batch)
        return self.answer(batch)

    def facts(self) -> dict[str, Any]:
        """The true peaks, and what was measured."""
        return {"truth": self.truth(), "measured": list(self.measured)}
