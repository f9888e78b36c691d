"""Lab 1's ladder beside cuDNN and PyTorch, on the lab's shapes.

    PYTHONPATH=src:. python -m benchmarks.lab1_ladder --out benchmarks/results/lab1_ladder.json

float32, TF32 off, 3x3 valid. Each rung's output is compared with exact integers first. The rungs take
turns, inputs and weights rotate, L2 is flushed before every run (see `autograder.launch.race`);
cuDNN's best plan is timed by events in the same process (`autograder.launch.cudnn`). Where ncu is
installed its kernel time of the same plan stands beside the events'.
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
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autograder import ladder
from autograder.assemble import assemble
from autograder.evidence import Case
from autograder.launch.cudnn import Convolution, Timing, convolution, time_convolution
from autograder.launch.gpu import CudaGpu
from autograder.launch.profiled import EXECUTIONS
from autograder.launch.race import SETS, Contender, Track
from autograder.launch.runner import Loaded
from benchmarks.record import record, table, write
from gpulabs.convolution import conv2d, flops, min_bytes
from gpulabs.errors import GraderError
from gpulabs.timing import summarize

Array = npt.NDArray[Any]

SHAPES = (
    ((128, 34, 34, 3), 32),
    ((128, 32, 32, 32), 32),
    ((128, 17, 17, 32), 64),
    ((128, 15, 15, 64), 64),
    ((64, 58, 58, 64), 64),
    ((256, 34, 34, 128), 128),
)
SHOWN = ((64, 58, 58, 64), 64)
"""The shape whose rows stand at the top of the record: notebooks show them where there is no GPU."""
"""The workload that Lab 1's speed is judged on: its rows are what the notebook shows."""

RUNS = 30
NCU = ["ncu", "--csv", "--clock-control", "none", "--metrics", "gpu__time_duration.sum"]


def draw(shape: tuple[int, ...], channels: int) -> tuple[Array, Array]:
    """Small integers: every float32 sum of their products is exact."""
    random = np.random.default_rng(1)
    x = random.integers(-15, 16, shape).astype(np.float32)
    w = random.integers(-3, 4, (3, 3, shape[3], channels)).astype(np.float32)
    return x, w


def time_rungs(gpu: CudaGpu, case: Case, x: Array, w: Array, expected: Array) -> dict[str, list[float]]:
    """Times all rungs in turns, each checked against the exact output."""
    kernels = {name: ladder.plan_for(ladder.rung(name), case) for name in ladder.NAMES}
    assembled = assemble({key: each for _, found in kernels.values() for key, each in found.items()}, gpu.architecture)
    if assembled.faults:
        raise GraderError(str(assembled.faults))
    contenders = []
    for name, (plan, own) in kernels.items():
        code = assembled.code()
        loaded = {key: Loaded(kernel, gpu.load(code[key], kernel.entry)) for key, kernel in own.items()}
        contenders.append(Contender(name, plan, loaded))
    track = Track(gpu, contenders, x, w)
    times: dict[str, list[float]] = {name: [] for name in kernels}
    try:
        for name in kernels:
            track.run(name, 0)
            if not np.array_equal(track.output(name), expected):
                raise GraderError(f"ladder {name} is wrong on {case.x_shape}")
        for run in range(RUNS):
            for name, found in times.items():
                found.append(track.run(name, run % SETS))
    finally:
        track.close()
    return times


