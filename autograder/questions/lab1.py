"""Questions of Lab 1: launch configurations, operations and bytes of a convolution, the roofline."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder import drawing
from autograder.evidence import Case, FaultKind
from autograder.questions.question import LARGEST, Question, clipped, number
from autograder.result import Status
from autograder.rigs import Log
from autograder.verdict import Verdict, lost
from gpulabs import convolution

if TYPE_CHECKING:
    from autograder.rubric import CaseSpec, Item

Dim3 = tuple[int, ...]
Complaint = tuple[str, str] | None

# Limits of every CUDA device since compute capability 3.0; source: CUDA C++ Programming Guide, "Compute Capabilities".
MAX_GRID = (2**31 - 1, 65535, 65535)
MAX_BLOCK = (1024, 1024, 64)
MAX_THREADS = 1024
MIN_THREADS = 64
WARP = 32
_AXES = "xyz"


def _judge_launch(
    complain: Callable[[Item, Dim3, Dim3, Dim3], Complaint], item: Item, case: Case, value: Any, log: Log
) -> Verdict:
    """Judges what `launch_config(n, h_out, w_out, k)` returned: ((gx, gy, gz), (bx, by, bz)) if it is right."""
    n, h_out, w_out, k = case.arguments
    call = f"launch_config({n}, {h_out}, {w_out}, {k})"
    config = _config(value)
    if config is None:
        text = f"{call} returned {clipped(value)}, expected ((gx, gy, gz), (bx, by, bz)), six whole numbers from 1."
        return lost(FaultKind.WRONG_TYPE, text, cell=case.task)
    grid, block = config
    beyond = _beyond_limits(grid, block)
    if beyond:
        hint = "A launch beyond a device's limits fails: look them up with `gpulabs doctor`."
        return lost(FaultKind.WRONG_VALUES, f"{call}: {beyond}.", hint, case.task)
    judged = complain(item, grid, block, (k, w_out, n * h_out))
    if not judged:
        return Verdict(Status.EARNED)
    text, hint = judged
    return lost(FaultKind.WRONG_VALUES, f"{call} gave grid {grid}, block {block}: {text}.", hint, case.task)


def _covers(item: Item, grid: Dim3, block: Dim3, sizes: Dim3) -> Complaint:
    names = "channels k", "columns w_out", "rows n * h_out"
    for axis, g, b, size, name in zip(_AXES, grid, block, sizes, names, strict=True):
        if g * b < size:
            text = f"along {axis} {g} * {b} = {g * b} threads don't cover {size} {name}"
            return text, "How many blocks does it take when the size is no multiple of the block?"
    return None


def _warps(item: Item, grid: Dim3, block: Dim3, sizes: Dim3) -> Complaint:
    threads = math.prod(block)
    if threads % WARP:
        text = f"{threads} threads a block are {threads / WARP:.2f} warps of {WARP}"
        return text, "The hardware always runs whole warps: what are the threads that you didn't ask for doing?"
    if threads < MIN_THREADS:
        return (
            f"{threads} threads a block, fewer than {MIN_THREADS}",
            "Small blocks leave a multiprocessor short of warps.",
        )
    return None


def _tight(item: Item, grid: Dim3, block: Dim3, sizes: Dim3) -> Complaint:
    used = 1.0
    for g, b, size in zip(grid, block, sizes, strict=True):
        used *= min(1.0, size / (g * b))
    if used >= (item.threshold or 0.0):
        return None
    worst = min(range(3), key=lambda axis: sizes[axis] / (grid[axis] * block[axis]))
    launched = grid[worst] * block[worst]
    text = (
        f"{used:.0%} of the threads have an output, at least {item.threshold:.0%} should; "
        f"along {_AXES[worst]} {launched} threads for {sizes[worst]}"
    )
    return text, f"Axis {_AXES[worst]} of the block is long for so few outputs: could it be shorter?"


def _beyond_limits(grid: Dim3, block: Dim3) -> str:
    for axis, g, most in zip(_AXES, grid, MAX_GRID, strict=True):
        if g > most:
            return f"{g} blocks along {axis}, a device takes at most {most}"
    for axis, b, most in zip(_AXES, block, MAX_BLOCK, strict=True):
        if b > most:
            return f"{b} threads along {axis} of the block, a device takes at most {most}"
    if math.prod(block) > MAX_THREADS:
        return f"{math.prod(block)} threads a block, a device takes at most {MAX_THREADS}"
    return ""


def _config(value: Any) -> tuple[Dim3, Dim3] | None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    for part in value:
        if not isinstance(part, list | tuple) or len(part) != 3:
            return None
        if any(type(one) is not int or not 1 <= one < LARGEST for one in part):
            return None
    return tuple(value[0]), tuple(value[1])


def _draw_launch(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    size = drawing.sizes(spec, index, rng)
    return size["n"], size["h"], size["w"], size["k"]


def _draw_shapes(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    limits = (1, 128), (8, 64), (8, 64), (1, 64), (1, 128), (1, 7), (1, 7)
    n, h, w, c, k, r, s = (drawing.uniform(rng, one) for one in limits)
    return (n, h, w, c), (r, s, c, k), (n, h - r + 1, w - s + 1, k)


def _draw_flops(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    _, w_shape, y_shape = _draw_shapes(rng)
    return y_shape, w_shape


def _draw_bytes(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return _draw_shapes(rng)


def _draw_roof(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """Under the sloping part of the roof and under its flat part in turn."""
    peak_gflops, bandwidth_gb_s = 10.0 * drawing.uniform(rng, (300, 7000)), float(drawing.uniform(rng, (150, 3500)))
    of_ridge = rng.uniform(0.05, 0.8) if index % 2 == 0 else rng.uniform(1.25, 10.0)
    return round(float(of_ridge * peak_gflops / bandwidth_gb_s), 2), peak_gflops, bandwidth_gb_s


def _roof(intensity: float, peak_gflops: float, bandwidth_gb_s: float) -> float:
    return float(min(peak_gflops, intensity * bandwidth_gb_s))


def _slips_of_flops(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    return [(right / 2, "A multiply-add is two operations.")]


def _slips_of_bytes(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    found = [
        (right - 4 * math.prod(shape), f"Is {name} counted?") for name, shape in zip("xwy", arguments, strict=True)
    ]
    text = "How many bytes is a float32 long, and is each of them counted once?"
    return [*found, *((right * factor, text) for factor in (2, 0.5, 0.25))]


def _slips_of_roof(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    intensity, peak_gflops, bandwidth_gb_s = arguments
    text = "There are two limits: which of them holds here?"
    return [(peak_gflops, text), (intensity * bandwidth_gb_s, text)]


QUESTIONS = (
    Question("launch_covers", _draw_launch, functools.partial(_judge_launch, _covers)),
    Question("launch_warps", _draw_launch, functools.partial(_judge_launch, _warps)),
    Question("launch_tight", _draw_launch, functools.partial(_judge_launch, _tight), needs=("threshold",)),
    number("flops", _draw_flops, convolution.flops, _slips_of_flops),
    number("bytes", _draw_bytes, convolution.min_bytes, _slips_of_bytes),
    number("roof", _draw_roof, _roof, _slips_of_roof, whole=False),
)
