"""A course that nbgrader itself has released, and what goes in and comes out of it; grading is made up.

A module's `course` fixture makes one, for it takes seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import autograder
from autograder import authoring
from autograder.result import Result, Status
from gpulabs.errors import GraderError
from tests.autograder.samples import LAB, result

ROOT = Path(__file__).parents[2]
Notebook = dict[str, Any]
STATUSES: dict[str, dict[str, Status]] = {
    "half": {"conv_first.exact": Status.LOST, "conv_strided": Status.LOST},
    "withheld": {"conv_first.close": Status.WITHHELD},
}


def stub_grade(notebook: Path, lab: str, *, student: str, **_: Any) -> Result:
    """Stands for `autograder.path.grade`: the student's name says what comes of it."""
    from autograder.submission import read_notebook

    submission = read_notebook(notebook, lab, student)
    if student == "broken":
        raise GraderError("the oracle did not answer")
    graded = result(student, STATUSES.get(student), source=submission.source, sha256=submission.sha256)
    return replace(graded, items=graded.items[1:]) if student == "other_rubric" else graded


@contextlib.contextmanager
def made(folder: Path, change: Callable[[Path], None] = lambda _: None) -> Iterator[Path]:
    """Makes a course with Lab 1 released by nbgrader.

    Args:
        folder: Gets it.
        change: What an instructor does to the course before the release.
    """
    with pytest.MonkeyPatch.context() as patch:
        # nbgrader shells out to alembic, which lies beside the interpreter.
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        for name, members in {
            "path": {"grade": stub_grade},
            "isolation": {"tier": lambda: types.SimpleNamespace(name="strong", description="made up")},
        }.items():
            module = types.ModuleType(f"autograder.{name}")
            module.__dict__.update(members)
            patch.setitem(sys.modules, f"autograder.{name}", module)
            patch.setattr(autograder, name, module, raising=False)
        authoring.course("lab1", ROOT / "solutions", folder)
        (folder / "source" / LAB / "solution.py").write_text("answer = 42")  # nbgrader would hand it out
        change(folder)
        done = api(folder).generate_assignment(LAB)
        assert done["success"], done
        yield folder


def api(course: Path, **settings: Any) -> Any:
    """nbgrader's own interface to a course; settings are those of `GradeSubmission`."""
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    config.CourseDirectory.root = str(course)
    config.GradeSubmission.update(settings)
    return NbGraderAPI(CourseDirectory(config=config), config=config)


def released(course: Path) -> Notebook:
    return dict(json.loads((course / "release" / LAB / f"{LAB}.ipynb").read_text("utf-8")))


def hand_in(course: Path, student: str, content: str | Notebook) -> dict[str, Any]:
    """Hands in a file and autogrades it; returns what nbgrader says."""
    path = course / "submitted" / student / LAB / f"{LAB}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return dict(api(course).autograde(LAB, student))


def scores(course: Path, student: str) -> dict[str, float | None]:
    """Reads a student's automatic points back from the gradebook, by task."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        grades = gradebook.find_submission(LAB, student).notebooks[0].grades
        return {grade.name.removeprefix("check_"): grade.auto_score for grade in grades}


def expected(student: str) -> dict[str, float]:
    """The made-up points, by task."""
    graded = result(student, STATUSES.get(student))
    tasks = dict.fromkeys(item.task for item in graded.items)
    return {task: sum(item.points for item in graded.items if item.task == task) for task in tasks}


def grade_id(cell: Notebook) -> str:
    return str(cell["metadata"].get("nbgrader", {}).get("grade_id", ""))
