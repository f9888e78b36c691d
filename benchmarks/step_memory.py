"""Records how much memory training steps take against the batch size: what Lab 5 is judged by, a file a device.

    PYTHONPATH=src:. python -m benchmarks.step_memory --out benchmarks/results/step_memory/cpu.json

On a GPU the largest memory in use as TensorFlow's allocator counts it, on a CPU the total of XLA's buffer assignment;
each configuration in a fresh process. Lab 5 shows these figures, and its rubric draws cases from them: a new device
needs nothing but its file. Rows are written as they come; a run that is cut short keeps them, and the next one
measures what is missing. `benchmarks.batch` measures the same peaks on a GPU: `--taken-from` its record costs no time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.record import record, write
from gpulabs.batches import parse_batches, parse_precisions
from gpulabs.devices import has_gpu
from gpulabs.errors import OutOfMemory
from gpulabs.measured_step import Measured, Settings, describe, sweep
from gpulabs.training_step import StepPlan

COMMAND = "PYTHONPATH=src:. python -m benchmarks.step_memory --out benchmarks/results/step_memory/{name}"
BETWEEN = (100, 1500)
"""Beside the powers of two: memory is linear in the batch between them, or these rows would tell."""


def plans(networks: Sequence[str], batches: Sequence[int], precisions: Sequence[str]) -> list[StepPlan]:
    """All configurations, the smallest first; recomputation at one batch for comparison."""
    found = [
        StepPlan(batch, precision, network=network)
        for network in networks
        for precision in precisions
        for batch in batches
    ]
    return [*found, *(StepPlan(512, precision, recompute=True, network=networks[0]) for precision in precisions)]


def row(plan: StepPlan, outcome: Measured | OutOfMemory) -> dict[str, Any]:
    """One configuration's figures."""
    if isinstance(outcome, OutOfMemory):
        return {"plan": plan.as_dict(), "out_of_memory": str(outcome)}
    parts = {name: size for name, size in (outcome.xla or {}).items() if isinstance(size, int)}
    return {
        "plan": plan.as_dict(),
        "peak_bytes": outcome.peak_bytes or parts.get("total_bytes"),
        "first_peak_bytes": outcome.first_peak_bytes,
        "xla": parts or None,
    }


def taken(batch_record: dict[str, Any], name: str) -> dict[str, Any]:
    """The peaks of a record of `benchmarks.batch`, with its device and date; TF32 as TensorFlow has it.

    Args:
        batch_record: Measured on a GPU.
        name: Of the file that is written.
    """
    rows = [
        {
            "plan": row["plan"],
            "peak_bytes": row["peak_bytes"],
            "first_peak_bytes": row.get("first_peak_bytes"),
            "xla": None,
        }
        for row in batch_record["rows"]
        if row.get("peak_bytes") and row["plan"]["tf32"]
    ]
    made = {"benchmark": "step_memory", "command": COMMAND.format(name=name), "source": "TensorFlow's allocator"}
    return {key: batch_record[key] for key in ("schema_version", "date", "device")} | made | {"rows": rows}


def main() -> int:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--network", default="lab_cnn,small_cnn", help="with commas")
    parser.add_argument("--batch", default=f"32-8192,{','.join(map(str, BETWEEN))}")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--taken-from", type=Path, help="a record of benchmarks.batch")
    asked = parser.parse_args()
    if asked.taken_from:
        write(asked.out, taken(json.loads(asked.taken_from.read_text(encoding="utf-8")), asked.out.name))
        return 0
    rows = json.loads(asked.out.read_text(encoding="utf-8"))["rows"] if asked.out.is_file() else []
    done = [row["plan"] for row in rows]
    every = plans(asked.network.split(","), parse_batches(asked.batch), parse_precisions(asked.precision))
    missing = [plan for plan in every if plan.as_dict() not in done]
    source = "TensorFlow's allocator" if has_gpu() else "XLA's buffer assignment"

    def report(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with closing(sweep(missing, Settings(seconds=0, dump=not has_gpu()), report)) as outcomes:
        for plan, outcome in outcomes:
            rows.append(row(plan, outcome))
            found = record("step_memory", COMMAND.format(name=asked.out.name), {"source": source, "rows": rows})
            write(asked.out, found)
            report(f"{plan.network}, {describe(plan)}: {rows[-1].get('peak_bytes', 'out of memory')}")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
