"""Training the lab CNN against its batch size on a GPU: time, memory, utilisation, XLA's plan; a file a device.

    PYTHONPATH=src:. python -m benchmarks.batch --out benchmarks/results/batch/gpu.json

Throughput from batch 1 to 8192 in three precisions, recomputation, float32 without TF32, and a step that runs out of
memory. Each row holds its single times (`benchmarks.step_times --from` makes Lab 4's recording of them), the largest
memory in use, and XLA's buffer assignment: the largest buffers alive at the peak with the operations behind them, the
scratch space of cuDNN and cuBLAS (`benchmarks.memory_fit` holds the memory model against them). A process a
configuration. Compiling takes most of the time, so the processes of a group compile side by side and are then timed one
after the other, with nobody else at work; the groups come in the order of their importance. Rows are written as they
come; a run that is cut short keeps them, and the next one measures what is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.record import record, write
from benchmarks.step_times import MOST_TIMES
from gpulabs.errors import GpulabsError, OutOfMemory
from gpulabs.measured_step import Settings, StepProcess, describe
from gpulabs.training_step import PRECISIONS, StepPlan

COMMAND = "PYTHONPATH=src:. python -m benchmarks.batch --out benchmarks/results/batch/gpu.json"
SECONDS = {"float32": 1.3, "bfloat16": 0.9, "float16": 0.9}
"""Of timed steps; NVML's utilisation is read after the first 0.3 s. float32 makes Lab 4's traces: 30 times and more."""
TIMEOUT_S = 150.0
LIMIT_MB = 1024
NETWORK = "lab_cnn"
GROUPS = ((32, 512, 2048, 8192), (1, 8, 128, 1024), (4, 64, 256, 4096), (2, 16))
"""Batches in the order in which they are measured."""
RECOMPUTED, WITHOUT_TF32 = (512, 8192), (512, 8192)


def groups() -> list[list[StepPlan]]:
    """All configurations, those that compile side by side together."""
    found = [[StepPlan(batch, name, network=NETWORK) for batch in batches for name in PRECISIONS] for batches in GROUPS]
    found[0] += [StepPlan(8192, name, network=NETWORK, recompute=True) for name in ("float32", "bfloat16")]
    found[1] += [StepPlan(512, name, network=NETWORK, recompute=True) for name in ("float32", "bfloat16")]
    found[1] += [StepPlan(batch, network=NETWORK, tf32=False) for batch in WITHOUT_TF32]
    return found


@contextmanager
def ended(process: StepProcess) -> Iterator[StepProcess]:
    """Ends the process when the body is left."""
    try:
        yield process
    finally:
        process.end()


def measure(plans: Sequence[StepPlan], quiet: Callable[[], object]) -> Iterator[dict[str, Any]]:
    """Measures a group: compiles side by side, times one after the other.

    Args:
        plans: The group.
        quiet: Returns when nobody else is at work.

    Yields:
        A row for each plan, of one that failed with the sentence that says why.
    """
    with ExitStack() as stack:
        waiting = [
            stack.enter_context(ended(StepProcess(plan, Settings(SECONDS[plan.precision], None, True, TIMEOUT_S))))
            for plan in plans
        ]
        for stage in ("prepared", "warm"):
            reached = []
            for process in waiting:
                try:
                    process.until(stage)
                except GpulabsError as error:
                    yield failed(process, error)
                    continue
                if stage == "prepared":
                    process.go()
                reached.append(process)
            waiting = reached
        quiet()
        for process in waiting:
            try:
                row = process.finish().as_dict()
            except GpulabsError as error:
                yield failed(process, error)
                continue
            timed = process.told["timed"]
            process.end()  # what it held is free for the next
            times = [round(time_ms, 6) for time_ms in timed["times_ms"][:MOST_TIMES]]
            yield row | {"times_ms": times, "steps_a_block": timed["steps_a_block"]}


def failed(process: StepProcess, error: GpulabsError) -> dict[str, Any]:
    """The row of a configuration that failed."""
    process.end()
    detail = error.detail if isinstance(error, OutOfMemory) else ""
    return {"plan": process.plan.as_dict(), "failed": str(error), "detail": detail}


def out_of_memory() -> dict[str, Any]:
    """What `gpulabs bench batch` says and leaves behind when a batch does not fit."""
    arguments = ["bench", "batch", "--batch", "64,8192", "--precision", "float32", "--network", NETWORK]
    arguments += ["--seconds", "0.3", "--memory-limit", str(LIMIT_MB)]
    with subprocess.Popen(
        [sys.executable, "-m", "gpulabs", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        family: set[psutil.Process] = set()
        while process.poll() is None:
            family |= (
                set(psutil.Process(process.pid).children(recursive=True)) if psutil.pid_exists(process.pid) else set()
            )
            time.sleep(0.2)
        out, err = process.communicate()
    return {
        "command": f"gpulabs {' '.join(arguments)}",
        "exit_code": process.returncode,
        "stdout": out,
        "stderr": err,
        "processes": len(family),
        "processes_left": sum(child.is_running() for child in family),
    }


def main() -> int:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--budget-s", type=float, default=1e9, help="no group is begun after this")
    asked = parser.parse_args()
    before = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.is_file() else {}
    rows: list[dict[str, Any]] = [row for row in before.get("rows", []) if "failed" not in row]
    found: dict[str, Any] = {"network": NETWORK, "optimizer": "adam", "seconds": SECONDS, "rows": rows}
    found |= {"out_of_memory": before.get("out_of_memory")}
    begin = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        failing = None if found["out_of_memory"] else pool.submit(out_of_memory)
        for group in groups():
            if time.monotonic() - begin > asked.budget_s:
                break
            done = [row["plan"] for row in rows]
            missing = [plan for plan in group if plan.as_dict() not in done]
            for row in measure(missing, failing.result if failing else lambda: None):
                rows.append(row)
                rows.sort(key=lambda each: (list(PRECISIONS).index(each["plan"]["precision"]), each["plan"]["batch"]))
                told = row.get("failed") or f"{row['images_per_s']:,.0f} images/s, {row['peak_bytes'] or 0:,} bytes"
                said = describe(StepPlan(**row["plan"]))
                print(f"{time.monotonic() - begin:6.1f} s  {said}: {told}", file=sys.stderr, flush=True)
                write(asked.out, record("batch", COMMAND, found))
        found["out_of_memory"] = failing.result() if failing else found["out_of_memory"]
    write(asked.out, record("batch", COMMAND, found))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
