"""nbgrader itself, on one course: release, autograde, gradebook; its points are those of the path."""

from __future__ import annotations

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
from autograder.store import Store
from gpulabs.errors import GraderError
from tests.autograder.samples import LAB, result

pytest.importorskip("nbgrader")
# What nbgrader, SQLAlchemy and nbconvert warn of among themselves is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

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


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A course with Lab 1 released by nbgrader; made once, for it takes seconds."""
    folder = tmp_path_factory.mktemp("course")
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
        done = api(folder).generate_assignment(LAB)
        assert done["success"], done
        yield folder


def api(course: Path) -> Any:
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    config.CourseDirectory.root = str(course)
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
    graded = result(student, STATUSES.get(student))
    tasks = dict.fromkeys(item.task for item in graded.items)
    return {task: sum(item.points for item in graded.items if item.task == task) for task in tasks}


def grade_id(cell: Notebook) -> str:
    return str(cell["metadata"].get("nbgrader", {}).get("grade_id", ""))


def test_the_release_is_ours_and_holds_no_solution(course: Path) -> None:
    files = [
        path.relative_to(course / "release").as_posix() for path in (course / "release").rglob("*") if path.is_file()
    ]
    assert files == [f"{LAB}/{LAB}.ipynb"]
    text = (course / "release" / LAB / f"{LAB}.ipynb").read_text("utf-8")
    assert "SOLUTION" not in text
    from autograder.build import release_notebook

    ours = release_notebook(LAB, ROOT / "solutions")
    assert [cell["source"] for cell in ours.cells] == ["".join(cell["source"]) for cell in released(course)["cells"]]


@pytest.mark.parametrize("student", ["all", "half"])
def test_the_gradebook_has_the_paths_points(course: Path, student: str) -> None:
    assert hand_in(course, student, released(course))["success"]
    assert scores(course, student) == expected(student)


def test_the_check_cells_say_why_and_pending_is_said(course: Path) -> None:
    hand_in(course, "half", released(course))
    graded = json.loads((course / "autograded" / "half" / LAB / f"{LAB}.ipynb").read_text("utf-8"))
    outputs = {
        grade_id(cell): cell["outputs"] for cell in graded["cells"] if cell["cell_type"] == "code" and cell["outputs"]
    }
    assert sorted(outputs) == sorted(f"check_{task}" for task in expected("half"))
    stream, value = outputs["check_conv_coalesced"]
    assert (stream["name"], value["data"]["text/plain"]) == ("stdout", ["16.0"])
    assert "Pending points are recorded as 0" in "".join(stream["text"])
    assert "12 of 96 outputs differ" in "".join(outputs["check_conv_first"][0]["text"])


def edited(cell: Notebook) -> None:
    cell["source"] = "100.0"


def other_points(cell: Notebook) -> None:
    cell["metadata"]["nbgrader"]["points"] = 1000


def no_grade(cell: Notebook) -> None:
    cell["metadata"]["nbgrader"].update(grade=False, solution=True)


def forged_output(cell: Notebook) -> None:
    data = {"text/plain": "20.0"}
    cell["outputs"] = [{"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 1}]


def no_metadata(cell: Notebook) -> None:
    cell["metadata"]["nbgrader"] = "gone"


@pytest.mark.parametrize("change", [edited, other_points, no_grade, forged_output, no_metadata])
def test_changed_check_cells_are_restored(course: Path, change: Callable[[Notebook], None]) -> None:
    notebook = released(course)
    for cell in notebook["cells"]:
        if grade_id(cell).startswith("check_"):
            change(cell)
    assert hand_in(course, "half", notebook)["success"]
    assert scores(course, "half") == expected("half")


def test_deleted_cells_come_back_even_with_their_task_cells(course: Path) -> None:
    notebook = released(course)
    gone = ("check_conv_first", "check_conv_strided", "conv_strided")
    notebook["cells"] = [cell for cell in notebook["cells"] if grade_id(cell) not in gone]
    assert hand_in(course, "half", notebook)["success"]
    assert scores(course, "half") == expected("half")


def test_duplicated_and_invented_cells_earn_nothing(course: Path) -> None:
    notebook = released(course)
    check = next(cell for cell in notebook["cells"] if grade_id(cell) == "check_conv_first")
    invented = json.loads(json.dumps(check))
    invented["id"] = "invented"
    invented["metadata"]["nbgrader"].update(grade_id="bonus", points=500)
    notebook["cells"] += [{**check, "id": "copy-1"}, {**check, "id": "copy-2"}, invented]
    assert hand_in(course, "half", notebook)["success"]
    assert scores(course, "half") == expected("half")


@pytest.mark.parametrize("content", ["", "not json {", "[]", '{"cells": 3}', '{"cells": [{"cell_type": "code"}]}'])
def test_what_is_no_notebook_gets_zero_with_the_reason(course: Path, content: str) -> None:
    assert hand_in(course, "ada", content)["success"]
    assert set(scores(course, "ada").values()) == {0.0}
    text = (course / "autograded" / "ada" / LAB / f"{LAB}.ipynb").read_text("utf-8")
    assert "lost 12" in text
    assert f"{LAB}.ipynb" in text


@pytest.mark.parametrize("student", ["withheld", "broken"])
def test_withheld_points_fail_loudly_and_record_no_zero(course: Path, student: str) -> None:
    done = hand_in(course, student, released(course))
    assert not done["success"]
    assert "points are withheld, nothing is recorded" in done["log"]
    assert not (course / "autograded" / student / LAB).exists()
    assert set(scores(course, student).values()) == {None}


def test_a_rubric_that_does_not_fit_fails_loudly(course: Path) -> None:
    done = hand_in(course, "other_rubric", released(course))
    assert not done["success"]
    assert "check_conv_first: worth 20 points in the notebook and 8 in the rubric" in done["log"]


def test_full_results_are_kept_for_the_report(course: Path) -> None:
    hand_in(course, "half", released(course))
    newest = Store(course / "results").newest(LAB, "half")
    assert newest is not None
    assert newest.points == sum(expected("half").values())
