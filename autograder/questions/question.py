"""What a kind of question is, and the kind that most are: one right number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autograder.evidence import Case, FaultKind
from autograder.result import Status
from autograder.rigs import MAX_CALLS, Log, Rig, Setting
from autograder.verdict import Verdict, lost
from autograder.wire import called

if TYPE_CHECKING:
    from autograder.rubric import CaseSpec, Item

LARGEST = 2**63
"""Of numbers that come back: Python's whole numbers have no end, and printing them takes as long."""
_LONG = 4  # axes of an array; longer ones are lists
_ENDLESS = 12  # measured numbers that anyone reads
_RELATIVE = 1e-6  # one multiplication and a minimum in float64, or in float32

Draw = Callable[[np.random.Generator, int, "CaseSpec"], tuple[Any, ...]]
"""Of the case's own random stream, its place among its specification's cases, and the specification."""

Slips = Callable[[Sequence[Any], float], Sequence[tuple[float, str]]]

Complaint = tuple[str, str]
"""What is wrong with an answer, to be said after the call; what to look at."""


@dataclass(frozen=True)
class Question:
    """One kind of question to a plain function: how it is asked and how the answer is judged.

    Attributes:
        name: What a rubric's `case.values` says.
        draw: Makes a case's arguments: numbers, strings, lists, dictionaries, and `wire.call(name)` for each
            operation of a rig that the function is given.
        judge: (item, case, what came back, the rig's log) -> verdict. What came back is untrusted: numbers
            and lists of them, of any shape.
        answer: The right answer where there is a single one; called with the arguments.
        rig: Builds what answers the function's calls, from the case's secret seed; None where it is given none.
        max_calls: Calls that an honest function never needs.
        needs: Keys that the rubric's item must have, e.g. `threshold`.
        needs_gpu: Asked only where there is a GPU; elsewhere its points are pending.
    """

    name: str
    draw: Draw
    judge: Callable[[Item, Case, Any, Log], Verdict]
    answer: Callable[..., float] | None = None
    rig: Callable[[Case, Setting], Rig] | None = None
    max_calls: int = MAX_CALLS
    needs: tuple[str, ...] = ()
    needs_gpu: bool = False


def number(name: str, draw: Draw, answer: Callable[..., float], slips: Slips, *, whole: bool = True) -> Question:
    """Makes a question with one right number.

    Args:
        name: Its name.
        draw: As of any question.
        answer: The right answer.
        slips: (arguments, right answer) -> the commonest wrong answers, each with a sentence that points at the slip.
        whole: Whether the number has to be exactly right; else rounding is allowed for.
    """

    def judge(item: Item, case: Case, value: Any, log: Log) -> Verdict:
        if type(value) not in (int, float) or not abs(value) < LARGEST:
            text = f"{shown(case)} returned {clipped(value)}, expected a finite number."
            return lost(FaultKind.WRONG_TYPE, text, cell=case.task)
        right = answer(*case.arguments)
        if value == right or (not whole and math.isclose(value, right, rel_tol=_RELATIVE)):
            return Verdict(Status.EARNED)
        text = f"{shown(case)} = {value}, expected {right}."
        found = (hint for wrong, hint in slips(case.arguments, right) if abs(value - wrong) < _RELATIVE * right)
        return lost(FaultKind.WRONG_VALUES, text, next(found, "Do the smallest case by hand, with units."), case.task)

    return Question(name, draw, judge, answer)


def shown(case: Case) -> str:
    """A case's call as students would write it."""
    return f"{case.function}({', '.join(_argument(argument) for argument in case.arguments)})"


def complained(case: Case, text: str, hint: str, kind: FaultKind = FaultKind.WRONG_VALUES) -> Verdict:
    """A lost case: the call, what is wrong with its answer, what to look at."""
    return lost(kind, f"{shown(case)} {text}.", hint, case.task)


def numbers(value: Any, count: int | None = None) -> list[float] | None:
    """What came back as finite numbers, or None; `count` of them where it is given."""
    if not isinstance(value, list | tuple) or (count is not None and len(value) != count):
        return None
    if any(type(one) not in (int, float) or not abs(one) < LARGEST for one in value):
        return None
    return [float(one) for one in value]


def _argument(argument: Any) -> str:
    """A dictionary in full, for its numbers are the question; of several, how many there are."""
    if name := called(argument):
        return name
    if isinstance(argument, dict):
        return f"dict({', '.join(f'{name}={value}' for name, value in argument.items())})"
    if isinstance(argument, list | tuple):
        if argument and all(isinstance(one, dict) for one in argument):
            return f"[{' '.join(str(one.get('kind', '')) for one in argument[:2])} ... {len(argument)} layers]"
        if len(argument) > _ENDLESS and any(type(one) is float for one in argument):
            return f"[{', '.join(map(str, argument[:3]))} ... {len(argument)} numbers]"
        left, right = "[]" if len(argument) > _LONG else "()"
        return f"{left}{', '.join(map(str, argument))}{right}"
    return str(argument)


def clipped(value: Any) -> str:
    """What came back, short enough to be shown."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a number too long to print"
    return text if len(text) <= 80 else f"{text[:77]}..."


def array(value: Any) -> NDArray[np.float64] | None:
    """What came back, as an array if it is numbers in lists of equal lengths; None for anything else."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if type(one) is list:
            waiting += one
        elif type(one) not in (int, float) or not abs(one) < LARGEST:
            return None
    try:
        return np.array(value, np.float64)
    except ValueError:  # lists of different lengths
        return None


def described(value: Any) -> str:
    """What came back by its shape, where it has one."""
    found = array(value)
    return clipped(value) if found is None else f"{' x '.join(map(str, found.shape)) or 'one'} numbers"
