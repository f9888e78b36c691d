"""Times every kernel of the ladder on a convolution, beside cuDNN and PyTorch, in one process and one run.

What `gpulabs bench conv` prints and `benchmarks.ladder` records. Kernels take turns, so that drift falls on all
alike; before each run outputs are poisoned and L2 is flushed (`autograder.launch.race`); each kernel's answer is
compared with the exact one first, and its error on real numbers with float64.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autograder import ladder
from autograder.assemble import assemble
from autograder.evidence import Case, Resources
from autograder.launch.cudnn import Timing, convolution, time_convolution
from autograder.launch.gpu import CudaGpu
from autograder.launch.race import SETS, Contender, Track
from autograder.launch.runner import Loaded
from gpulabs.convolution import conv2d, flops
from gpulabs.errors import BadInputError, GraderError
from gpulabs.timing import summarize

Array = npt.NDArray[Any]
Tell = Callable[[str], None]

RUNS = 30
CUDNN_BUDGET_S = 20.0
TOLERANCES = {"winograd": 1e-5, "tensor_core": 1e-2}
"""Largest error of a kernel that is not exact on integers, relative to the largest output: a wrong kernel is off by
0.1 and more. The error itself, on real numbers, stands in the result."""


@dataclass(frozen=True)
class Workload:
    """A convolution to time.

    Attributes:
        name: As tables call it.
        x_shape: NHWC.
        w_shape: HWIO.
        stride: Of both axes.
        padding: `same` or `valid`.
    """

    name: str
    x_shape: tuple[int, int, int, int]
    w_shape: tuple[int, int, int, int]
    stride: int = 1
    padding: str = "valid"

    def case(self) -> Case:
        """The case that the ladder lays its kernels out for."""
        return Case(self.name, "bench", "speed", "f", self.x_shape, self.w_shape, self.stride, self.padding)


def _valid(n: int, size: int, c: int, k: int) -> Workload:
    return Workload(f"{n}x{size}x{size}x{c} * 3x3x{c}->{k}", (n, size, size, c), (3, 3, c, k))


WORKLOADS = {
    "lab1": _valid(128, 34, 3, 32),
    "lab2": _valid(128, 32, 32, 32),
    "lab3": _valid(128, 17, 32, 64),
    "lab4": _valid(128, 15, 64, 64),
    "medium": _valid(64, 58, 64, 64),
    "large": _valid(256, 34, 128, 128),
}
"""The four convolutions of the lab CNN at batch 128 (the padded ones with their padding in x), and two larger ones."""


@dataclass(frozen=True)
class Row:
    """One kernel's result.

    Attributes:
        kernel: A rung, `cudnn`, `cudnn_tf32`, `torch`, `torch_tf32`.
        median_ms: Median of the runs.
        low_ms: Lower end of the median's 95 % interval.
        high_ms: Upper end.
        runs: How many.
        gflops: Of the direct method's operations, whatever the kernel did instead.
        error: Largest error on normal numbers against float64, relative to the largest output; None if not looked at.
        registers: Of its largest kernel; 0 where unknown.
        spill_bytes: Stores and loads of spilled registers.
        detail: Kernels, layout, plan.
        plan_index: Of cuDNN's plan, for a profiler to find it again.
    """

    kernel: str
    median_ms: float
    low_ms: float
    high_ms: float
    runs: int
    gflops: float
    error: float | None = None
    registers: int = 0
    spill_bytes: int = 0
    detail: str = ""
    plan_index: int = -1


def inputs(workload: Workload) -> tuple[Array, Array]:
    """Small integers, for which every float32 sum of products is exact, and TF32 too."""
    random = np.random.default_rng(1)
    x = random.integers(-15, 16, workload.x_shape).astype(np.float32)
    return x, random.integers(-3, 4, workload.w_shape).astype(np.float32)


def measure(
    gpu: CudaGpu, workload: Workload, rungs: Sequence[str] = ladder.ALL, runs: int = RUNS, tell: Tell = print
) -> tuple[list[Row], list[str]]:
    """Times rungs, cuDNN and PyTorch on a workload.

    Args:
        gpu: Where.
        workload: What.
        rungs: Which rungs; one that this GPU or these shapes rule out is left out with a note.
        runs: Of each.
        tell: Told what is under way.

    Returns:
        Rows, rungs first; and notes on what is missing and why.
    """
    x, w = inputs(workload)
    expected = conv2d(x, w, workload.stride, workload.padding)
    work = float(flops(expected.shape, workload.w_shape))
    tell(f"{workload.name}: the ladder")
    rows, notes = time_rungs(gpu, workload, rungs, runs, x, w, expected, work)
    for name, tf32 in (("cudnn", False), ("cudnn_tf32", True)):
        tell(f"{workload.name}: {name}")
        what = convolution(x.shape, w.shape, expected.shape, workload.stride)
        timing: Timing = time_convolution(gpu, what, x, w, expected, CUDNN_BUDGET_S, tf32=tf32)
        if timing.times_ms:
            rows.append(
                row(name, timing.times_ms, work, detail=f"{timing.layout}, {timing.plan}", plan_index=timing.index)
            )
        if timing.note:
            notes.append(f"{name}: {timing.note}")
        tell(f"{workload.name}: PyTorch{', TF32' if tf32 else ''}")
        try:
            found = time_torch(workload, x, w, expected, runs, tf32)
        except Exception as error:  # a peer may fail without losing the rest
            traceback.print_exc()
            notes.append(f"torch: {type(error).__name__}: {error}")
            continue
        if found is None:
            notes.append("torch: PyTorch is not installed")
        else:
            rows.append(row("torch_tf32" if tf32 else "torch", found[1], work, detail=found[0]))
    return rows, sorted(set(notes))


def time_rungs(
    gpu: CudaGpu,
    workload: Workload,
    rungs: Sequence[str],
    runs: int,
    x: Array,
    w: Array,
    expected: Array,
    work: float,
) -> tuple[list[Row], list[str]]:
    """Times rungs in turns, after each gave the right answer."""
    case, notes, plans = workload.case(), [], {}
    for name in rungs:
        reason = ladder.obstacle(name, case, gpu.architecture)
        if reason:
            notes.append(f"{name}: {reason}")
        else:
            plans[name] = ladder.plan_for(ladder.rung(name), case)
    assembled = assemble({key: each for _, found in plans.values() for key, each in found.items()}, gpu.architecture)
    if assembled.faults:
        raise GraderError(f"bench: {next(iter(assembled.faults.values())).message}")
    code = assembled.code()
    contenders, used = [], {}
    for name, (plan, found) in plans.items():
        loaded = {key: Loaded(kernel, gpu.load(code[key], kernel.entry)) for key, kernel in found.items()}
        contenders.append(Contender(name, plan, loaded))
        used[name] = [assembled.cubins[key][1] for key in found]
    track = Track(gpu, contenders, x, w)
    times: dict[str, list[float]] = {name: [] for name in plans}
    try:
        for name in plans:
            track.run(name, 0)
            off = relative_error(track.output(name), expected)
            if not off <= TOLERANCES.get(name, 0.0):
                raise GraderError(f"bench: {name} is wrong on {workload.name}, by {off:.2g} of the largest output")
        for run in range(runs):
            for name, own in times.items():
                own.append(track.run(name, run % SETS))
    finally:
        track.close()
    errors = real_errors(gpu, workload, contenders)
    return [rung_row(name, own, work, errors[name], used[name]) for name, own in times.items()], notes


def real_errors(gpu: CudaGpu, workload: Workload, contenders: Sequence[Contender]) -> dict[str, float]:
    """Each contender's error on normal numbers against float64."""
    random = np.random.default_rng(2)
    x, w = (random.standard_normal(shape, np.float32) for shape in (workload.x_shape, workload.w_shape))
    expected = conv2d(x, w, workload.stride, workload.padding)
    track = Track(gpu, contenders, x, w)
    try:
        errors = {}
        for each in contenders:
            track.run(each.name, 0)
            errors[each.name] = relative_error(track.output(each.name), expected)
        return errors
    finally:
        track.close()


