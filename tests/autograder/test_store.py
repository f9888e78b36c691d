"""The results folder keeps what it was given, whatever happens to the disk or beside it."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.result import Status
from autograder.store import Store, read, to_json, write_atomically
from gpulabs.errors import BadInputError, DataError, GpulabsError
from tests.autograder.samples import LAB, result

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
LOST = {"conv_first": Status.LOST}


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    given = result(statuses={"roofline": Status.WITHHELD})
    with Store.writing(tmp_path) as store:
        assert store.add(given) == ""
    assert Store(tmp_path).newest(LAB, "ada") == given


def test_nan_and_infinity_are_kept_as_words_in_strict_json(tmp_path: Path) -> None:
    odd = replace(
        result(), items=(replace(result().items[0], evidence={"worst": float("nan"), "all": [float("inf")]}),)
    )
    with Store.writing(tmp_path) as store:
        store.add(odd)
    newest = Store(tmp_path).newest(LAB, "ada")
    assert newest is not None
    assert newest.items[0].evidence == {"worst": "nan", "all": ["inf"]}
    assert json.dumps(to_json(odd), allow_nan=False)


def test_a_lower_grading_of_a_new_file_counts_and_is_said(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.add(result())
        said = store.add(result(statuses=LOST, sha256="cd" * 32))
        history = store.history(LAB, "ada")
        standing = store.standing(LAB, "ada")
    assert "71 points replace 91 points" in said
    assert [graded.points for graded in history] == [91, 71]
    assert standing == history[1]
    assert history[0].figures == ()
    assert history[1].figures


def test_a_lower_grading_of_the_same_file_is_kept_and_flagged(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.add(result())
        said = store.add(result(statuses=LOST))
        assert "the same file gets 71 points; 91 points" in said
        (standing,) = store.newest_of_all(LAB)
        assert (standing.points, standing.figures) == (91, result().figures)
        assert "For a person to look at: the same file was graded again" in standing.notes[-1]
        assert [graded.points for graded in store.history(LAB, "ada")] == [91, 71]
        assert store.done(LAB, "ada", "ab" * 32) == standing
        store.add(result())
        assert store.standing(LAB, "ada").notes == result().notes  # as good again: nothing is left to look at


def test_a_person_may_let_a_lower_grading_count(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.add(result())
        store.add(result(statuses=LOST))
        said = store.add(result(statuses=LOST), accept_lower=True)
        assert "71 points replace 91 points" in said
        assert store.standing(LAB, "ada") == result(statuses=LOST)


def test_a_withheld_grading_never_replaces_a_whole_one(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.add(result(statuses={"conv_first": Status.WITHHELD}))
        store.add(result(statuses=LOST))
        assert store.standing(LAB, "ada").points == 71
        store.add(result(statuses={"roofline": Status.WITHHELD}))
        assert store.standing(LAB, "ada") == result(statuses=LOST)  # and without a flag: nothing was lost


def test_a_file_of_an_older_writer_has_its_newest_grading_stand(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.add(result())
        store.add(result(statuses=LOST))
        path = store.path(LAB, "ada")
        data = json.loads(path.read_text())
        assert data.pop("stands") == 0
        path.write_text(json.dumps(data))
        assert store.standing(LAB, "ada").points == 71
        path.write_text(json.dumps(data | {"stands": 2}))
        with pytest.raises(DataError, match="no grading 2"):
            store.standing(LAB, "ada")


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.add(result())
    (tmp_path / LAB / ".half.tmp").write_text("{")
    with Store.writing(tmp_path):
        assert [path.name for path in (tmp_path / LAB).iterdir()] == ["ada.json"]


def test_a_higher_or_withheld_regrade_is_not_called_lower(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.add(result(statuses=LOST))
        assert store.add(result()) == ""
        assert store.add(result(statuses={"conv_first": Status.WITHHELD})) == ""


def test_done_wants_the_same_file_and_nothing_withheld(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        assert store.done(LAB, "ada", "ab" * 32) is None
        store.add(result())
        assert store.done(LAB, "ada", "ab" * 32) == result()
        assert store.done(LAB, "ada", "cd" * 32) is None
        store.add(result(statuses={"conv_first": Status.WITHHELD}))
        assert store.done(LAB, "ada", "ab" * 32) is None


def test_newest_of_all_is_sorted_and_of_one_lab(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        for student in ("linus", "ada"):
            store.add(result(student))
        store.add(replace(result("ada"), lab="lab2_fast_conv"))
    assert [r.student for r in Store(tmp_path).newest_of_all(LAB)] == ["ada", "linus"]
    assert len(Store(tmp_path).newest_of_all()) == 3


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", "a\0b", ".hidden", "x" * 300])
def test_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError, match="can't name a result"):
        Store(tmp_path).path(LAB, name)


def test_only_one_process_writes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from autograder.store import Store\n"
        "with Store.writing(Path(sys.argv[1])): print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with (
            pytest.raises(BadInputError, match=rf"another autograder \(process {other.pid}\)"),
            Store.writing(tmp_path),
        ):
            pass
        other.communicate("")
    with Store.writing(tmp_path) as store:
        store.add(result())


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_earlier_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Store.writing(tmp_path) as store:
        store.add(result())
        target = os if failing == "fsync" else Path
        monkeypatch.setattr(target, failing, full)
        with pytest.raises(GpulabsError, match="the disk is full; earlier results are intact"):
            store.add(result(statuses=LOST))
        monkeypatch.undo()
        assert store.newest(LAB, "ada") == result()
    assert [path.name for path in (tmp_path / LAB).iterdir()] == ["ada.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema_version": 99, "gradings": [1]}', '{"schema_version": 1}'])
def test_a_damaged_file_is_said_and_stays(tmp_path: Path, content: str) -> None:
    path = tmp_path / LAB / "ada.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(DataError, match=r"ada\.json"):
        read(path)
    with Store.writing(tmp_path) as store, pytest.raises(DataError):
        store.add(result())
    assert path.read_text() == content


def test_a_forged_field_is_said(tmp_path: Path) -> None:
    data = to_json(result())
    data["items"][0]["points"] = "12"
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"schema_version": 1, "gradings": [data]}))
    with pytest.raises(DataError, match="points"):
        read(path)


def test_write_atomically_says_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(GpulabsError, match="can't be written"):
        write_atomically(tmp_path / "file" / "report.html", b"")
