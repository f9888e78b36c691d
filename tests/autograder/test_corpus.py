"""The grader's own exam: right submissions earn everything, wrong ones lose exactly the named points.

On a GPU the whole corpus runs again with real timing: `pytest -m gpu`.
"""

import json
import re
from pathlib import Path

import pytest

from autograder import isolation, path
from autograder.examples import example_notebook, read_example, task_cells
from autograder.result import Status

ROOT = Path(__file__).parents[2]
CORRECT = sorted((ROOT / "tests" / "submissions" / "correct").glob("lab*/*.py"))
WRONG = sorted((ROOT / "tests" / "submissions" / "wrong").glob("lab*/*.py"))
RIGS = sorted((ROOT / "tests" / "submissions" / "hostile").glob("lab[45]*/*.py"))  # those of Lab 1: test_hostile.py


def graded(example, tmp_path, device):
    """Grades an example; only the tasks that it replaces, which is all that it is about."""
    lab = example.parent.name
    released = json.loads((ROOT / "labs" / lab / f"{lab}.ipynb").read_text())
    solution = task_cells((ROOT / "solutions" / lab / f"{lab}.py").read_text())
    notebook = tmp_path / f"{example.stem}.ipynb"
    notebook.write_text(json.dumps(example_notebook(example, released, solution)))
    return path.grade(notebook, lab, tasks=read_example(example).cells or None, device=device)


def header(example, key):
    """A header line's text, e.g. of `# loses: conv_first.exact`."""
    found = re.search(rf"^# {key}: (.+)$", example.read_text(), re.MULTILINE)
    return found.group(1).strip() if found else ""


def name(example):
    """As pytest shows it, e.g. `lab1-right`."""
    return f"{example.parent.name.partition('_')[0]}-{example.stem}"


def explain(result):
    return "\n".join(f"{item.task}.{item.item} {item.status}: {item.reason}" for item in result.items)


def assert_right(example, tmp_path, device):
    result = graded(example, tmp_path, device)

    lost = {f"{item.task}.{item.item}" for item in result.items if item.status is Status.LOST}
    assert lost == (set(header(example, "loses on gpu").split()) if device == "gpu" else set()), explain(result)
    allowed = {Status.EARNED, Status.LOST} if device == "gpu" else {Status.EARNED, Status.PENDING}
    assert {item.status for item in result.items} <= allowed, explain(result)


def assert_loses(example, tmp_path, device):
    result = graded(example, tmp_path, device)

    lost = {f"{item.task}.{item.item}" for item in result.items if item.status is Status.LOST}
    waits = {f"{item.task}.{item.item}" for item in result.items if item.status is Status.PENDING}
    named = f"{header(example, 'loses')} {header(example, 'loses on gpu') if device == 'gpu' else ''}".split()
    expected = {f"{item.task}.{item.item}" for item in result.items} if named == ["everything"] else set(named)
    assert lost == expected - waits, explain(result)
    reasons = "\n".join(f"{item.reason} {item.hint}" for item in result.items if item.status is Status.LOST)
    assert not lost or re.search(header(example, "says"), reasons), explain(result)


@pytest.mark.parametrize("example", CORRECT, ids=name)
def test_a_right_submission_earns_everything(example, tmp_path):
    assert_right(example, tmp_path, "simulator")


@pytest.mark.parametrize("example", WRONG, ids=name)
def test_a_wrong_submission_loses_exactly_the_named_points(example, tmp_path):
    assert_loses(example, tmp_path, "simulator")


@pytest.mark.parametrize("example", RIGS, ids=name)
def test_whoever_attacks_a_rig_gets_what_its_header_says(example, tmp_path):
    assert_loses(example, tmp_path, "simulator")


@pytest.mark.slow
def test_without_bubblewrap_the_scores_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv(isolation.VARIABLE, "none")
    by_name = {name(example): example for example in (*CORRECT, *WRONG)}
    assert_right(by_name["lab1-right"], tmp_path, "simulator")
    for wrong in ("lab1-endless_host", "lab1-too_much_memory", "lab1-wrong_halo"):
        assert_loses(by_name[wrong], tmp_path, "simulator")


@pytest.mark.gpu
@pytest.mark.parametrize("example", CORRECT, ids=name)
def test_a_right_submission_earns_everything_on_a_gpu(example, tmp_path):
    assert_right(example, tmp_path, "gpu")


@pytest.mark.gpu
@pytest.mark.parametrize("example", WRONG, ids=name)
def test_a_wrong_submission_loses_exactly_the_named_points_on_a_gpu(example, tmp_path):
    assert_loses(example, tmp_path, "gpu")


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
