"""Bad hand-ins, a failing machine and a signal in the middle, through the commands themselves: nothing is lost."""

import contextlib
import csv
import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from autograder import path as path_module
from autograder.classroom import Entry, Session, grade_one
from autograder.cli import app
from autograder.examples import example_notebook, task_cells
from autograder.result import Status
from autograder.store import Store
from gpulabs.errors import GraderError
from gpulabs.exit_codes import ExitCode
from gpulabs.terminal import run_cli
from tests.autograder.samples import LAB

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / "labs" / LAB / f"{LAB}.ipynb"
EXAMPLES = ROOT / "tests" / "submissions"


def example(kind, name):
    """A notebook's text, of an example submission."""
    solution = task_cells((ROOT / "solutions" / LAB / f"{LAB}.py").read_text("utf-8"))
    released = json.loads(RELEASED.read_text("utf-8"))
    return json.dumps(example_notebook(EXAMPLES / kind / LAB / f"{name}.py", released, solution))


def start(folder, *arguments, path=None, **more):
    """Starts a command in a process group of its own; its temporary files go to `folder/tmp`."""
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "TMPDIR": str(folder / "tmp"),
        "CUDA_VISIBLE_DEVICES": "",
        "PATH": os.environ["PATH"] if path is None else path,
    }
    command = [sys.executable, "-m", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    before = more.pop("preexec_fn", lambda: None)

    def prepare():
        # A shell starts its background jobs with Ctrl-C ignored, and a test run may be one.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        before()

    return subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, preexec_fn=prepare, **pipes, **more
    )


def run(folder, *arguments, **more):
    """Runs a command to its end; exit code, standard output, standard error."""
    process = start(folder, *arguments, **more)
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


@pytest.mark.slow
def test_a_class_of_bad_notebooks_does_not_harm_a_right_one(tmp_path):
    other_lab = RELEASED.read_text("utf-8").replace(LAB, "lab2_fast_conv")
    no_tasks = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    hand_ins = {
        "ada": (f"{LAB}.ipynb", example("correct", "right")),
        "binary": (f"{LAB}.ipynb", "PK\3\4\xff"),
        "empty": (f"{LAB}.ipynb", ""),
        "huge": (f"{LAB}.ipynb", " " * (20 * 2**20 + 1)),
        "other-lab": (f"{LAB}.ipynb", other_lab),
        "python": (f"{LAB}.ipynb", "print('not JSON')"),
        "renamed": ("lab1 (1) final.ipynb", RELEASED.read_text("utf-8")),
        "stripped": (f"{LAB}.ipynb", no_tasks),
    }
    says = {
        "binary": "not text",
        "empty": "the file is empty",
        "folder": "not a regular file",
        "huge": "20 MiB that are read",
        "nothing": "no notebook was handed in",
        "other-lab": "a notebook of 'lab2_fast_conv'",
        "python": "line 1 is not JSON",
        "renamed": "not written yet",
        "stripped": "holds no task cell",
        "two": "several notebooks",
    }
    for student, (name, text) in hand_ins.items():
        file = tmp_path / "submitted" / student / LAB / name
        file.parent.mkdir(parents=True)
        file.write_bytes(text.encode("latin-1" if student == "binary" else "utf-8"))
    (tmp_path / "submitted" / "folder" / LAB / f"{LAB}.ipynb").mkdir(parents=True)
    (tmp_path / "submitted" / "nothing" / LAB).mkdir(parents=True)
    (tmp_path / "submitted" / "two" / LAB).mkdir(parents=True)
    for name in ("a.ipynb", "b.ipynb"):
        (tmp_path / "submitted" / "two" / LAB / name).write_text("{}")

    code, out, err = run(
        tmp_path, "autograder.cli", "grade", "lab1", "--submissions", "submitted", "--out", "kept", "--allow-untrusted"
    )

    assert (code, err) == (ExitCode.OK, "")
    results = {result.student: result for result in Store(tmp_path / "kept").newest_of_all(LAB)}
    assert sorted(results) == sorted(["ada", *says])
    assert {item.status for item in results["ada"].items} == {Status.EARNED, Status.PENDING}
    for student, sentence in says.items():
        items = results[student].items
        assert {item.status for item in items} <= {Status.LOST, Status.PENDING}, student
        assert results[student].points == 0
        assert any(sentence in item.reason for item in items), (student, items[0].reason)
        assert all(item.reason and "\n" not in item.reason for item in items), student
        (line,) = [line for line in out.splitlines() if line.startswith(f"{student}: 0 of 100 points")]
        assert student == "renamed" or sentence in line
    assert "ada: " in out
    assert list((tmp_path / "tmp").iterdir()) == []

    assert run(tmp_path, "autograder.cli", "report", "kept", "--out", "class.html")[0] == ExitCode.OK
    assert (tmp_path / "class.html").read_text("utf-8").count("<article") == len(says) + 1
    assert run(tmp_path, "autograder.cli", "export", "kept", "--out", "class.csv")[0] == ExitCode.OK
    rows = {row["student"]: float(row["total"]) for row in csv.DictReader((tmp_path / "class.csv").open())}
    assert rows == {student: result.points for student, result in results.items()}


