"""The whole ladder beside cuDNN and PyTorch on six convolutions; writes benchmarks/results/ladder.json.

    PYTHONPATH=src:. python -m benchmarks.ladder --out benchmarks/results/ladder.json

`autograder.bench` measures. Besides, ncu, where it is installed, says what cuDNN's kernels alone took: our events
around its front end must agree with that.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autograder import bench, ladder
from autograder.launch.cudnn import convolution
from autograder.launch.gpu import CudaGpu
from autograder.launch.profiled import EXECUTIONS
from benchmarks.record import record, table, write
from gpulabs.convolution import flops, min_bytes, output_shape
from gpulabs.roofline import TENSOR_KERNELS

SHOWN = "medium"
"""The workload that notebooks show where there is no GPU: Lab 1's and Lab 2's speed is judged on its like."""
COLUMNS = (
    "workload",
    "kernel",
    "median ms",
    "95 % interval ms",
    "TFLOP/s",
    "share of cuDNN",
    "error",
    "registers",
    "spilled bytes",
)
NCU = ["ncu", "--csv", "--clock-control", "none", "--metrics", "gpu__time_duration.sum"]
UNITS_MS = {
    "nsecond": 1e-6,
    "ns": 1e-6,
    "usecond": 1e-3,
    "us": 1e-3,
    "msecond": 1.0,
    "ms": 1.0,
    "second": 1e3,
    "s": 1e3,
}


def profile(workload: bench.Workload, layout: str, index: int) -> dict[str, Any]:
    """Kernel time of cuDNN's plan under ncu for one execution, ms, or a note why there is none."""
    if shutil.which("ncu") is None:
        return {"note": "ncu is not installed"}
    y_shape = output_shape(workload.x_shape, workload.w_shape, workload.stride, workload.padding)
    what = convolution(workload.x_shape, workload.w_shape, y_shape, workload.stride)
    asked = asdict(what) | {"layout": layout, "index": index}
    command = [*NCU, sys.executable, "-m", "autograder.launch.profiled", json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    rows = kernel_times_ms(done.stdout)
    if not rows:
        return {"note": f"ncu: {(done.stdout + done.stderr).strip()[-300:]}"}
    return {
        "kernel_ms": sum(time_ms for _, time_ms in rows) / EXECUTIONS,
        "kernels": sorted({name for name, _ in rows}),
        "kernels_an_execution": len(rows) / EXECUTIONS,
    }


def kernel_times_ms(text: str) -> list[tuple[str, float]]:
    """Kernel names and times from `ncu --csv`, whatever unit it chose."""
    start = text.find('"ID"')
    if start < 0:
        return []
    rows = csv.DictReader(io.StringIO(text[start:]))
    wanted = (each for each in rows if each.get("Metric Name") == "gpu__time_duration.sum")
    return [
        (each["Kernel Name"], float(each["Metric Value"].replace(",", "")) * UNITS_MS[each["Metric Unit"]])
        for each in wanted
    ]


def measure_workload(gpu: CudaGpu, name: str, runs: int) -> dict[str, Any]:
    """All kernels on one workload."""
    workload = bench.WORKLOADS[name]
    rows, notes = bench.measure(gpu, workload, runs=runs, tell=lambda text: print(text, file=sys.stderr, flush=True))
    y_shape = output_shape(workload.x_shape, workload.w_shape, workload.stride, workload.padding)
    found: dict[str, Any] = {
        "name": name,
        "workload": workload.name,
        "flops": float(flops(y_shape, workload.w_shape)),
        "bytes": float(min_bytes(workload.x_shape, workload.w_shape, y_shape)),
        "rows": [asdict(row) for row in rows],
        "kernels_sha256": {row.kernel: ladder.identity(row.kernel) for row in rows if row.kernel in ladder.ALL},
        "notes": notes,
    }
    cudnn = next((row for row in rows if row.kernel == "cudnn"), None)
    if cudnn:
        found["profiler"] = profile(workload, cudnn.detail.split(",")[0], cudnn.plan_index)
    return found


def changed_since(shapes: Sequence[dict[str, Any]]) -> list[str]:
    """Kernels of the ladder that are no longer what was measured, in the ladder's order."""
    then = [(name, sha256) for each in shapes for name, sha256 in each["kernels_sha256"].items()]
    return [name for name in ladder.ALL if any(n == name and sha256 != ladder.identity(name) for n, sha256 in then)]


def show(shapes: Sequence[dict[str, Any]]) -> str:
    """The table of all workloads."""
    rows = []
    for each in shapes:
        medians = {row["kernel"]: row["median_ms"] for row in each["rows"]}
        for row in each["rows"]:
            reference = medians.get("cudnn_tf32" if row["kernel"] in TENSOR_KERNELS else "cudnn")
            rows.append(
                (
                    each["workload"],
                    row["kernel"],
                    row["median_ms"],
                    f"{row['low_ms']:.4g} to {row['high_ms']:.4g}",
                    row["gflops"] / 1e3,
                    reference / row["median_ms"] if reference else None,
                    row["error"],
                    row["registers"] or None,
                    row["spill_bytes"] if row["registers"] else None,
                )
            )
    columns = (
        "workload",
        "kernel",
        "median ms",
        "95 % interval ms",
        "TFLOP/s",
        "of cuDNN",
        "error",
        "registers",
        "spills",
    )
    return table(columns, rows)


def renew(path: Path, shapes: Sequence[dict[str, Any]]) -> int:
    """Puts workloads that were measured again into a record, each with its own date and device."""
    found = json.loads(path.read_text(encoding="utf-8"))
    now = record("ladder", found["command"], {})
    fresh = {each["name"]: each | {"date": now["date"], "device": now["device"]["name"]} for each in shapes}
    found["shapes"] = [fresh.get(each["name"], each) for each in found["shapes"]]
    print(show(shapes))
    write(path, found)
    return 0


def main(arguments: list[str]) -> int:
    """Measures all workloads, prints the table, writes the record."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="file to write the record to")
    parser.add_argument("--only", default="", help="comma-separated names of workloads; they replace those in --out")
    parser.add_argument("--runs", type=int, default=bench.RUNS, help="timed runs of each kernel")
    asked = parser.parse_args(arguments)
    gpu = CudaGpu()
    shapes: list[dict[str, Any]] = []
    failed = 0
    for name in asked.only.split(",") if asked.only else bench.WORKLOADS:
        try:
            shapes.append(measure_workload(gpu, name, asked.runs))
        except Exception:
            failed += 1
            traceback.print_exc()
    if asked.only:
        return renew(asked.out, shapes) or failed
    shown = next((each for each in shapes if each["name"] == SHOWN), {"workload": "", "rows": []})
    command = "PYTHONPATH=src:. python -m benchmarks.ladder --out benchmarks/results/ladder.json"
    found = record("ladder", command, {"workload": shown["workload"], "rows": shown["rows"], "shapes": shapes})
    print(f"{found['device']['name']}, {found['date']}\n\n{show(shapes)}")
    write(asked.out, found)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
