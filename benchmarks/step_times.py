"""Records training steps one by one against the batch size: the traces of Lab 4, a file a device.

    PYTHONPATH=src:. python -m benchmarks.step_times --out benchmarks/results/step_times/cpu.json
    PYTHONPATH=src:. python -m benchmarks.step_times --from benchmarks/results/batch/gpu.json --out ...

Lab 4 shows these traces, and its rubric draws cases from them: what lies in `benchmarks/results/step_times` is part of
the package, and a new device needs nothing but its file. On a GPU the lab CNN from batch 1 to 8192, on a CPU the small
one from 1 to 512. Rows are written as they come, so that a run which is cut short keeps them. `--from` measures
nothing: it takes the times out of a record of `benchmarks.batch`, which timed the same steps.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import record, write
from gpulabs.batches import parse_batches, parse_precisions
from gpulabs.devices import has_gpu
from gpulabs.errors import OutOfMemory
from gpulabs.measured_step import Settings, StepProcess, describe, watched_utilisation
from gpulabs.training_step import StepPlan

COMMAND = "PYTHONPATH=src:. python -m benchmarks.step_times --out benchmarks/results/step_times/{name}"
MOST_TIMES = 120
"""Of one batch: enough for any estimator, few enough for a case's arguments."""


def row(plan: StepPlan, settings: Settings) -> dict[str, Any]:
    """Measures one configuration and keeps its single times, in the order in which they came."""
    process = StepProcess(plan, settings)
    try:
        process.go()
        process.until("warm")
        with watched_utilisation() as readings:
            process.go()
            timed = process.until("timed")
    except OutOfMemory as error:
        return {"plan": plan.as_dict(), "out_of_memory": str(error)}
    finally:
        process.end()
    return {
        "plan": plan.as_dict(),
        "times_ms": [round(time_ms, 6) for time_ms in timed["times_ms"][:MOST_TIMES]],
        "steps_a_block": timed["steps_a_block"],
        "utilisation": round(statistics.fmean(readings) / 100, 4) if readings else None,
        "peak_bytes": (timed["memory"] or {}).get("peak"),
        "first_step_s": round(process.told["compiled"]["seconds"], 3),
    }


def taken_from(found: Mapping[str, Any], precisions: Sequence[str]) -> dict[str, Any]:
    """The record of single times that a record of `benchmarks.batch` holds.

    Args:
        found: The record, of a whole run.
        precisions: Which of its precisions.
    """
    kept = ("plan", "times_ms", "steps_a_block", "utilisation", "peak_bytes")
    rows = [
        {name: row[name] for name in kept} | {"first_step_s": round(row["compile_s"], 3)}
        for row in found["rows"]
        if "times_ms" in row
        and row["plan"]["precision"] in precisions
        and row["plan"]["tf32"]
        and not row["plan"]["recompute"]
    ]
    header = {name: found[name] for name in ("schema_version", "date", "device", "network", "optimizer")}
    return header | {"benchmark": "step_times", "command": found["command"], "rows": rows}


def main() -> int:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--network", default="lab_cnn" if has_gpu() else "small_cnn")
    parser.add_argument("--batch", default="1-8192" if has_gpu() else "1-512")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--from", type=Path, dest="source", help="take the times of this record of benchmarks.batch")
    asked = parser.parse_args()
    if asked.source is not None:
        whole = json.loads(asked.source.read_text(encoding="utf-8"))
        write(asked.out, taken_from(whole, parse_precisions(asked.precision)))
        return 0
    found: dict[str, Any] = {"network": asked.network, "optimizer": "adam", "rows": []}
    for name in parse_precisions(asked.precision):
        for batch in parse_batches(asked.batch):
            plan = StepPlan(batch, name, network=asked.network)
            print(describe(plan), file=sys.stderr, flush=True)
            found["rows"].append(row(plan, Settings(seconds=asked.seconds)))
            found["load_average"] = [round(load, 2) for load in os.getloadavg()]
            write(asked.out, record("step_times", COMMAND.format(name=asked.out.name), found))
            if "out_of_memory" in found["rows"][-1]:
                break
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
