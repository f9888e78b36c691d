"""nbgrader itself, on one course: release, autograde, gradebook; its points are those of the path."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder.result import Status
from autograder.store import Store
from tests.autograder import nbgrader_course
from tests.autograder.nbgrader_course import Notebook, api, expected, grade_id, hand_in, released, scores
from tests.autograder.samples import LAB

pytest.importorskip("nbgrader")
# What nbgrader, SQLAlchemy and nbconvert warn of among themselves is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with nbgrader_course.made(tmp_path_factory.mktemp("course")) as folder:
        yield folder


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


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_another_students_notebook_is_not_read_and_a_pipe_not_waited_for(course: Path, kind: str) -> None:
    hers = released(course)
    hers["cells"][1]["source"] = "# only grace knows this"
    assert hand_in(course, "grace", hers)["success"]
    path = course / "submitted" / f"eve-{kind}" / LAB / f"{LAB}.ipynb"
    path.parent.mkdir(parents=True)
    if kind == "link":
        path.symlink_to(course / "submitted" / "grace" / LAB / f"{LAB}.ipynb")
    else:
        os.mkfifo(path)

    done = api(course).autograde(LAB, f"eve-{kind}")

    assert done["success"], done["log"]
    assert set(scores(course, f"eve-{kind}").values()) == {0.0}
    text = (course / "autograded" / f"eve-{kind}" / LAB / f"{LAB}.ipynb").read_text("utf-8")
    assert "hand in the notebook itself" in text
    assert "only grace knows this" not in text


def test_what_is_graded_already_is_taken_if_wanted(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = expected("half")
    assert hand_in(course, "half", released(course))["success"]
    monkeypatch.setitem(nbgrader_course.STATUSES, "half", {"conv_first": Status.LOST})
    assert api(course, reuse=True).autograde(LAB, "half")["success"]
    assert scores(course, "half") == before
    assert api(course).autograde(LAB, "half")["success"]
    assert scores(course, "half") == expected("half") != before


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