def relative_error(got: Array, expected: Array) -> float:
    """Largest difference, relative to the largest output; NaN where an output is."""
    return float(np.max(np.abs(got - expected)) / np.max(np.abs(expected)))


def time_torch(
    workload: Workload, x: Array, w: Array, expected: Array, runs: int, tf32: bool
) -> tuple[str, list[float]] | None:
    """PyTorch's best memory format and its times in ms, by its own events; None where it isn't installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = True, tf32
    flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
    best: tuple[str, list[float]] | None = None
    what = convolution(x.shape, w.shape, expected.shape, workload.stride)
    top, bottom, left, right = what.pads
    for name, memory_format in (("NHWC", torch.channels_last), ("NCHW", torch.contiguous_format)):
        image = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).cuda()
        image = torch.nn.functional.pad(image, (left, right, top, bottom)).contiguous(memory_format=memory_format)
        weight = torch.from_numpy(w.transpose(3, 2, 0, 1).copy()).cuda().contiguous(memory_format=memory_format)
        times = []
        for run in range(runs + 3):
            flush.fill_(run)
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            y = torch.nn.functional.conv2d(image, weight, stride=workload.stride)
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end))
        off = relative_error(y.cpu().numpy().transpose(0, 2, 3, 1), expected)
        if not off <= 1e-3:
            raise GraderError(f"PyTorch differs by {off:.2g}")
        if best is None or np.median(times[3:]) < np.median(best[1]):
            best = name, times[3:]
    return best


def rung_row(name: str, times: Sequence[float], work: float, error: float, used: Sequence[Resources]) -> Row:
    """A rung's row, with what its kernels use."""
    spilled = sum(each.spill_store_bytes + each.spill_load_bytes for each in used)
    kernels = ", ".join(each.kernel.removeprefix("ladder:") for each in used)
    registers = max(each.registers for each in used)
    return row(name, times, work, error=error, registers=registers, spill_bytes=spilled, detail=kernels)


