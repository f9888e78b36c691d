"""What judging one case ends in: earned, lost, pending or withheld, with a reason that teaches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from autograder.evidence import Fault, FaultKind
from autograder.result import Status

HINTS: dict[FaultKind, str] = {
    FaultKind.MISSING_FUNCTION: "Keep the function's name as the task gives it.",
    FaultKind.SYNTAX_ERROR: "Run the cell by itself: Python marks the place.",
    FaultKind.CELL_EXCEPTION: "Restart the notebook's kernel and run it from the top.",
    FaultKind.WRONG_SIGNATURE: "Take the parameters over from the task, in their order.",
    FaultKind.HOST_EXCEPTION: "Call the function by itself with a small array and read the traceback.",
    FaultKind.HOST_TIMEOUT: "Which loop of the host function has no end?",
    FaultKind.OUT_OF_MEMORY: "Multiply out the shape of each array that you make: how many bytes is it?",
    FaultKind.NO_LAUNCH: "A kernel starts with kernel[grid, block](...); calling it plainly doesn't run it.",
    FaultKind.DOES_NOT_COMPILE: "Numba compiles a subset of Python: look at the line it names.",
    FaultKind.REJECTED: "The message names what stands in the way: change that, and keep the rest.",
    FaultKind.WRONG_TYPE: "Compare what the function returns with the task.",
    FaultKind.WRONG_SHAPE: "Work out the output's shape for this case by hand.",
    FaultKind.WRONG_DTYPE: "All arrays of this lab are float32.",
    FaultKind.WRONG_LAYOUT: "Arrays are NHWC in C order: the channel is the fastest axis.",
    FaultKind.KERNEL_EXCEPTION: "Follow the thread that it names through your kernel.",
    FaultKind.KERNEL_TIMEOUT: "Does every loop in the kernel move towards its end?",
    FaultKind.OUT_OF_BOUNDS: "Which threads lie outside the output, and which taps outside the image?",
    FaultKind.NOT_WRITTEN: "Which output does each thread own, and is there a thread for every output?",
    FaultKind.INPUT_CHANGED: "x and w are for reading: write to y or to arrays of your own.",
    FaultKind.WRONG_VALUES: "Do one output by hand and compare.",
    FaultKind.NOT_ATTEMPTED: "Replace the stub's raise with your solution.",
}


@dataclass(frozen=True)
class Verdict:
    """What one case, or one comparison, says of an item.

    Attributes:
        status: Earned, lost, pending or withheld.
        reason: One sentence; empty when earned and there is nothing to add.
        fault: Its kind, or None.
        hint: One sentence that points the way.
        cell: The notebook cell it points at.
        line: Line in that cell.
        evidence: Numbers for a table.
        points: What is earned of the item's points; None for all of them.
    """

    status: Status
    reason: str = ""
    fault: FaultKind | None = None
    hint: str = ""
    cell: str | None = None
    line: int | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    points: float | None = None


EARNED = Verdict(Status.EARNED)


def lost(fault: FaultKind, reason: str, hint: str = "", cell: str | None = None) -> Verdict:
    """Makes a verdict that takes the points."""
    return Verdict(Status.LOST, reason, fault, hint or HINTS[fault], cell)


def withheld(reason: str) -> Verdict:
    """Makes a verdict for when the grader is at fault."""
    return Verdict(Status.WITHHELD, f"The grader couldn't judge this: {reason}. Your points are withheld, not lost.")


def of_fault(fault: Fault) -> Verdict:
    """Makes the verdict that a fault of the submission brings."""
    return Verdict(Status.LOST, fault.message, fault.kind, HINTS[fault.kind], fault.cell, fault.line)
