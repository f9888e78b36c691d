"""Asks a question of a rubric in one process: draws a case, serves its rig, judges what came back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autograder import questions
from autograder.evidence import Case
from autograder.examples import task_cells
from autograder.rigs import Call, Log, Setting
from autograder.rubric import CaseSpec, Item
from autograder.wire import called
from gpulabs.errors import OutOfMemory

ROOT = Path(__file__).parents[3]
ITEM = Item("v", "title", "values", 1)


def solved(lab: str) -> dict:
    """The functions of a lab's solution."""
    scope: dict = {}
    for source in solution_cells(lab).values():
        exec(source, scope)
    return scope


def solution_cells(lab: str) -> dict[str, str]:
    """The task cells of a lab's solution, by task."""
    return task_cells((ROOT / "solutions" / lab / f"{lab}.py").read_text())


def asked(kind: str, function, seed: int, index: int = 0):
    """Draws a case, lets a function answer it before its rig, and judges what it returned."""
    question = questions.ALL[kind]
    arguments = question.draw(np.random.default_rng(seed), index, CaseSpec(kind, 6))
    case = Case("c", "t", "v", "f", values=kind, seed=seed * 7919, arguments=arguments)
    if question.rig is None:
        return questions.judge(ITEM, case, plain(function(*arguments)), Log())
    rig, calls = question.rig(case, Setting()), []

    def watched(name):
        def call(*given):
            try:
                value = rig.operations[name](*given)
            except OutOfMemory:
                calls.append(Call(name, given, raised="OutOfMemory"))
                raise
            calls.append(Call(name, given, value))
            return value

        return call

    given = [watched(called(argument)) if called(argument) else argument for argument in arguments]
    value = plain(function(*given))
    assert len(calls) <= question.max_calls
    return questions.judge(ITEM, case, value, Log(tuple(calls), rig.facts(), closed=True))


def plain(value):
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value
