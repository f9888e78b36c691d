"""start, check, hint and submit; grading itself is faked: the path has tests of its own."""

import json
import sys
import types
import zipfile
from pathlib import Path

import pytest

from autograder.result import ItemScore, Result, Status
from gpulabs import hints, labs
from gpulabs.errors import GraderError
from gpulabs.exit_codes import ExitCode

NAME = "lab1_conv_kernel.ipynb"


@pytest.fixture
def started(gpulabs):
    assert gpulabs("start", "lab1").code == ExitCode.OK
    return Path(NAME)


def item(status, points=0.0, task="conv_first", **more):
    return ItemScore(task, "exact", "exact on integers", points, 12.0, status, "3 of 9 differ", **more)


@pytest.fixture
def graded(monkeypatch):
    """Puts a fake in place of the grader; returns the calls it got."""
    calls = []

    def set_up(*items, error=None):
        def grade(notebook, lab, *, student="", tasks=None, seed=None, device="auto", progress=None, pictures=True):
            calls.append({"notebook": notebook, "lab": lab, "tasks": tasks, "device": device})
            progress("plan", "conv_first")
            if error:
                raise error
            device_header = {"gpu": None, "cpu": "a CPU", "packages": {"numpy": "2.4"}}
            return Result(
                lab, student, str(notebook), "0" * 64, items, device=device_header, notes=("in the simulator",)
            )

        monkeypatch.setitem(sys.modules, "autograder.path", types.SimpleNamespace(grade=grade))
        return calls

    return set_up


def test_start_copies_the_release_and_says_the_next_step(gpulabs, tmp_path):
    run = gpulabs("start", "lab1", "course/week 1")
    copy = tmp_path / "course" / "week 1" / NAME
    assert copy.read_bytes() == labs.notebook(labs.find("lab1")).read_bytes()
    assert "next: open it in Jupyter" in run.out
    assert "check lab1 --notebook" in run.out


def test_start_never_overwrites(gpulabs, started):
    started.write_text("my work")
    run = gpulabs("start", "lab1")
    assert run.code == ExitCode.BAD_INPUT
    assert "never overwrites your work" in run.err
    assert run.err.count("\n") == 1
    assert started.read_text() == "my work"


def test_check_prints_header_items_verdict_and_next_step(gpulabs, started, graded):
    calls = graded(item(Status.EARNED, 12.0), item(Status.LOST, task="conv_strided", hint="look at the halo"))
    run = gpulabs("check", "lab1")
    assert run.code == ExitCode.FAILED
    assert calls == [{"notebook": started, "lab": "lab1_conv_kernel", "tasks": None, "device": "auto"}]
    lines = run.out.splitlines()
    assert [line.split(maxsplit=1) for line in lines[:2]] == [["cpu", "a CPU"], ["packages", "numpy 2.4"]]
    assert any("12 / 12" in line and "earned" in line for line in lines)
    assert any("0 / 12" in line and "lost" in line for line in lines)
    where = lines.index("conv_strided, exact on integers: lost")
    assert lines[where + 1] == "  3 of 9 differ"
    assert "note: in the simulator" in lines
    assert lines[-3:] == [
        "lab1_conv_kernel: 12 of 24 points",
        "hint: look at the halo",
        "next: gpulabs hint lab1 conv_strided",
    ]
    assert run.err == ""


def test_pending_points_are_nothing_to_complain_about(gpulabs, started, graded):
    graded(item(Status.EARNED, 12.0), item(Status.PENDING))
    run = gpulabs("check", "lab1", "--device", "simulator")
    assert run.code == ExitCode.OK
    assert run.out.splitlines()[-1] == "next: gpulabs submit lab1"


def test_check_passes_task_and_device_on(gpulabs, started, graded):
    calls = graded(item(Status.EARNED, 12.0))
    gpulabs("check", "lab1", "--device", "simulator", "--task", "conv_first")
    assert (calls[0]["tasks"], calls[0]["device"]) == (("conv_first",), "simulator")


def test_check_as_json(gpulabs, started, graded):
    graded(item(Status.EARNED, 12.0), item(Status.LOST))
    run = gpulabs("check", "lab1", "--json")
    assert run.code == ExitCode.FAILED
    assert run.json["schema_version"] == 1
    assert (run.json["points"], run.json["max_points"]) == (12.0, 24.0)
    assert [entry["status"] for entry in run.json["items"]] == ["earned", "lost"]