def time_torch(x: Array, w: Array, expected: Array) -> tuple[str, list[float]] | None:
    """PyTorch's best memory format, by its own events; None where it isn't installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = True, False
    torch.backends.cuda.matmul.allow_tf32 = False
    flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
    best: tuple[str, list[float]] | None = None
    for name, memory_format in (("NHWC", torch.channels_last), ("NCHW", torch.contiguous_format)):
        image = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).cuda().contiguous(memory_format=memory_format)
        weight = torch.from_numpy(w.transpose(3, 2, 0, 1).copy()).cuda().contiguous(memory_format=memory_format)
        times = []
        for run in range(RUNS + 3):
            flush.fill_(run)
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            y = torch.nn.functional.conv2d(image, weight)
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end))
        error = np.max(np.abs(y.cpu().numpy().transpose(0, 2, 3, 1) - expected))
        if error > 1e-3 * np.max(np.abs(expected)):
            raise GraderError(f"PyTorch differs by {error}")
        if best is None or np.median(times[3:]) < np.median(best[1]):
            best = name, times[3:]
    return best


def profile(what: Convolution, timing: Timing) -> dict[str, Any]:
    """Kernel time of cuDNN's plan under ncu for one execution, ms, or a note why there is none."""
    if shutil.which("ncu") is None:
        return {"note": "ncu is not installed"}
    asked = asdict(what) | {"layout": timing.layout, "index": timing.index}
    command = [*NCU, sys.executable, "-m", "autograder.launch.profiled", json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    rows = kernel_times_ms(done.stdout)
    if not rows:
        return {"note": f"ncu: {(done.stdout + done.stderr).strip()[-300:]}"}
    return {
        "kernel_ms": sum(time_ms for _, time_ms in rows) / EXECUTIONS,
        "kernels": sorted({name for name, _ in rows}),
        "kernels_an_execution": len(rows) / EXECUTIONS,
        "same_plan": timing.plan in done.stderr + done.stdout,
    }


def kernel_times_ms(text: str) -> list[tuple[str, float]]:
    """Kernel names and times from `ncu --csv`, whatever unit it chose."""
    start = text.find('"ID"')
    if start < 0:
        return []
    units = {
        "nsecond": 1e-6,
        "ns": 1e-6,
        "usecond": 1e-3,
        "us": 1e-3,
        "msecond": 1.0,
        "ms": 1.0,
        "second": 1e3,
        "s": 1e3,
    }
    rows = csv.DictReader(io.StringIO(text[start:]))
    wanted = (row for row in rows if row.get("Metric Name") == "gpu__time_duration.sum")
    return [
        (row["Kernel Name"], float(row["Metric Value"].replace(",", "")) * units[row["Metric Unit"]]) for row in wanted
    ]


def measure_shape(gpu: CudaGpu, shape: tuple[int, int, int, int], channels: int) -> dict[str, Any]:
    """All kernels on one shape."""
    x, w = draw(shape, channels)
    expected = conv2d(x, w)
    case = Case(f"n{shape[0]}-{shape[1]}", "bench", "speed", "f", x.shape, w.shape)
    what = convolution(x.shape, w.shape, expected.shape, 1)
    work, moved = float(flops(expected.shape, w.shape)), float(min_bytes(x.shape, w.shape, expected.shape))
    times: dict[str, list[float]] = dict(time_rungs(gpu, case, x, w, expected))
    timing = time_convolution(gpu, what, x, w, expected, budget_s=30.0)
    notes = [timing.note] if timing.note else []
    peers: dict[str, Any] = {}
    if timing.times_ms:
        times["cudnn"] = list(timing.times_ms)
        peers["cudnn"] = {key: getattr(timing, key) for key in ("layout", "plan", "plans", "version", "index")}
        peers["cudnn"]["profiler"] = attempt("ncu", lambda: profile(what, timing), notes)
    found = attempt("torch", lambda: time_torch(x, w, expected), notes)
    if found:
        times["torch"] = found[1]
        peers["torch"] = {"layout": found[0]}
    rows = []
    cudnn_ms = float(np.median(times["cudnn"])) if "cudnn" in times else None
    for kernel, runs in times.items():
        summary = summarize(runs)
        share = cudnn_ms / summary.median_ms if cudnn_ms else None
        rows.append(
            {"kernel": kernel, **asdict(summary), "gflops": work / summary.median_ms / 1e6, "share_of_cudnn": share}
        )
    name = f"{'x'.join(map(str, shape))} * 3x3x{shape[3]}->{channels}"
    return {"workload": name, "flops": work, "bytes": moved, "rows": rows, "peers": peers, "notes": notes}


def attempt(name: str, function: Any, notes: list[str]) -> Any:
    """A peer may fail without losing the rest; why goes into the notes."""
    try:
        return function()
    except Exception as error:
        traceback.print_exc()
        notes.append(f"{name}: {type(error).__name__}: {error}")
        return None


def show(shapes: list[dict[str, Any]]) -> str:
    """The table of all shapes."""
    rows = []
    for each in shapes:
        profiler = (each["peers"].get("cudnn") or {}).get("profiler") or {}
        for row in each["rows"]:
            profiled = profiler.get("kernel_ms") if row["kernel"] == "cudnn" else None
            interval = f"{row['low_ms']:.4f} to {row['high_ms']:.4f}"
            rows.append(
                (
                    each["workload"],
                    row["kernel"],
                    round(row["median_ms"], 4),
                    interval,
                    row["gflops"] / 1e3,
                    row["share_of_cudnn"],
                    profiled,
                )
            )
    columns = ("workload", "kernel", "median ms", "95 % interval ms", "TFLOP/s", "share of cuDNN", "ncu ms")
    return table(columns, rows)


def main(arguments: list[str]) -> int:
    """Measures all shapes, prints the table, writes the record."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="file to write the record to")
    asked = parser.parse_args(arguments)
    gpu = CudaGpu()
    shapes: list[dict[str, Any]] = []
    failed = 0
    for shape, channels in SHAPES:
        try:
            shapes.append(measure_shape(gpu, shape, channels) | {"shown": (shape, channels) == SHOWN})
            print(shapes[-1]["workload"], "done", *shapes[-1]["notes"], sep="\n  ", file=sys.stderr, flush=True)
        except Exception:
            failed += 1
            traceback.print_exc()
    shown = next((each for each in shapes if each["shown"]), {"workload": "", "rows": []})
    command = "PYTHONPATH=src:. python -m benchmarks.lab1_ladder --out benchmarks/results/lab1_ladder.json"
    found = record("lab1_ladder", command, {"workload": shown["workload"], "rows": shown["rows"], "shapes": shapes})
    print(f"{found['device']['name']}, {found['date']}\n\n{show(shapes)}")
    write(asked.out, found)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
