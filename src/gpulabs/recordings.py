"""Where records of runs on a GPU lie, for those who have none, and which GPU the ladder's is from.

Records are made by `scripts/gpu_records.sh` and taken over with `make take-records`; a newer one, of whatever GPU,
replaces the older. So nothing here or in a notebook knows a device's name: it is asked of the record.
"""

from __future__ import annotations

import json
from pathlib import Path


def folders(below: str = "") -> tuple[Path, ...]:
    """Where records may lie: in a checkout, then in an installed package.

    Args:
        below: A folder below each, e.g. `step_times`.
    """
    here = Path(__file__).resolve()
    return here.parents[2] / "benchmarks" / "results" / below, here.parent / "recorded" / below


def recorded_on(name: str = "ladder", folder: Path | None = None) -> str:
    """The GPU that a record is from, as its driver calls it.

    Args:
        name: Of the record.
        folder: Where to look; `folders()` by default.

    Returns:
        E.g. `NVIDIA H200`; empty where no record is installed.

    Example:
        ladder_bars(bars, title=f"Our kernels on one {recorded_on()}")
    """
    for place in (folder,) if folder else folders():
        try:
            device = json.loads((place / f"{name}.json").read_text(encoding="utf-8"))["device"]
            return str(device.get("gpu") or device["name"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return ""
