"""Attacks on Lab 2, all graded in one run of the path that grades: each is a task of its own in a made-up rubric.

Starting a worker for each of them would take ten times as long. One of them kills its worker, which is a part
of the attack: a fresh one goes on with the others.
"""

import dataclasses
import json
import re

import pytest

from autograder import isolation, path, stages
from autograder.examples import example_notebook, read_example, task_cells
from autograder.planning import TaskRequest
from autograder.program import program
from autograder.result import Status
from autograder.rubric import load
from autograder.submission import Submission, read_notebook
from tests.autograder.hostile import MARK, ROOT

LAB = "lab2_fast_conv"
FILES = sorted((ROOT / "tests" / "submissions" / "hostile" / LAB).glob("*.py"))


TELLING = {"conv_vector": 2, "conv_challenge": 1}
"""Task -> which of its specifications takes the path that is attacked: channels in multiples of 4."""


def in_small(task, name):
    """The task under another id, with one case of whole numbers for each kind of answer: no oracle is started."""
    at = TELLING.get(task.id, 0)
    items = [
        dataclasses.replace(
            item, cases=tuple(dataclasses.replace(spec, values="integers", count=1) for spec in item.cases[at : at + 1])
        )
        for item in task.items
    ]
    return dataclasses.replace(task, id=f"{task.id}_{name}", items=tuple(items))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Name of a file -> its items' scores, under the names that the lab gives them."""
    if isolation.tier().name != "strong":
        pytest.skip("hostile code runs in the strong tier only")
    folder, rubric = tmp_path_factory.mktemp("hostile"), load(LAB)
    released = json.loads((ROOT / "labs" / LAB / f"{LAB}.ipynb").read_text("utf-8"))
    solution = task_cells((ROOT / "solutions" / LAB / f"{LAB}.py").read_text("utf-8"))
    tasks, programs = [], {}
    for file in FILES:
        (attacked,) = read_example(file).cells
        notebook = folder / f"{file.stem}.ipynb"
        notebook.write_text(json.dumps(example_notebook(file, released, solution)), encoding="utf-8")
        tasks.append(in_small(rubric.task(attacked), file.stem))
        own = program(read_notebook(notebook, LAB).cells, attacked)
        programs[tasks[-1].id] = dataclasses.replace(own, task=tasks[-1].id)
    made_up = dataclasses.replace(rubric, tasks=tuple(tasks))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path, "load", lambda _: made_up)
        patch.setattr(stages, "program", lambda _, task: programs[task])
        patch.setattr(stages, "TaskRequest", lambda *parts: TaskRequest(*parts[:5]))  # compiled once, without lines
        result = path.grade(Submission(LAB, "mallory", "made up", "", ()), LAB, device="simulator", pictures=False)
    found = {file.stem: [] for file in FILES}
    for file, task in zip(FILES, tasks, strict=True):
        lab_id = next(iter(read_example(file).cells))
        found[file.stem] = [dataclasses.replace(one, task=lab_id) for one in result.items if one.task == task.id]
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.bubblewrap
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_attack_on_lab_2_ends_as_its_header_says(file, results):
    example, items = read_example(file), results[file.stem]
    told = "\n".join(f"{item.task}.{item.item} {item.status}: {item.reason}" for item in items)

    lost = {f"{item.task}.{item.item}" for item in items if item.status is Status.LOST}
    waits = {f"{item.task}.{item.item}" for item in items if item.status is Status.PENDING}
    named = {f"{item.task}.{item.item}" for item in items} if "everything" in example.loses else set(example.loses)
    assert lost == named - waits, told
    assert not [item for item in items if item.status is Status.WITHHELD], told
    assert re.search(example.says, "\n".join(item.reason for item in items if item.status is Status.LOST)), told
    assert bool(example.loses) != bool(example.harmless)
    assert not MARK.exists()


def test_there_are_attacks_of_several_kinds():
    assert len(FILES) >= 15
    assert len({read_example(file).attack for file in FILES}) >= 8
