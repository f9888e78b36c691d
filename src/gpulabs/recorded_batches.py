"""Training against the batch size as recorded on a GPU: throughput, memory, what libraries asked for; a file a device.

    for device in recorded_batches():
        print(device.name, len(device.rows))

The files come from `python -m benchmarks.batch` and lie in `benchmarks/results/batch`, in a wheel in
`gpulabs/recorded/batch`. `gpulabs bench batch --recorded` shows them; the memory model takes from them what no rule
gives: the scratch space of cuDNN and cuBLAS.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpulabs.errors import DataError
from gpulabs.training_step import StepPlan
from gpulabs.xla_memory import layer_workspaces

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class RecordedBatches:
    """What one device did.

    Attributes:
        name: The device's name, e.g. `NVIDIA H200`.
        header: All that is known of it.
        date: When.
        rows: Measurements as `Measured.as_dict` gives them, without those that failed.
        failed: What failed, with the sentence that says why.
    """

    name: str
    header: Mapping[str, Any]
    date: str
    rows: Sequence[Mapping[str, Any]]
    failed: Sequence[Mapping[str, Any]]

    def row(self, plan: StepPlan) -> Mapping[str, Any] | None:
        """The measurement of a plan, if there is one."""
        return next((row for row in self.rows if row["plan"] == plan.as_dict()), None)

    def workspaces(self, plan: StepPlan) -> dict[str, int]:
        """Scratch space of cuDNN and cuBLAS by moment of the memory model, e.g. `forward, conv1`.

        Of a batch that was not recorded, on the straight line between its neighbours; beyond them, as at the nearest.
        """
        known = {
            row["plan"]["batch"]: layer_workspaces(row["xla"]["workspaces"])
            for row in self.rows
            if row["plan"] | {"batch": plan.batch} == plan.as_dict() and (row["xla"] or {}).get("workspaces")
        }
        if not known:
            return {}
        low = max((batch for batch in known if batch <= plan.batch), default=min(known))
        high = min((batch for batch in known if batch >= plan.batch), default=max(known))
        share = (plan.batch - low) / (high - low) if low < plan.batch < high else 0.0
        return {
            moment: round((1 - share) * known[low].get(moment, 0) + share * known[high].get(moment, 0))
            for moment in known[low] | known[high]
        }


def recorded_batches(folder: Path | None = None) -> tuple[RecordedBatches, ...]:
    """Reads all recordings.

    Args:
        folder: Where they lie; a checkout's `benchmarks/results/batch`, then the package by default.

    Raises:
        DataError: A file is damaged.
    """
    here = Path(__file__).resolve()
    places = (here.parents[2] / "benchmarks" / "results" / "batch", here.parent / "recorded" / "batch")
    chosen = folder or next((place for place in places if place.is_dir()), None)
    found = (_read(path) for path in sorted(chosen.glob("*.json"))) if chosen else ()
    return tuple(one for one in found if one is not None)


@functools.cache
def _read(path: Path) -> RecordedBatches | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema_version"] != SCHEMA_VERSION:
            raise DataError(f"{path}: schema version {data['schema_version']}, expected {SCHEMA_VERSION}")
        if data["benchmark"] != "batch":
            return None  # what XLA plans without a GPU lies beside
        device = data["device"]
        return RecordedBatches(
            str(device["gpu"] or f"{device['cpu']} (CPU)"),
            device,
            str(data["date"]),
            tuple(row for row in data["rows"] if "failed" not in row),
            tuple(row for row in data["rows"] if "failed" in row),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: no recording of batches ({type(error).__name__}: {error})") from error


def recorded_for(gpu: str | None) -> RecordedBatches | None:
    """The recording of a GPU by its name; without a name, or one that is not recorded, the first of any GPU."""
    found = [device for device in recorded_batches() if device.header.get("gpu")]
    return next((device for device in found if device.name == gpu), found[0] if found else None)
