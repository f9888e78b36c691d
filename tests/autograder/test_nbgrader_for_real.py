"""The `nbgrader` command itself and real grading: its gradebook and `autograder grade` agree on the points."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import path
from autograder.examples import example_notebook, task_cells
from autograder.result import Result, Status
from autograder.store import Store
from tests.autograder.samples import LAB

pytest.importorskip("nbgrader")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
ROOT = Path(__file__).parents[2]
STUDENTS = {
    "ada": "correct/right",
    "bob": "correct/several_outputs",
    "grace": "wrong/wrong_halo",
    "hedy": "wrong/never_writes",
    "ivan": "wrong/syntax_error",
    "judy": "wrong/wrong_signature",
}


def command(folder: Path, *arguments: str) -> str:
    """Runs a Python module's command in a folder; its output, both streams."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_nbgrader_autograder_and_the_path_agree(tmp_path: Path) -> None:
    from nbgrader.api import Gradebook

    course = tmp_path / "course"
    command(tmp_path, "autograder.cli", "course", "lab1", "--course", "course", "--solutions", str(ROOT / "solutions"))
    command(course, "nbgrader", "generate_assignment", LAB, "--create")
    released = json.loads((course / "release" / LAB / f"{LAB}.ipynb").read_text("utf-8"))
    solution = task_cells((ROOT / "solutions" / LAB / f"{LAB}.py").read_text("utf-8"))
    for student, name in STUDENTS.items():
        example = ROOT / "tests" / "submissions" / name.split("/")[0] / LAB / f"{name.split('/')[1]}.py"
        handed_in = course / "submitted" / student / LAB / f"{LAB}.ipynb"
        handed_in.parent.mkdir(parents=True)
        handed_in.write_text(json.dumps(example_notebook(example, released, solution)), encoding="utf-8")

    trust = ("--allow-untrusted",)
    command(course, "nbgrader", "autograde", LAB, "--GradeSubmission.allow_untrusted=True")
    command(tmp_path, "autograder.cli", "grade", LAB, "--submissions", "course/submitted", "--out", "mine", *trust)

    mine = {result.student: result for result in Store(tmp_path / "mine").newest_of_all(LAB)}
    assert list(mine) == sorted(STUDENTS)
    recorded = {}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for student in STUDENTS:
            grades = gradebook.find_submission(LAB, student).notebooks[0].grades
            recorded[student] = {grade.name.removeprefix("check_"): grade.auto_score for grade in grades}
    for student, result in mine.items():
        tasks = dict.fromkeys(item.task for item in result.items)
        points = {task: sum(item.points for item in result.items if item.task == task) for task in tasks}
        assert recorded[student] == points, student
        theirs = Store(course / "results").newest(LAB, student)
        assert theirs is not None
        assert theirs.sha256 == result.sha256
        assert statuses(theirs) == statuses(result), student
    most = {task: sum(item.max_points for item in mine["ada"].items if item.task == task) for task in recorded["ada"]}
    waiting = {item.task for item in mine["ada"].items if item.status is Status.PENDING}
    assert {task for task in most if recorded["ada"][task] == most[task]} == set(most) - waiting
    assert recorded["bob"] == recorded["ada"]
    assert recorded["grace"] == recorded["ada"] | {"conv_strided": 0}
    assert recorded["hedy"] != recorded["ada"]
    totals = {student: sum(points.values()) for student, points in recorded.items()}
    assert all(totals[student] < totals["ada"] for student in ("grace", "hedy", "ivan", "judy"))
    # The function itself, with the seed that `autograder grade` drew: the very same verdicts.
    grace = path.grade(course / "submitted" / "grace" / LAB / f"{LAB}.ipynb", LAB, seed=mine["grace"].seed)
    assert [(i.points, i.status, i.reason) for i in grace.items] == [
        (i.points, i.status, i.reason) for i in mine["grace"].items
    ]


def statuses(result: Result) -> dict[str, tuple[float, Status]]:
    """Points and status by item; the cases drawn, and so the reasons' numbers, differ from run to run."""
    return {f"{item.task}.{item.item}": (item.points, item.status) for item in result.items}
