"""The memory of training steps as really measured, against the batch size: a file a device, with its header.

    for device in recorded_memory():
        print(device.name, device.network, device.peak_bytes(512))

The files come from `python -m benchmarks.step_memory` and lie in `benchmarks/results/step_memory`, in a wheel in
`gpulabs/recorded/step_memory`. One more device is one more file.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpulabs.errors import DataError, OutOfMemory

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class RecordedMemory:
    """What one device needed for one network, precision and optimizer.

    Attributes:
        name: The device's name, e.g. `NVIDIA H200`; of a processor with the words `(CPU)`.
        network: The network, as `gpulabs.training_step` calls it.
        precision: Likewise.
        optimizer: Likewise.
        recompute: Whether activations were computed again.
        source: What was read: XLA's buffer assignment, or TensorFlow's allocator.
        header: All that is known of the device.
        peaks: Batch -> peak in bytes, as measured.
        date: When.
    """

    name: str
    network: str
    precision: str
    optimizer: str
    recompute: bool
    source: str
    header: Mapping[str, Any]
    peaks: Mapping[int, int]
    date: str

    @property
    def on_gpu(self) -> bool:
        """Whether it is a GPU."""
        return bool(self.header.get("gpu"))

    @property
    def batches(self) -> tuple[int, ...]:
        """The batches that were measured, in order."""
        return tuple(sorted(self.peaks))

    def peak_bytes(self, batch: int) -> int:
        """The peak of a batch: as measured, or on the straight line between its neighbours.

        Raises:
            OutOfMemory: It is beyond the largest that was measured.
            ValueError: It is below the smallest.
        """
        if batch in self.peaks:
            return self.peaks[batch]
        if batch > max(self.peaks):
            raise OutOfMemory(f"out of memory: a batch of {batch} was not measured, and is taken not to fit")
        for low, high in itertools.pairwise(self.batches):
            if low < batch < high:
                share = (batch - low) / (high - low)
                return round(self.peaks[low] + share * (self.peaks[high] - self.peaks[low]))
        raise ValueError(f"batch {batch}: the smallest that was measured is {min(self.peaks)}")


def recorded_memory(folder: Path | None = None) -> tuple[RecordedMemory, ...]:
    """Reads all recordings, GPUs first.

    Args:
        folder: Where they lie; a checkout's `benchmarks/results/step_memory`, then the package by default.

    Raises:
        DataError: A file is damaged.
    """
    here = Path(__file__).resolve()
    places = (here.parents[2] / "benchmarks" / "results" / "step_memory", here.parent / "recorded" / "step_memory")
    chosen = folder or next((place for place in places if place.is_dir()), None)
    found = [one for path in sorted(chosen.glob("*.json")) for one in _read(path)] if chosen else []
    return tuple(sorted(found, key=lambda one: (not one.on_gpu, one.name, one.network, one.precision, one.recompute)))


def recorded_on_cpu(network: str) -> RecordedMemory:
    """What XLA assigned on a CPU for a network in float32, trained with Adam, nothing computed again.

    Raises:
        DataError: There is no such recording.
    """
    for found in recorded_memory():
        plain = (found.precision, found.optimizer, found.recompute) == ("float32", "adam", False)
        if plain and found.network == network and not found.on_gpu:
            return found
    raise DataError(f"no recorded memory of {network} on a CPU: install gpulabs again")


@functools.cache
def _read(path: Path) -> tuple[RecordedMemory, ...]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema_version"] != SCHEMA_VERSION:
            raise DataError(f"{path}: schema version {data['schema_version']}, expected {SCHEMA_VERSION}")
        device = data["device"]
        found: dict[tuple[str, str, str, bool], dict[int, int]] = {}
        for row in data["rows"]:
            if "out_of_memory" not in row:
                plan = row["plan"]
                key = str(plan["network"]), str(plan["precision"]), str(plan["optimizer"]), bool(plan["recompute"])
                found.setdefault(key, {})[int(plan["batch"])] = int(row["peak_bytes"])
        name = str(device.get("gpu") or f"{device['cpu']} (CPU)")
        return tuple(
            RecordedMemory(
                name, network, precision, optimizer, again, str(data["source"]), device, peaks, str(data["date"])
            )
            for (network, precision, optimizer, again), peaks in found.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: no recording of memory ({type(error).__name__}: {error})") from error
