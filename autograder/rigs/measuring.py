"""Rigs of functions that measure: a device with a queue, and throughput against the batch size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gpulabs.errors import OutOfMemory
from gpulabs.toy_device import ToyDevice


@dataclass
class DeviceRig:
    """A toy device: `step()`, `synchronize()`, `clock()`.

    Attributes:
        device: The device.
    """

    device: ToyDevice

    @property
    def operations(self) -> Mapping[str, Callable[..., Any]]:
        """What a meter is given."""
        return {"step": self.device.step, "synchronize": self.device.synchronize, "clock": self.device.clock}

    def facts(self) -> dict[str, Any]:
        """The time on its clock in the end, in seconds."""
        return {"seconds": self.device.clock()}


@dataclass
class BatchRig:
    """What can be measured of a batch: `measure(batch)`.

    Attributes:
        answer: Batch -> what one measurement gives; raises `OutOfMemory`.
        truth: Batch -> what the judge holds against it; for the facts. May be filled as measurements come.
        most: Measurements that are allowed.
        failed: Batches that did not fit, as they came.
        measured: Batches that did.
    """

    answer: Callable[[int], Any]
    truth: Callable[[], Mapping[int, float]]
    most: int
    failed: list[int] = field(default_factory=list)
    measured: list[int] = field(default_factory=list)

    @property
    def operations(self) -> Mapping[str, Callable[..., Any]]:
        """What a search is given."""
        return {"measure": self.measure}

    def measure(self, batch: Any) -> Any:
        """Measures one batch, if there is a measurement left."""
        if type(batch) is not int or not 1 <= batch <= 1 << 20:
            raise ValueError(f"a batch is a whole number from 1, not {batch!r}")
        if len(self.failed) + len(self.measured) >= self.most:
            raise RuntimeError(f"no measurement is left: there are {self.most}")
        try:
            value = self.answer(batch)
        except OutOfMemory:
            self.failed.append(batch)
            raise
        self.measured.append(batch)
        return value

    def facts(self) -> dict[str, Any]:
        """The true throughputs, and what was tried."""
        return {"truth": dict(self.truth()), "failed": list(self.failed), "measured": list(self.measured)}
