"""A class is graded whole: every submission gets a reasoned score and none can stop the others."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autograder.classroom import Done, Session, find, grade_all, grade_one, identity, line
from autograder.result import Result, Status
from autograder.store import Store
from gpulabs.errors import BadInputError, BusyError, GraderError, SubmissionError
from tests.autograder.samples import LAB, result


def fake_grade(notebook: Path, lab: str, *, student: str, **_: Any) -> Result:
    """Stands for `autograder.path.grade`: the notebook's text says what happens."""
    text = notebook.read_text()
    if text == "unreadable":
        raise SubmissionError(f"{notebook.name}: not a notebook: line 1 is not JSON")
    if text == "broken grader":
        raise GraderError("the oracle did not answer")
    if text == "bug":
        raise ZeroDivisionError("division by zero")
    if text == "stop":
        raise KeyboardInterrupt
    return result(student, sha256=identity(notebook))


def flat(folder: Path, **texts: str) -> Path:
    for student, text in texts.items():
        (folder / f"{student}.ipynb").write_text(text)
    return folder


def test_find_in_a_flat_folder(tmp_path: Path) -> None:
    flat(tmp_path, linus="x", ada="x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.ipynb").write_text("x")
    assert [(e.student, e.notebook) for e in find(tmp_path, LAB)] == [
        ("ada", tmp_path / "ada.ipynb"),
        ("linus", tmp_path / "linus.ipynb"),
    ]


def test_find_in_nbgraders_layout(tmp_path: Path) -> None:
    files = {
        "ada": [f"{LAB}.ipynb", "scratch.ipynb"],
        "bob": ["renamed (1).ipynb"],
        "cleo": [],
        "dan": ["a.ipynb", "b.ipynb"],
    }
    for student, names in files.items():
        (tmp_path / student / LAB).mkdir(parents=True)
        for name in names:
            (tmp_path / student / LAB / name).write_text("x")
    (tmp_path / "eve" / "lab2_fast_conv").mkdir(parents=True)
    found = {entry.student: entry for entry in find(tmp_path, LAB)}
    assert sorted(found) == ["ada", "bob", "cleo", "dan"]
    assert found["ada"].notebook == tmp_path / "ada" / LAB / f"{LAB}.ipynb"
    assert found["bob"].notebook == tmp_path / "bob" / LAB / "renamed (1).ipynb"
    assert "no notebook was handed in" in found["cleo"].problem
    assert "several notebooks (a.ipynb, b.ipynb)" in found["dan"].problem


def test_find_one_student_or_say_that_there_is_none(tmp_path: Path) -> None:
    flat(tmp_path, ada="x", linus="x")
    assert [entry.student for entry in find(tmp_path, LAB, "linus")] == ["linus"]
    with pytest.raises(BadInputError, match="no submission of 'grace'"):
        find(tmp_path, LAB, "grace")
    with pytest.raises(BadInputError, match="no such folder"):
        find(tmp_path / "none", LAB)


def test_links_and_pipes_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    folder = tmp_path / "submitted"
    folder.mkdir()
    (folder / "ada.ipynb").symlink_to(secret)
    os.mkfifo(folder / "bob.ipynb")
    entries = find(folder, LAB)
    assert [entry.notebook for entry in entries] == [None, None]
    results = [grade_one(entry, Session(LAB, grade=fake_grade)) for entry in entries]
    assert "a link, not a file" in results[0].items[0].reason
    assert "not a regular file" in results[1].items[0].reason


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("unreadable", Status.LOST, "not a notebook: line 1 is not JSON"),
        ("broken grader", Status.WITHHELD, "the oracle did not answer"),
        ("bug", Status.WITHHELD, "ZeroDivisionError: division by zero"),
    ],
)
def test_every_submission_gets_a_reasoned_score(tmp_path: Path, text: str, status: Status, reason: str) -> None:
    (entry,) = find(flat(tmp_path, ada=text), LAB)
    graded = grade_one(entry, Session(LAB, grade=fake_grade))
    assert {item.status for item in graded.items} == {status}
    assert graded.max_points == 100
    assert graded.points == 0
    assert all(reason in item.reason for item in graded.items)
    assert graded.sha256 == identity(tmp_path / "ada.ipynb")


