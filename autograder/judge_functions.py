"""Verdicts on plain functions: a launch configuration, and numbers that a formula gives."""

from __future__ import annotations

import math
from typing import Any

from autograder import formulas
from autograder.cases import expected_values
from autograder.evidence import Case, FaultKind
from autograder.judge import Verdict, lost
from autograder.result import Status
from autograder.rubric import Item

Dim3 = tuple[int, ...]

# Limits of every CUDA device since compute capability 3.0; source: CUDA C++ Programming Guide, "Compute Capabilities".
MAX_GRID = (2**31 - 1, 65535, 65535)
MAX_BLOCK = (1024, 1024, 64)
MAX_THREADS = 1024
MIN_THREADS = 64
WARP = 32
_LARGEST = 2**63  # of numbers that come back; Python's whole numbers have no end, and printing them takes as long
_AXES = "xyz"
_LONG = 4  # axes of an array; longer ones are lists
_REAL = ("roof", "reads_saved", "occupancy")  # values that are no whole numbers
_RELATIVE = 1e-6  # one multiplication and a minimum in float64, or in float32


def judge_launch(item: Item, case: Case, value: Any) -> Verdict:
    """Judges what `launch_config(n, h_out, w_out, k)` returned.

    Args:
        item: Of kind `covers`, `warps` or `tight`.
        case: Its arguments are n, h_out, w_out and k.
        value: What came back, untrusted: ((gx, gy, gz), (bx, by, bz)) if it is right.
    """
    n, h_out, w_out, k = case.arguments
    call = f"launch_config({n}, {h_out}, {w_out}, {k})"
    config = _config(value)
    if config is None:
        text = f"{call} returned {_clip(value)}, expected ((gx, gy, gz), (bx, by, bz)), six whole numbers from 1."
        return lost(FaultKind.WRONG_TYPE, text, cell=case.task)
    grid, block = config
    beyond = _beyond_limits(grid, block)
    if beyond:
        hint = "A launch beyond a device's limits fails: look them up with `gpulabs doctor`."
        return lost(FaultKind.WRONG_VALUES, f"{call}: {beyond}.", hint, case.task)
    sizes = k, w_out, n * h_out
    judged = {"covers": _covers, "warps": _warps, "tight": _tight}[item.kind](item, grid, block, sizes)
    if not judged:
        return Verdict(Status.EARNED)
    text, hint = judged
    return lost(FaultKind.WRONG_VALUES, f"{call} gave grid {grid}, block {block}: {text}.", hint, case.task)


def judge_value(item: Item, case: Case, value: Any) -> Verdict:
    """Judges a number against the formula's.

    Args:
        item: Of kind `values`.
        case: Of values that `cases.expected_values` knows.
        value: What the function returned, untrusted.
    """
    call = f"{case.function}({', '.join(_show(argument) for argument in case.arguments)})"
    if type(value) not in (int, float) or not abs(value) < _LARGEST:
        return lost(FaultKind.WRONG_TYPE, f"{call} returned {_clip(value)}, expected a finite number.", cell=case.task)
    right = expected_values(case)
    if value == right or (case.values in _REAL and math.isclose(value, right, rel_tol=_RELATIVE)):
        return Verdict(Status.EARNED)
    text = f"{call} = {value}, expected {right}."
    return lost(FaultKind.WRONG_VALUES, text, _explain(case, value, right), case.task)


def _covers(item: Item, grid: Dim3, block: Dim3, sizes: Dim3) -> tuple[str, str] | None:
    names = "channels k", "columns w_out", "rows n * h_out"
    for axis, g, b, size, name in zip(_AXES, grid, block, sizes, names, strict=True):
        if g * b < size:
            text = f"along {axis} {g} * {b} = {g * b} threads don't cover {size} {name}"
            return text, "How many blocks does it take when the size is no multiple of the block?"
    return None


def _warps(item: Item, grid: Dim3, block: Dim3, sizes: Dim3) -> tuple[str, str] | None:
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


def _tight(item: Item, grid: Dim3, block: Dim3, sizes: Dim3) -> tuple[str, str] | None:
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
        if any(type(one) is not int or not 1 <= one < _LARGEST for one in part):
            return None
    return tuple(value[0]), tuple(value[1])


def _explain(case: Case, value: float, right: float) -> str:
    """Points at the commonest slips: a factor, or a forgotten array."""
    if case.values == "flops" and value * 2 == right:
        return "A multiply-add is two operations."
    if case.values == "bytes":
        for array, shape in zip(("x", "w", "y"), case.arguments, strict=True):
            if value + 4 * math.prod(shape) == right:
                return f"Is {array} counted?"
        if value / right in (2, 0.5, 0.25):
            return "How many bytes is a float32 long, and is each of them counted once?"
    if case.values == "roof":
        intensity, peak_gflops, bandwidth_gb_s = case.arguments
        if value in (peak_gflops, intensity * bandwidth_gb_s, max(peak_gflops, intensity * bandwidth_gb_s)):
            return "There are two limits: which of them holds here?"
    return formulas.explain(case.values, case.arguments, value, right) or "Do the smallest case by hand, with units."


def _show(argument: Any) -> str:
    """An argument as students would write it; a dictionary in full, for its numbers are the question."""
    if isinstance(argument, dict):
        return f"dict({', '.join(f'{name}={value}' for name, value in argument.items())})"
    if isinstance(argument, list | tuple):
        left, right = "[]" if len(argument) > _LONG else "()"
        return f"{left}{', '.join(map(str, argument))}{right}"
    return str(argument)


def _clip(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a number too long to print"
    return text if len(text) <= 80 else f"{text[:77]}..."