def alive(processes):
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def words_of(process):
    """A command line; empty once the process is gone, as the probe of the isolation tiers soon is."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def interrupted(process, number, group):
    """Sends a signal once student code and the oracle run; returns exit code, output, errors, what lives on."""
    me, deadline = psutil.Process(process.pid), time.monotonic() + 60
    while time.monotonic() < deadline:
        children = me.children(recursive=True)
        words = [words_of(child) for child in children]
        if any("autograder.worker" in each for each in words) and any("autograder.oracle" in each for each in words):
            break
        time.sleep(0.05)
    else:
        pytest.fail("no worker, or no oracle, was started")
    time.sleep(1.0)
    children = {*children, *me.children(recursive=True)}
    (os.killpg if group else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=30)
    _, left = psutil.wait_procs(children, timeout=5)
    return process.returncode, out, err, alive(left)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False)], ids=["ctrl-c", "term"])
@pytest.mark.parametrize("command", ["check", "grade"])
def test_a_signal_in_the_middle_keeps_what_is_finished_and_leaves_nothing_running(tmp_path, command, number, group):
    hand_ins = tmp_path / "submitted"
    hand_ins.mkdir()
    (hand_ins / "ada.ipynb").write_text("not JSON")
    (hand_ins / "bob.ipynb").write_text(example("wrong", "endless_host"))
    path = "nowhere" if number == signal.SIGTERM else None  # no bubblewrap there, so another isolation tier
    if command == "check":
        process = start(tmp_path, "gpulabs", "check", "lab1", "--notebook", "submitted/bob.ipynb", path=path)
    else:
        arguments = ("--submissions", "submitted", "--out", "kept", "--allow-untrusted", "--jobs", "1")
        process = start(tmp_path, "autograder.cli", "grade", "lab1", *arguments, path=path)

    code, out, err, left = interrupted(process, number, group)

    assert code == ExitCode.INTERRUPTED
    assert err.count("\n") == 1, err
    assert left == []
    assert list((tmp_path / "tmp").iterdir()) == []
    if command == "grade":
        assert "1 of 2 are graded and kept in kept: run the same command to go on" in err
        assert [result.student for result in Store(tmp_path / "kept").newest_of_all(LAB)] == ["ada"]
        assert out.startswith("ada: 0 of 100 points")
    else:
        assert "nothing was damaged, run the command again" in err
        assert out == ""


def test_a_full_disk_loses_no_earlier_result_and_no_report(tmp_path):
    """A limit on the size of files stands for the full disk: only root can make a small file system."""

    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

    (tmp_path / "submitted").mkdir()
    (tmp_path / "submitted" / "ada.ipynb").write_text("not JSON")
    grade = ("autograder.cli", "grade", "lab1", "--submissions", "submitted", "--out", "kept", "--allow-untrusted")
    assert run(tmp_path, *grade)[0] == ExitCode.OK
    before = (tmp_path / "kept" / LAB / "ada.json").read_bytes()
    (tmp_path / "submitted" / "bob.ipynb").write_text("not JSON")

    code, out, err = run(tmp_path, *grade, preexec_fn=full)
    assert code == ExitCode.GRADER_FAILED
    assert err.count("\n") == 1
    assert "bob.json: the disk is full; earlier results are intact: free some space and run it again" in err
    assert "ada: 0 of 100 points" in out
    assert [file.name for file in (tmp_path / "kept" / LAB).iterdir()] == ["ada.json"]
    assert (tmp_path / "kept" / LAB / "ada.json").read_bytes() == before

    code, _, err = run(tmp_path, "autograder.cli", "report", "kept", "--out", "page/class.html", preexec_fn=full)
    assert (code, err.count("\n")) == (ExitCode.GRADER_FAILED, 1)
    assert "class.html: the disk is full" in err
    assert list((tmp_path / "page").iterdir()) == []


FAILURES = [
    (OSError(errno.ENOSPC, "No space left on device"), "the disk is full (temporary files lie in"),
    (OSError(errno.EMFILE, "Too many open files"), "the system refused: Too many open files"),
    (MemoryError(), "this machine ran out of memory"),
    (ZeroDivisionError("division\nby zero"), "internal error, ZeroDivisionError: division by zero"),
    (RecursionError("too deep"), "internal error, RecursionError"),
]


@pytest.fixture
def failing(monkeypatch):
    """Lets `numpy.save` fail in the middle of a grading."""
    monkeypatch.delenv("GPULABS_TRACEBACK", raising=False)
    monkeypatch.setattr(path_module, "_start_oracle", lambda *_: None)

    def let(error):
        def save(*_):
            raise error

        monkeypatch.setattr(np, "save", save)

    return let


@pytest.mark.parametrize(("error", "sentence"), FAILURES, ids=lambda value: type(value).__name__)
def test_whatever_fails_in_the_grader_withholds_points(failing, error, sentence):
    failing(error)

    with pytest.raises(GraderError) as raised:
        path_module.grade(RELEASED, LAB, device="simulator")
    graded = grade_one(Entry("ada", RELEASED), Session(LAB, options={"device": "simulator"}))

    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)
    assert {item.status for item in graded.items} == {Status.WITHHELD}
    assert sentence in graded.items[0].reason


def test_a_failure_before_the_stages_withholds_points_too(monkeypatch):
    def broken():
        raise OSError("the driver is broken")

    monkeypatch.delenv("GPULABS_TRACEBACK", raising=False)
    monkeypatch.setattr(path_module.devices, "has_gpu", broken)
    with pytest.raises(GraderError, match="the system refused: the driver is broken"):
        path_module.grade(RELEASED, LAB)


def test_every_entry_calls_it_withheld(failing, tmp_path, capsys, monkeypatch):
    from gpulabs import notebook
    from gpulabs.cli import app as gpulabs_app

    failing(OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("autograder.classroom.require_isolation", lambda *_: None)
    (tmp_path / "submitted").mkdir()
    (tmp_path / "submitted" / "ada.ipynb").write_bytes(RELEASED.read_bytes())
    commands = [
        (gpulabs_app, ["check", "lab1", "--notebook", str(RELEASED)]),
        (app, ["grade", "lab1", "--submissions", str(tmp_path / "submitted"), "--out", str(tmp_path / "kept")]),
    ]
    for command, arguments in commands:
        with pytest.raises(SystemExit) as ended:
            run_cli(command, "it", arguments)
        shown = capsys.readouterr()
        assert ended.value.code == ExitCode.GRADER_FAILED
        assert "the disk is full" in shown.out + shown.err
        assert "Traceback" not in shown.out + shown.err
    assert Store(tmp_path / "kept").newest(LAB, "ada").points_with(Status.WITHHELD) == 100

    assert notebook.check("conv_first", lab="lab1", notebook=RELEASED) == 0.0
    said = capsys.readouterr().out
    assert said.startswith("The grader failed, not you; no points are lost by this. It said: the disk is full")
