"""One case's evidence -> one verdict: was it right, and if not, what is wrong with it, in words that teach.

Trusted and without a GPU. Nothing here runs student code; arrays that an untrusted process wrote are
read by `read_outputs`, which believes neither their shape nor their dtype.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.cases import EXACT_VALUES, exact, inputs
from autograder.diagnosis import Diagnosis, diagnose
from autograder.evidence import Case, Coalescing, FaultKind, Outcome
from autograder.result import Status
from autograder.rubric import Item
from autograder.verdict import EARNED, Verdict, lost, of_fault, withheld
from gpulabs.convolution import output_shape

Array = NDArray[Any]

SHOWN_INDICES = 3
_NPY_VERSIONS = ((1, 0), (2, 0))


def read_outputs(folder: Path, cases: Sequence[Case]) -> dict[str, Array]:
    """Reads `<case>.npy` files that an untrusted process may have written.

    The header is read first. An array of another shape or dtype than the case's is never loaded, and
    stands for itself as an array without content, so that the judge can name its shape.

    Args:
        folder: Where the files lie.
        cases: Whose outputs to look for.

    Returns:
        Output by case id; without those that are missing or unreadable.
    """
    outputs: dict[str, Array] = {}
    for case in cases:
        path = folder / f"{case.id}.npy"
        if not case.x_shape or path.is_symlink() or not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                version = np.lib.format.read_magic(file)
                if version not in _NPY_VERSIONS:
                    continue
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, fortran, dtype = read(file)
                right = shape == _shape(case) and dtype == np.float32 and not fortran
                file.seek(0)
                if right:
                    outputs[case.id] = np.lib.format.read_array(file, allow_pickle=False)
                elif not dtype.hasobject:
                    outputs[case.id] = np.broadcast_to(np.zeros((), dtype), shape)
        except (OSError, ValueError, TypeError, EOFError, MemoryError, OverflowError, RecursionError):
            continue
    return outputs


def judge_case(
    item: Item, case: Case, outcome: Outcome | None, output: Array | None, expected: Mapping[str, Array]
) -> Verdict:
    """Judges the output of one case.

    Args:
        item: The rubric item, for its tolerance.
        case: The case.
        outcome: What running it gave; None if it never ran.
        output: The student's output; None if none came back.
        expected: The oracle's outputs by case id; needed for real-valued cases only.

    Returns:
        Earned, lost with the fault, or withheld where evidence is missing.
    """
    if outcome is None:
        return withheld(f"case {_short(case)} wasn't run")
    if outcome.fault is not None:
        return of_fault(outcome.fault)
    if not outcome.guards_intact:
        text = f"{_head(case)}: something was written outside the arrays; compare every index with the array's shape."
        return lost(FaultKind.OUT_OF_BOUNDS, text, cell=case.task)
    if not outcome.inputs_intact:
        text = f"{_head(case)}: x or w was changed while the kernel ran; only y may be written."
        return lost(FaultKind.INPUT_CHANGED, text, cell=case.task)
    if output is None:
        return withheld(f"no output of case {_short(case)} came back")
    shape = _shape(case)
    if output.shape != shape:
        text = f"{_head(case)}: output shape {output.shape}, expected {shape}."
        return lost(FaultKind.WRONG_SHAPE, text, cell=case.task)
    if output.dtype != np.float32:
        return lost(
            FaultKind.WRONG_DTYPE, f"{_head(case)}: output is {output.dtype}, expected float32.", cell=case.task
        )
    right = exact(case) if case.values in EXACT_VALUES else expected.get(case.id)
    if right is None:
        return withheld(f"the oracle gave no answer for case {_short(case)}")
    return _judge_values(case, output, right, item.max_relative_error or 0.0, outcome.unwritten)


def _judge_values(case: Case, output: Array, right: Array, tolerance: float, unwritten: int) -> Verdict:
    wrong = differs(output, right, tolerance)
    if not wrong.any() and not unwritten:
        return EARNED
    if not wrong.any():  # NaN is right there, but this NaN is the grader's, and nobody wrote it
        return lost(FaultKind.NOT_WRITTEN, f"{_head(case)}: {unwritten} outputs were never written.", cell=case.task)
    found = diagnose(case, inputs(case), output, right, wrong)
    missing = unwritten or (found is not None and found.name in ("unwritten", "grid tail"))
    kind = FaultKind.NOT_WRITTEN if missing else FaultKind.WRONG_VALUES
    verdict = lost(kind, _mismatch(case, output, right, wrong, tolerance, found), "" if found is None else found.hint)
    evidence = {
        "wrong outputs": f"{wrong.sum()} of {wrong.size}",
        "share wrong": round(float(wrong.mean()), 4),
        "diagnosis": "" if found is None else found.name,
    }
    return dataclasses.replace(verdict, cell=case.task, evidence=evidence)


def differs(got: Array, expected: Array, tolerance: float) -> NDArray[np.bool_]:
    """Says which outputs are wrong.

    An error is measured against the size of the output or, where a sum happens to cancel, the usual
    size of the outputs (their root mean square): the rounding of a float32 sum depends on its terms and
    not on how small it turns out. NaN and infinity must stand where they are expected, with their sign.

    Args:
        got: The student's.
        expected: The right one, same shape.
        tolerance: Largest relative error; 0 asks for the very same numbers.

    Returns:
        Boolean, same shape.
    """
    finite = np.isfinite(expected)
    same: NDArray[np.bool_] = (got == expected) | (np.isnan(got) & np.isnan(expected))
    if tolerance == 0 or not finite.any():
        return ~same
    usual = float(np.sqrt(np.mean(np.square(expected[finite], dtype=np.float64))))
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(got - expected) <= tolerance * np.maximum(np.abs(expected), usual)
    wrong: NDArray[np.bool_] = ~(same | (finite & near))
    return wrong


def judge_traffic(item: Item, case: Case, traffic: Sequence[Coalescing]) -> Verdict:
    """Judges how many sectors of 32 bytes a warp's loads and stores touch on average, over all launches of a case."""
    loads, stores = sum(one.load_requests for one in traffic), sum(one.store_requests for one in traffic)
    if not loads or not stores:
        return withheld(f"the memory traffic of case {_short(case)} wasn't counted")
    per_load = sum(one.load_sectors for one in traffic) / loads
    per_store = sum(one.store_sectors for one in traffic) / stores
    evidence = {"sectors per load": round(per_load, 2), "sectors per store": round(per_store, 2)}
    for name, found, limit in (
        ("store", per_store, item.max_sectors_per_store),
        ("load", per_load, item.max_sectors_per_load),
    ):
        if limit is not None and found > limit:
            text = (
                f"{_head(case)}: a warp's {name} touches {found:.1f} sectors of 32 bytes on average, at most {limit:g} "
                f"count as coalesced (32 floats side by side are 4): check which index follows threadIdx.x."
            )
            hint = "Which index of the array has to grow by one from a thread to its neighbour?"
            return Verdict(Status.LOST, text, None, hint, case.task, evidence=evidence)
    return Verdict(Status.EARNED, evidence=evidence)