def test_check_writes_a_report(gpulabs, started, graded):
    graded(item(Status.EARNED, 12.0))
    run = gpulabs("check", "lab1", "--report", "lab1.html")
    assert "report: lab1.html" in run.out
    assert "<html" in Path("lab1.html").read_text()


def test_a_failing_grader_costs_no_points(gpulabs, started, graded):
    graded(error=GraderError("the oracle died; run it again"))
    run = gpulabs("check", "lab1")
    assert (run.code, run.out, run.err) == (ExitCode.GRADER_FAILED, "", "gpulabs: the oracle died; run it again\n")


def test_ctrl_c_during_a_check(gpulabs, started, graded):
    graded(error=KeyboardInterrupt())
    run = gpulabs("check", "lab1")
    assert run.code == ExitCode.INTERRUPTED
    assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("check", "lab1"), ExitCode.BAD_INPUT, "begin with gpulabs start lab1"),
        (("check", "lab1", "--notebook", "mine.ipynb"), ExitCode.BAD_INPUT, "mine.ipynb: there is no such file"),
        (("submit", "lab1"), ExitCode.BAD_INPUT, "begin with gpulabs start lab1"),
        (("check", "lab3"), ExitCode.MISSING, "planned"),
        (("hint", "lab1"), ExitCode.BAD_INPUT, "gpulabs hint lab1 TASK, where TASK is one of conv_first"),
        (("hint", "lab1", "conv_firts"), ExitCode.BAD_INPUT, "its tasks are conv_first"),
        (("check", "lab1", "--device", "tpu"), ExitCode.USAGE, "--device"),
    ],
)
def test_what_can_be_wrong_with_a_command(gpulabs, arguments, code, says):
    run = gpulabs(*arguments)
    assert run.code == code
    assert says in run.err
    assert run.err.count("\n") == 1
    assert run.out == ""


def test_an_unknown_task_names_the_known_ones(gpulabs, started):
    run = gpulabs("check", "lab1", "--task", "conv_firts")
    assert run.code == ExitCode.BAD_INPUT
    assert "its tasks are conv_first, conv_strided" in run.err


def test_one_task_without_a_flaw_leads_to_all_tasks(gpulabs, started, graded):
    graded(item(Status.EARNED, 12.0))
    out = gpulabs("check", "lab1", "--task", "conv_first").out
    assert "lab1_conv_kernel, conv_first: 12 of 12 points" in out
    assert out.endswith("next: gpulabs check lab1 grades all tasks\n")


def test_hint(gpulabs, monkeypatch):
    monkeypatch.setattr(hints, "next_hint", lambda lab, task: f"{lab} {task}: which output does this thread own?")
    assert gpulabs("hint", "lab1", "conv_first").out.startswith("lab1_conv_kernel conv_first: which output")
    assert gpulabs("hint", "lab1", "conv_first", "--json").json["task"] == "conv_first"


def test_submit_packs_the_notebook_under_its_own_name(gpulabs, started):
    started.rename("my copy.ipynb")
    run = gpulabs("submit", "lab1", "--notebook", "my copy.ipynb", "--name", "Ann Lee/../x")
    assert run.code == ExitCode.OK
    archive = Path("lab1_conv_kernel_Ann-Lee-..-x.zip")
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == [NAME]
        assert opened.read(NAME) == Path("my copy.ipynb").read_bytes()
    assert run.out.splitlines()[0] == str(archive)
    assert "conv_first" in run.out


def test_the_same_notebook_packs_to_the_same_bytes(gpulabs, started):
    gpulabs("submit", "lab1", "--name", "ann", "--to", "a")
    gpulabs("submit", "lab1", "--name", "ann", "--to", "b")
    first, second = (next(Path(folder).iterdir()).read_bytes() for folder in "ab")
    assert first == second


def test_submitting_again_replaces_the_archive(gpulabs, started):
    assert not gpulabs("submit", "lab1", "--name", "ann", "--json").json["replaced"]
    assert gpulabs("submit", "lab1", "--name", "ann", "--json").json["replaced"]


@pytest.mark.parametrize("content", ["", "not json", json.dumps({"cells": []})])
def test_what_the_grader_can_not_read_is_not_packed(gpulabs, started, content):
    started.write_text(content)
    run = gpulabs("submit", "lab1", "--name", "ann")
    assert run.code == ExitCode.BAD_INPUT
    assert NAME in run.err
    assert list(Path().glob("*.zip*")) == []


def test_a_name_without_a_letter(gpulabs, started):
    assert "has no letter or digit" in gpulabs("submit", "lab1", "--name", "../..").err