def row(kernel: str, times: Sequence[float], work: float, **more: Any) -> Row:
    """A row from a kernel's times."""
    summary = summarize(times)
    values = {key: value for key, value in asdict(summary).items() if key in ("median_ms", "low_ms", "high_ms", "runs")}
    return Row(kernel, gflops=work / summary.median_ms / 1e6, **{"runs": len(times), **values, **more})


def parse_workload(text: str, stride: int = 1, padding: str = "valid") -> Workload:
    """Reads `64x58x58x64*3x3x64->64`, spaces allowed, or a name of `WORKLOADS`.

    Raises:
        BadInputError: It is neither, or it has no output.
    """
    if text in WORKLOADS and (stride, padding) == (1, "valid"):
        return WORKLOADS[text]
    compact = text.replace(" ", "")
    try:
        left, right = compact.split("*")
        filters, k = right.split("->")
        n, h, width, c = (int(part) for part in left.split("x"))
        r, s, c_in = (int(part) for part in filters.split("x"))
        sizes = (n, h, width, c, r, s, c_in, int(k))
    except ValueError as error:
        names = ", ".join(WORKLOADS)
        raise BadInputError(
            f"bench conv: --shape {text!r}; give NxHxWxC*RxSxC->K, e.g. 64x58x58x64*3x3x64->64, or one of {names}"
        ) from error
    if min(sizes) < 1 or c != c_in:
        raise BadInputError(f"bench conv: --shape {text!r}; sizes are at least 1 and both C agree")
    return Workload(text if text not in WORKLOADS else compact, (n, h, width, c), (r, s, c, int(k)), stride, padding)