def _mismatch(
    case: Case, got: Array, expected: Array, wrong: Array, tolerance: float, found: Diagnosis | None
) -> str:  # fmt: skip
    places = np.argwhere(wrong)[:SHOWN_INDICES]
    shown = "; ".join(
        f"y[{', '.join(map(str, place))}] = {_number(got[tuple(place)])}, expected {_number(expected[tuple(place)])}"
        for place in places
    )
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(got[wrong].astype(np.float64) - expected[wrong])
    finite = error[np.isfinite(error)]
    worst = _number(finite.max()) if finite.size else "not finite"
    limit = "0 (whole numbers are exact)" if tolerance == 0 else f"{tolerance:g} relative"
    pattern = f", {found.pattern}" if found else ""
    check = f": {found.check}" if found else ""
    return (
        f"{_head(case)}: {wrong.sum()} of {wrong.size} outputs differ ({_share(wrong)}){pattern}; "
        f"{shown}; worst error {worst}, tolerance {limit}{check}."
    )


def _share(wrong: Array) -> str:
    share = wrong.mean()
    return "all" if share == 1 else f"{share:.0%}" if share >= 0.01 else "under 1 %"


def _number(value: float) -> str:
    return f"{int(value)}" if np.isfinite(value) and value == int(value) and abs(value) < 1e9 else f"{value:.6g}"


def _short(case: Case) -> str:
    return case.id.removeprefix(f"{case.task}-")


def _head(case: Case) -> str:
    """Names a case: `conv_strided, case same-2 (1x7x5x2 * 3x3x2->4, stride 2, same)`."""
    x, w = case.x_shape, case.w_shape
    shapes = f"{'x'.join(map(str, x))} * {'x'.join(map(str, w[:3]))}->{w[3]}"
    stride = f", stride {case.stride}" if case.stride != 1 else ""
    return f"{case.function}, case {_short(case)} ({shapes}{stride}, {case.padding}, {case.values})"


def _shape(case: Case) -> tuple[int, ...]:
    return output_shape(case.x_shape, case.w_shape, case.stride, case.padding)
