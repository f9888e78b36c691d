"""The grader's own exam: right submissions earn everything, wrong ones lose exactly the named points.

On a GPU the whole corpus runs again with real timing: `pytest -m gpu`.
"""

import ast
import functools
import json
import re
from pathlib import Path

import pytest

from autograder import isolation, path
from autograder.examples import example_notebook, read_example, task_cells
from autograder.program import program
from autograder.result import Status
from autograder.submission import from_cells

ROOT = Path(__file__).parents[2]
CORRECT = sorted((ROOT / "tests" / "submissions" / "correct").glob("lab*/*.py"))
WRONG = sorted((ROOT / "tests" / "submissions" / "wrong").glob("lab*/*.py"))
RIGS = sorted((ROOT / "tests" / "submissions" / "hostile").glob("lab[45]*/*.py"))  # those of Lab 1: test_hostile.py


def graded(bundle, tmp_path, device):
    """Grades a notebook with the cells of several examples; only the tasks that they are about."""
    lab = bundle[0].parent.name
    notebook = json.loads((ROOT / "labs" / lab / f"{lab}.ipynb").read_text())
    cells = solution_of(lab)
    for example in bundle:
        notebook, cells = example_notebook(example, notebook, cells), {}
    file = tmp_path / f"{bundle[0].stem}.ipynb"
    file.write_text(json.dumps(notebook))
    return path.grade(file, lab, tasks=tasks_of(*bundle) or None, device=device)


def tasks_of(*examples):
    """The tasks whose cells these examples give."""
    return set().union(*map(own_tasks, examples))


@functools.cache
def own_tasks(example):
    return frozenset(read_example(example).cells)


@functools.cache
def solution_of(lab):
    return task_cells((ROOT / "solutions" / lab / f"{lab}.py").read_text())


@functools.cache
def cells_of(example):
    """The tasks whose cells the programs of an example are made of: its own, and those that it takes helpers from."""
    lab, own = example.parent.name, read_example(example).cells
    cells = from_cells(lab, {**solution_of(lab), **own}).cells
    return set(own) | {
        cell
        for task in own
        for cell, kept in program(cells, task).cells
        if any(not isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(kept).body)
    }


def apart(one, other):
    """Whether two examples of a lab can be in one notebook and nothing of one gets into the other's programs."""
    return not (tasks_of(one) & cells_of(other) or tasks_of(other) & cells_of(one))


def bundles(examples):
    """Puts examples of different tasks into one notebook: tasks are graded apart, and one grading costs seconds."""
    bundled = []
    for example in examples:
        fits = (
            bundle
            for bundle in bundled
            if bundle[0].parent == example.parent
            and tasks_of(example)
            and all(tasks_of(each) and apart(each, example) for each in bundle)
        )
        if found := next(fits, None):
            found.append(example)
        else:
            bundled.append([example])
    return bundled


def header(example, key):
    """A header line's text, e.g. of `# loses: conv_first.exact`."""
    found = re.search(rf"^# {key}: (.+)$", example.read_text(), re.MULTILINE)
    return found.group(1).strip() if found else ""


def name(bundle):
    """As pytest shows it, e.g. `lab1-right+shared_filter`."""
    return f"{bundle[0].parent.name.partition('_')[0]}-{'+'.join(example.stem for example in bundle)}"


def explain(result):
    return "\n".join(f"{item.task}.{item.item} {item.status}: {item.reason}" for item in result.items)


def assert_right(bundle, tmp_path, device):
    result = graded(bundle, tmp_path, device)

    lost = {f"{item.task}.{item.item}" for item in result.items if item.status is Status.LOST}
    allowed = {item for example in bundle for item in header(example, "loses on gpu").split()}
    assert lost == (allowed if device == "gpu" else set()), explain(result)
    seen = {Status.EARNED, Status.LOST} if device == "gpu" else {Status.EARNED, Status.PENDING}
    assert {item.status for item in result.items} <= seen, explain(result)


def assert_loses(bundle, tmp_path, device):
    result = graded(bundle, tmp_path, device)

    for example in bundle:
        items = [item for item in result.items if item.task in (tasks_of(example) or {item.task})]
        lost = {f"{item.task}.{item.item}" for item in items if item.status is Status.LOST}
        waits = {f"{item.task}.{item.item}" for item in items if item.status is Status.PENDING}
        named = f"{header(example, 'loses')} {header(example, 'loses on gpu') if device == 'gpu' else ''}".split()
        expected = {f"{item.task}.{item.item}" for item in items} if named == ["everything"] else set(named)
        assert lost == expected - waits, f"{example.stem}: {explain(result)}"
        reasons = "\n".join(f"{item.reason} {item.hint}" for item in items if item.status is Status.LOST)
        assert not lost or re.search(header(example, "says"), reasons), f"{example.stem}: {explain(result)}"


@pytest.mark.parametrize("bundle", bundles(CORRECT), ids=name)
def test_a_right_submission_earns_everything(bundle, tmp_path):
    assert_right(bundle, tmp_path, "simulator")


@pytest.mark.parametrize("bundle", bundles(WRONG), ids=name)
def test_a_wrong_submission_loses_exactly_the_named_points(bundle, tmp_path):
    assert_loses(bundle, tmp_path, "simulator")


@pytest.mark.parametrize("bundle", bundles(RIGS), ids=name)
def test_whoever_attacks_a_rig_gets_what_its_header_says(bundle, tmp_path):
    assert_loses(bundle, tmp_path, "simulator")


@pytest.mark.slow
def test_without_bubblewrap_the_scores_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv(isolation.VARIABLE, "none")
    by_name = {example.stem: example for example in (*CORRECT, *WRONG) if example.parent.name.startswith("lab1")}
    assert_right([by_name["right"]], tmp_path, "simulator")
    for wrong in ("endless_host", "too_much_memory", "wrong_halo"):
        assert_loses([by_name[wrong]], tmp_path, "simulator")


@pytest.mark.gpu
@pytest.mark.parametrize("bundle", bundles(CORRECT), ids=name)
def test_a_right_submission_earns_everything_on_a_gpu(bundle, tmp_path):
    assert_right(bundle, tmp_path, "gpu")


@pytest.mark.gpu
@pytest.mark.parametrize("bundle", bundles(WRONG), ids=name)
def test_a_wrong_submission_loses_exactly_the_named_points_on_a_gpu(bundle, tmp_path):
    assert_loses(bundle, tmp_path, "gpu")


@pytest.mark.parametrize(
    ("lab", "right", "wrong"),
    [
        ("lab1_conv_kernel", 8, 12),
        ("lab2_fast_conv", 12, 40),
        ("lab4_batch_size", 5, 25),
        ("lab5_memory", 5, 30),
        ("lab6_cifar10_cnn", 6, 17),
    ],
)
def test_the_corpus_is_large_enough(lab, right, wrong):
    assert sum(example.parent.name == lab for example in CORRECT) >= right
    assert sum(example.parent.name == lab for example in WRONG) >= wrong