@pytest.mark.parametrize("jobs", [1, 3])
def test_all_are_graded_kept_and_not_graded_again(tmp_path: Path, jobs: int) -> None:
    texts = {"ada": "1", "bob": "bug", "cleo": "unreadable", "dan": "2"}
    entries = find(flat(tmp_path, **texts), LAB)
    with Store.writing(tmp_path / "results") as store:
        session = Session(LAB, store, jobs, grade=fake_grade)
        assert sorted(d.result.student for d in grade_all(entries, session)) == ["ada", "bob", "cleo", "dan"]
        assert session.finished == 4
        flat(tmp_path, dan="handed in again")
        again = {d.result.student: d.kept for d in grade_all(entries, Session(LAB, store, jobs, grade=fake_grade))}
        assert again == {"ada": True, "bob": False, "cleo": True, "dan": False}
        every = list(grade_all(entries, Session(LAB, store, jobs, again=True, grade=fake_grade)))
        assert not any(done.kept for done in every)


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    entries = find(flat(tmp_path, ada="1", bob="stop", cleo="2"), LAB)
    with Store.writing(tmp_path / "results") as store:
        session = Session(LAB, store, grade=fake_grade)
        with pytest.raises(KeyboardInterrupt):
            list(grade_all(entries, session))
        assert session.finished == 1
        assert [r.student for r in store.newest_of_all()] == ["ada"]


def test_ctrl_c_between_two_results_keeps_those_running_beside(tmp_path: Path) -> None:
    entries = find(flat(tmp_path, ada="1", bob="2", cleo="3", dan="4"), LAB)
    go_on = threading.Event()

    def slow_grade(notebook: Path, lab: str, **options: Any) -> Result:
        if notebook.stem != "ada":
            go_on.wait(10)
        return fake_grade(notebook, lab, **options)

    with Store.writing(tmp_path / "results") as store:
        stream = grade_all(entries, Session(LAB, store, 2, grade=slow_grade))
        assert next(stream).result.student == "ada"
        threading.Timer(0.2, go_on.set).start()
        stream.close()
        kept = [r.student for r in store.newest_of_all()]
    assert kept[:2] == ["ada", "bob"]
    assert "dan" not in kept


