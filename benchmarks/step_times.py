"""Records training steps one by one against the batch size: the traces of Lab 4, a file a device.

    PYTHONPATH=src:. python -m benchmarks.step_times --out benchmarks/results/step_times/cpu.json

Lab 4 shows these traces, and its rubric draws cases from them: what lies in `benchmarks/results/step_times` is part of
the package, and a new device needs nothing but its file. On a GPU the lab CNN from batch 1 to 8192, on a CPU the small
one from 1 to 512. Rows are written as they come, so that a run which is cut short keeps them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
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


def main() -> int:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--network", default="lab_cnn" if has_gpu() else "small_cnn")
    parser.add_argument("--batch", default="1-8192" if has_gpu() else "1-512")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--seconds", type=float, default=1.5)
    asked = parser.parse_args()
    found: dict[str, Any] = {"network": asked.network, "optimizer": "adam", "rows": []}
    for name in parse_precisions(asked.precision):
        for batch in parse_batches(asked.batch):
            plan = StepPlan(batch, name, network=asked.network)
            print(describe(plan), file=sys.stderr, flush=True)
            found["rows"].append(row(plan, Settings(seconds=asked.seconds)))
            write(asked.out, record("step_times", COMMAND.format(name=asked.out.name), found))
            if "out_of_memory" in found["rows"][-1]:
                break
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
