"""What an author runs: stale files, a solution below full and a release above zero are found and named."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autograder import authoring
from autograder.build import ladder as build
from autograder.result import Result, Status
from gpulabs.errors import BadInputError
from tests.autograder.samples import LAB, result

pytest.importorskip("nbgrader")
ROOT = Path(__file__).parents[2]
TASKS = ("conv_first", "conv_strided", "launch_config", "conv_coalesced", "roofline")


def fair(notebook: Path, lab: str, *, student: str, **_: Any) -> Result:
    """Grades as it should be: the solution all, the release nothing."""
    assert json.loads(notebook.read_text("utf-8"))["metadata"]["gpulabs"]["lab"] == lab
    return result(student, dict.fromkeys(TASKS, Status.LOST) if student == "release" else None)


def test_labs_are_found_by_id_and_short_name() -> None:
    assert authoring.labs_in(ROOT / "solutions", "lab1") == [LAB]
    assert LAB in authoring.labs_in(ROOT / "solutions")
    with pytest.raises(BadInputError, match="no source of lab0; found: lab1"):
        authoring.labs_in(ROOT / "solutions", "lab0")


def test_check_is_content_with_a_fair_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authoring, "check_ladder", lambda solutions: [])
    assert authoring.check("lab1", ROOT / "solutions", ROOT / "labs", fair) == []


def test_check_names_what_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unfair(notebook: Path, lab: str, *, student: str, **options: Any) -> Result:
        graded = fair(notebook, lab, student=student, **options)
        status = Status.EARNED if student == "release" else Status.LOST
        return replace(graded, items=(replace(graded.items[0], status=status), *graded.items[1:]))

    monkeypatch.setattr(authoring, "check_ladder", lambda solutions: [])
    stale, solution, release = authoring.check("lab1", ROOT / "solutions", tmp_path, unfair)
    assert "missing; run: autograder build" in stale
    assert f"{LAB}: the solution gets lost for conv_first, 'exact on integers'" in solution
    assert f"{LAB}: the release gets earned for conv_first" in release


def test_a_changed_rung_is_found(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path, built = tmp_path_factory.mktemp("shipped"), tmp_path_factory.mktemp("built")
    shutil.copytree(authoring.LADDER, tmp_path, dirs_exist_ok=True)
    fresh = build.build_ladder(ROOT / "solutions", built)  # once: it takes half a minute
    copied = lambda _, target: tuple(Path(shutil.copy(file, target / file.name)) for file in fresh)  # noqa: E731
    monkeypatch.setattr(build, "build_ladder", copied)
    assert authoring.check_ladder(ROOT / "solutions", tmp_path) == []
    metadata = json.loads((tmp_path / "naive.json").read_text("utf-8"))
    (tmp_path / "naive.json").write_text(json.dumps({**metadata, "source_sha256": "0" * 64}))
    (problem,) = authoring.check_ladder(ROOT / "solutions", tmp_path)
    assert "naive.json: differs" in problem
    (tmp_path / "naive.json").unlink()
    (problem,) = authoring.check_ladder(ROOT / "solutions", tmp_path)
    assert "naive.json: missing" in problem


def test_release_keeps_an_instructors_settings(tmp_path: Path) -> None:
    first = authoring.course("lab1", ROOT / "solutions", tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in first] == [
        f"source/{LAB}/{LAB}.ipynb",
        "nbgrader_config.py",
    ]
    assert "BEGIN SOLUTION" in first[0].read_text("utf-8")
    (tmp_path / "nbgrader_config.py").write_text("mine")
    authoring.course("lab1", ROOT / "solutions", tmp_path)
    assert (tmp_path / "nbgrader_config.py").read_text() == "mine"


def test_demo_submissions_are_notebooks_of_their_students(tmp_path: Path) -> None:
    authoring.demo_submissions(ROOT, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["right.ipynb", "stub.ipynb", "wrong_halo.ipynb"]
    released = json.loads((ROOT / "labs" / LAB / f"{LAB}.ipynb").read_text("utf-8"))
    assert json.loads((tmp_path / "stub.ipynb").read_text("utf-8")) == released
    assert "near_row = min(max(row, 0)" in (tmp_path / "wrong_halo.ipynb").read_text("utf-8")