def test_progress_names_student_and_stage(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []

    def telling(notebook: Path, lab: str, *, progress: Callable[[str, str], None], **options: Any) -> Result:
        progress("plan", "conv_first")
        return fake_grade(notebook, lab, **options)

    (entry,) = find(flat(tmp_path, ada="1"), LAB)
    grade_one(entry, Session(LAB, grade=telling), lambda student, doing: said.append((student, doing)))
    assert said == [("ada", "plan conv_first")]


def test_a_line_is_clean_and_says_what_is_open() -> None:
    assert line(Done(result("a\x1b[2Jb"))) == "ab: 91 of 100 points, 9 pending (9.4 s)"
    assert line(Done(result(), kept=True)).endswith("(graded before)")


def test_the_line_of_what_could_not_be_graded_says_why(tmp_path: Path) -> None:
    (entry,) = find(flat(tmp_path, ada="unreadable"), LAB)
    said = line(Done(grade_one(entry, Session(LAB, grade=fake_grade))))
    assert said == "ada: 0 of 100 points (0.0 s): ada.ipynb: not a notebook: line 1 is not JSON"


def test_a_file_too_large_to_be_a_notebook_is_not_hashed(tmp_path: Path) -> None:
    path = tmp_path / "big.ipynb"
    with path.open("wb") as file:
        file.truncate(21 * 2**20)
    assert identity(path) == ""
    assert identity(tmp_path / "none.ipynb") == ""


@pytest.mark.parametrize("recovers", [True, False])
def test_who_met_a_busy_machine_is_graded_again_alone(tmp_path: Path, recovers: bool) -> None:
    running: set[str] = set()
    beside: dict[str, list[int]] = {}

    def grade(notebook: Path, lab: str, *, student: str, **more: Any) -> Result:
        running.add(student)
        beside.setdefault(student, []).append(len(running) - 1)
        try:
            if notebook.read_text() == "unlucky" and (len(beside[student]) == 1 or not recovers):
                raise BusyError("this machine is so busy")
            return fake_grade(notebook, lab, student=student)
        finally:
            running.discard(student)

    entries = find(flat(tmp_path, ada="unlucky", bob="x", cleo="x", dan="x"), LAB)
    done = {one.result.student: one.result for one in grade_all(entries, Session(LAB, jobs=3, grade=grade))}

    assert sorted(done) == ["ada", "bob", "cleo", "dan"]
    assert len(beside["ada"]) == 2
    assert beside["ada"][1] == 0
    withheld = [item for item in done["ada"].items if item.status is Status.WITHHELD]
    assert bool(withheld) != recovers
    assert recovers or withheld[0].reason.startswith("Your points are withheld, not lost: this machine is so busy")


def test_what_this_machine_cannot_read_is_withheld(tmp_path: Path) -> None:
    (entry,) = find(flat(tmp_path, ada="1"), LAB)
    (tmp_path / "ada.ipynb").unlink()
    graded = grade_one(entry, Session(LAB, grade=fake_grade))
    assert {item.status for item in graded.items} == {Status.WITHHELD}
    assert "could not be read" in graded.items[0].reason


def test_what_was_not_handed_in_is_kept_once(tmp_path: Path) -> None:
    (tmp_path / "in" / "ada" / LAB).mkdir(parents=True)
    entries = find(tmp_path / "in", LAB)
    with Store.writing(tmp_path / "results") as store:
        for kept in (False, True):
            (done,) = grade_all(entries, Session(LAB, store, grade=fake_grade))
            assert done.kept is kept
        assert len(store.history(LAB, "ada")) == 1
        flat(tmp_path / "in" / "ada" / LAB, late="1")
        (done,) = grade_all(find(tmp_path / "in", LAB), Session(LAB, store, grade=fake_grade))
        assert done.result.points == 91


def test_each_gpu_is_given_to_as_many_jobs_as_share_it(tmp_path: Path) -> None:
    entries = find(flat(tmp_path, **{f"s{number}": "1" for number in range(8)}), LAB)
    lock, now, most = threading.Lock(), {0: 0, 1: 0}, {0: 0, 1: 0}

    def on_gpu(notebook: Path, lab: str, *, gpu: int, **options: Any) -> Result:
        with lock:
            now[gpu] += 1
            most[gpu] = max(most[gpu], now[gpu])
        threading.Event().wait(0.05)
        with lock:
            now[gpu] -= 1
        return fake_grade(notebook, lab, **options)

    list(grade_all(entries, Session(LAB, jobs=4, gpus=(0, 1), grade=on_gpu)))
    assert most == {0: 2, 1: 2}


def test_a_gpu_settles_what_was_pending_without_one(tmp_path: Path) -> None:
    entries = find(flat(tmp_path, ada="1"), LAB)

    def graded_on(where: str) -> Callable[..., Result]:
        def grade(notebook: Path, lab: str, **options: Any) -> Result:
            options.pop("gpu", None)
            return replace(fake_grade(notebook, lab, **options), device={"where": where})

        return grade

    with Store.writing(tmp_path / "results") as store:
        kept = []
        for gpus, where in (((), "simulator"), ((), "simulator"), ((0,), "gpu"), ((0,), "gpu")):
            (done,) = grade_all(entries, Session(LAB, store, gpus=gpus, grade=graded_on(where)))
            kept.append(done.kept)
    assert kept == [False, True, False, True]
