"""The `nbgrader` command itself and real grading: its gradebook and `autograder grade` agree on the points."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.examples import example_notebook, task_cells
from autograder.store import Store
from tests.autograder.samples import LAB

pytest.importorskip("nbgrader")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
ROOT = Path(__file__).parents[2]


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


def test_nbgrader_and_autograder_agree(tmp_path: Path) -> None:
    from nbgrader.api import Gradebook

    course = tmp_path / "course"
    command(tmp_path, "autograder.cli", "release", "lab1", "--course", "course", "--solutions", str(ROOT / "solutions"))
    command(course, "nbgrader", "generate_assignment", LAB, "--create")
    released = json.loads((course / "release" / LAB / f"{LAB}.ipynb").read_text("utf-8"))
    example = ROOT / "tests" / "submissions" / "wrong" / LAB / "wrong_halo.py"
    solution = task_cells((ROOT / "solutions" / LAB / f"{LAB}.py").read_text("utf-8"))
    handed_in = course / "submitted" / "grace" / LAB / f"{LAB}.ipynb"
    handed_in.parent.mkdir(parents=True)
    handed_in.write_text(json.dumps(example_notebook(example, released, solution)), encoding="utf-8")

    trust = ("--allow-untrusted",)
    command(course, "nbgrader", "autograde", LAB, "--GradeSubmission.allow_untrusted=True")
    command(tmp_path, "autograder.cli", "grade", LAB, "--submissions", "course/submitted", "--out", "mine", *trust)

    mine = Store(tmp_path / "mine").newest(LAB, "grace")
    assert mine is not None
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        grades = gradebook.find_submission(LAB, "grace").notebooks[0].grades
        recorded = {grade.name.removeprefix("check_"): grade.auto_score for grade in grades}
    tasks = dict.fromkeys(item.task for item in mine.items)
    assert recorded == {task: sum(item.points for item in mine.items if item.task == task) for task in tasks}
    assert recorded["conv_first"] == 20
    assert recorded["conv_strided"] == 0
    theirs = Store(course / "results").newest(LAB, "grace")
    assert theirs is not None
    assert theirs.sha256 == mine.sha256
