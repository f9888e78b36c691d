"""Training steps that were really measured, against the batch size: a file a device, with its header.

    for device in recorded_steps():
        print(device.name, device.batches)

The files come from `python -m benchmarks.step_times` and lie in `benchmarks/results/step_times`, in a wheel in
`gpulabs/recorded/step_times`. One more device is one more file.
"""

from __future__ import annotations

import functools
import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpulabs.errors import DataError, OutOfMemory
from gpulabs.recordings import folders

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class RecordedSteps:
    """What one device took for one network in one precision.

    Attributes:
        name: The device's name, e.g. `NVIDIA H200`; of a processor with the words `(CPU)`.
        network: The network, as `gpulabs.training_step` calls it.
        precision: Likewise.
        header: All that is known of the device.
        times_ms: Batch -> single times, milliseconds a step, in the order in which they were measured.
        utilisation: Batch -> share of time in which some kernel ran; empty where nothing tells.
        date: When.
    """

    name: str
    network: str
    precision: str
    header: Mapping[str, Any]
    times_ms: Mapping[int, tuple[float, ...]]
    utilisation: Mapping[int, float]
    date: str

    @property
    def on_gpu(self) -> bool:
        """Whether it is a GPU."""
        return bool(self.header.get("gpu"))

    @property
    def batches(self) -> tuple[int, ...]:
        """The batches that were measured, in order."""
        return tuple(sorted(self.times_ms))

    def step_ms(self, batch: int) -> float:
        """The median time of a step.

        Raises:
            OutOfMemory: No batch as large was measured.
        """
        if batch not in self.times_ms:
            raise OutOfMemory(f"out of memory: a batch of {batch} does not fit")
        return statistics.median(self.times_ms[batch])

    def images_per_s(self, batch: int) -> float:
        """The throughput, from the median time."""
        return batch * 1e3 / self.step_ms(batch)


def recorded_steps(folder: Path | None = None) -> tuple[RecordedSteps, ...]:
    """Reads all recordings, GPUs first.

    Args:
        folder: Where they lie; a checkout's `benchmarks/results/step_times`, then the package by default.

    Raises:
        DataError: A file is damaged.
    """
    chosen = folder or next((place for place in folders("step_times") if place.is_dir()), None)
    found = [one for path in sorted(chosen.glob("*.json")) for one in _read(path)] if chosen else []
    return tuple(sorted(found, key=lambda one: (not one.on_gpu, one.name, one.network, one.precision)))


@functools.cache
def _read(path: Path) -> tuple[RecordedSteps, ...]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema_version"] != SCHEMA_VERSION:
            raise DataError(f"{path}: schema version {data['schema_version']}, expected {SCHEMA_VERSION}")
        device, rows = data["device"], [row for row in data["rows"] if "times_ms" in row]
        return tuple(
            RecordedSteps(
                str(device.get("gpu") or f"{device['cpu']} (CPU)"),
                network,
                precision,
                device,
                {row["plan"]["batch"]: tuple(map(float, row["times_ms"])) for row in mine},
                {row["plan"]["batch"]: float(row["utilisation"]) for row in mine if row["utilisation"] is not None},
                str(data["date"]),
            )
            for network, precision in dict.fromkeys((r["plan"]["network"], r["plan"]["precision"]) for r in rows)
            if (mine := [r for r in rows if (r["plan"]["network"], r["plan"]["precision"]) == (network, precision)])
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: no recording of step times ({type(error).__name__}: {error})") from error
