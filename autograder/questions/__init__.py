"""All kinds of questions that plain functions are asked, by name: the one place that knows them.

A module `labN` exports its `QUESTIONS`; being here is all that it takes. A rubric names a question as
`values` of a case, `autograder.cases` draws with it, `autograder.score` asks it for a verdict.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autograder.evidence import Case, FaultKind
from autograder.questions.question import Question, shown
from autograder.rigs import Desk, Log, Place, Turn
from autograder.verdict import Verdict, lost
from gpulabs.errors import GraderError

if TYPE_CHECKING:
    from autograder.rubric import Item

__all__ = ["ALL", "DECLARED", "Question", "answer", "desk", "find", "judge", "pending"]

DECLARED = ("network", "plan")
"""The questions whose answers are trained: a network and a training plan, as plain values."""
NEEDS_GPU = "Needs a GPU: what is asked here is measured on one."


def _collect() -> dict[str, Question]:
    found: dict[str, Question] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__) if info.name.startswith("lab")):
        for question in importlib.import_module(f"{__name__}.{module}").QUESTIONS:
            if question.name in found:
                raise ValueError(f"two questions are named {question.name!r}, one of them in {module}")
            found[question.name] = question
    return found


ALL: Mapping[str, Question] = _collect()


def find(case: Case) -> Question:
    """The question that a case asks.

    Raises:
        GraderError: The case passes arrays, or is of a rubric that this version doesn't know.
    """
    if case.values not in ALL:
        raise GraderError(f"case {case.id}: {case.values} is no question")
    return ALL[case.values]


def answer(case: Case) -> float:
    """Computes what a function must return for a case.

    Raises:
        GraderError: Its question has no single right answer.
    """
    right = find(case).answer
    if right is None:
        raise GraderError(f"case {case.id}: {case.values} has no single right answer")
    return right(*case.arguments)


def desk(cases: Sequence[Case], where: str, gpu: int = 0, turn: Turn | None = None) -> Desk | None:
    """Sets up the rigs of those cases that have one and are asked here; None where there are none.

    Args:
        cases: All that are drawn.
        where: `gpu` or `simulator`.
        gpu: Number of the GPU.
        turn: The turn on it of a question that needs one.
    """
    places = {}
    for case in cases:
        question = ALL.get(case.values)
        if question and question.rig and not pending(case, where):
            build = functools.partial(question.rig, case)
            places[case.id] = Place(build, question.max_calls, measures=question.needs_gpu)
    if not places:
        return None
    return Desk(places, where, gpu=gpu, turn=turn) if turn else Desk(places, where, gpu=gpu)


def pending(case: Case, where: str) -> str:
    """Says why a case can't be asked here (`gpu` or `simulator`), or nothing."""
    question = ALL.get(case.values)
    return NEEDS_GPU if question and question.needs_gpu and where != "gpu" else ""


def judge(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    """Judges what a plain function returned.

    Args:
        item: The rubric's item.
        case: The case.
        value: What came back, untrusted.
        log: Of the case's rig; an empty one where it has none.
    """
    question = find(case)
    if question.rig is not None:
        if log.trouble:
            return lost(FaultKind.REJECTED, f"{shown(case)} {log.trouble}.", cell=case.task)
        if not log.closed:
            text = f"{shown(case)} returned, but not to the grader, which saw no end of the call."
            return lost(FaultKind.REJECTED, text, cell=case.task)
    return question.judge(item, case, value, log)
