"""Training the lab CNN against its batch size: time, memory, utilisation; writes benchmarks/results/batch.json.

    PYTHONPATH=src:. python -m benchmarks.batch --out benchmarks/results/batch.json

Four parts: throughput from batch 1 to 8192 in three precisions (its memory is what predictions are compared with);
recomputation; float32 without TF32; a step that runs out of memory. Rows are written as they come, so that a run which
is cut short keeps them; `--parts` runs some and keeps the others of the file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import psutil

from benchmarks.record import record, write
from gpulabs.errors import OutOfMemory
from gpulabs.measured_step import Settings, describe, sweep
from gpulabs.training_step import PRECISIONS, StepPlan

COMMAND = "PYTHONPATH=src:. python -m benchmarks.batch --out benchmarks/results/batch.json"
BATCHES = tuple(1 << power for power in range(14))
SECONDS = 1.2
"""Of timed steps: NVML's utilisation averages over up to a second."""
LIMIT_MB = 1024
NETWORK = "lab_cnn"


def plans_of(part: str, network: str) -> list[StepPlan]:
    """The configurations of a part."""
    if part == "throughput":
        return [StepPlan(batch, name, network=network) for batch in reversed(BATCHES) for name in PRECISIONS]
    if part == "recompute":
        return [
            StepPlan(batch, name, network=network, recompute=True)
            for batch in (8192, 2048, 512, 128)
            for name in ("float32", "bfloat16")
        ]
    return [StepPlan(batch, network=network, tf32=False) for batch in (8192, 2048, 512, 128)]


def measure(plans: Sequence[StepPlan], gpus: int, add: Any) -> None:
    """Measures plans, spread over this machine's GPUs: on each, one at a time."""

    def on(gpu: int) -> None:
        environment = {"CUDA_VISIBLE_DEVICES": str(gpu)} if gpus > 1 else {}
        for plan, outcome in sweep(plans[gpu::gpus], Settings(seconds=SECONDS), environment=environment):
            row = (
                {"plan": plan.as_dict(), "out_of_memory": outcome.detail}
                if isinstance(outcome, OutOfMemory)
                else outcome.as_dict()
            )
            add(row | {"gpu": gpu})

    with ThreadPoolExecutor(gpus) as pool:
        list(pool.map(on, range(gpus)))


def out_of_memory() -> dict[str, Any]:
    """What `gpulabs bench batch` says and leaves behind when a batch does not fit."""
    arguments = ["bench", "batch", "--batch", "512-8192", "--precision", "float32", "--network", NETWORK]
    arguments += ["--seconds", "0.3", "--memory-limit", str(LIMIT_MB)]
    done = subprocess.run([sys.executable, "-m", "gpulabs", *arguments], capture_output=True, text=True, check=False)
    left = [child.pid for child in psutil.Process().children(recursive=True)]
    return {
        "command": f"gpulabs {' '.join(arguments)}",
        "exit_code": done.returncode,
        "stdout": done.stdout,
        "stderr": done.stderr,
        "processes_left": len(left),
    }


def main() -> int:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", default="throughput,recompute,no_tf32,out_of_memory")
    parser.add_argument("--gpus", type=int, default=1)
    asked = parser.parse_args()
    before = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.is_file() else {}
    kept = {key: before[key] for key in ("throughput", "recompute", "no_tf32", "out_of_memory") if key in before}
    found: dict[str, Any] = {"network": NETWORK, "optimizer": "adam", "seconds": SECONDS, **kept}
    lock, begin = Lock(), time.monotonic()
    for part in asked.parts.split(","):
        if part == "out_of_memory":
            found[part] = out_of_memory()
        else:
            rows: list[dict[str, Any]] = []
            found[part] = rows

            def add(row: dict[str, Any], rows: list[dict[str, Any]] = rows, part: str = part) -> None:
                with lock:
                    rows.append(row)
                    order = list(PRECISIONS)
                    rows.sort(key=lambda each: (order.index(each["plan"]["precision"]), each["plan"]["batch"]))
                    told = f"{row['images_per_s']:,.0f} images/s" if row.get("images_per_s") else "out of memory"
                    said = describe(StepPlan(**row["plan"]))
                    print(f"{time.monotonic() - begin:6.1f} s  {part}: {said}: {told}", file=sys.stderr, flush=True)
                    write(asked.out, record("batch", COMMAND, found))

            measure(plans_of(part, NETWORK), asked.gpus, add)
        write(asked.out, record("batch", COMMAND, found))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
