"""The `autograder` command from its arguments to its exit code; grading itself is made up."""

import csv
import json
import os
import re
import subprocess
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer

import autograder
from autograder.classroom import identity
from autograder.cli import app
from autograder.result import Result, Status
from autograder.store import Store
from gpulabs.exit_codes import ExitCode
from gpulabs.terminal import run_cli
from tests.autograder.samples import LAB, result
from tests.autograder.test_classroom import fake_grade, flat


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    """Puts made-up members in the place of a module of autograder."""
    module = types.ModuleType(f"autograder.{name}")
    module.__dict__.update(members)
    monkeypatch.setitem(sys.modules, f"autograder.{name}", module)
    monkeypatch.setattr(autograder, name, module, raising=False)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Grading by `fake_grade` behind strong isolation."""
    stand_in(monkeypatch, "path", grade=fake_grade)
    tier = types.SimpleNamespace(name="strong", description="made up")
    stand_in(monkeypatch, "isolation", tier=lambda: tier, choose=lambda name: tier)
    return monkeypatch


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        run_cli(app, "autograder", [str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.usefixtures("made_up")
def test_grade_report_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat(tmp_path, ada="1", bob="unreadable")
    results = tmp_path / "results"
    assert run("grade", "lab1", "--submissions", tmp_path, "--out", results) == ExitCode.OK
    shown = capsys.readouterr()
    assert "ada: 91 of 100 points, 9 pending" in shown.out
    assert "bob: 0 of 100 points" in shown.out
    assert "✗ 0/20" in shown.out
    assert shown.err == ""

    page = tmp_path / "class.html"
    assert run("report", results, "--out", page) == ExitCode.OK
    assert "line 1 is not JSON" in page.read_text("utf-8")
    table = tmp_path / "grades.csv"
    assert run("export", results, "--out", table) == ExitCode.OK
    assert [row["total"] for row in csv.DictReader(table.read_text("utf-8").splitlines())] == ["91", "0"]
    capsys.readouterr()
    assert run("scores", results, "--student", "ada") == ExitCode.OK
    assert "✓ conv_first  20 of 20" in capsys.readouterr().out


@pytest.mark.usefixtures("made_up")
def test_dashboard_and_the_platforms_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat(tmp_path, ada="1", bob="unreadable")
    results, class_, table = tmp_path / "results", tmp_path / "class", tmp_path / "grades.csv"
    run("grade", "lab1", "--submissions", tmp_path, "--out", results)
    assert run("dashboard", results, "--out", class_) == ExitCode.OK
    assert "not readable" in (class_ / "index.html").read_text("utf-8")
    assert sorted(path.name for path in (class_ / "students").glob("*.html")) == ["ada.html", "bob.html"]
    capsys.readouterr()
    assert run("export", results, "--to", "canvas", "--out", table) == ExitCode.OK
    assert "pending or withheld have no grade" in " ".join(capsys.readouterr().err.split())
    assert run("export", results, "--to", "canvas", "--so-far", "--out", table, "--json") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["students"] == 2
    (ada,) = (row for row in csv.DictReader(table.read_text("utf-8").splitlines()) if row["Student"] == "ada")
    assert (ada["SIS Login ID"], ada["lab1 conv_first"]) == ("ada", "20")
    assert run("dashboard", results, "--out", class_, "--json") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["page"].endswith("index.html")


@pytest.mark.usefixtures("made_up")
def test_grade_goes_on_and_regrades_on_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat(tmp_path, ada="1")
    command = ("grade", "lab1", "--submissions", tmp_path, "--out", tmp_path / "results")
    run(*command)
    run(*command)
    assert "(graded before)" in capsys.readouterr().out
    run(*command, "--regrade")
    assert "(graded before)" not in capsys.readouterr().out
    assert len(Store(tmp_path / "results").history(LAB, "ada")) == 2


@pytest.mark.usefixtures("made_up")
def test_json_is_one_document_with_a_schema_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat(tmp_path, ada="1", bob="bug")
    code = run("grade", "lab1", "--submissions", tmp_path, "--out", tmp_path / "results", "--json")
    document = json.loads(capsys.readouterr().out)
    assert code == ExitCode.GRADER_FAILED
    assert document["schema_version"] == 1
    assert [graded["student"] for graded in document["results"]] == ["ada", "bob"]
    assert document["results"][1]["items"][0]["status"] == "withheld"


@pytest.mark.usefixtures("made_up")
def test_a_lower_grading_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("grade", "lab1", "--submissions", flat(tmp_path, ada="1"), "--out", tmp_path / "results")
    run(*command)
    flat(tmp_path, ada="unreadable")
    run(*command)
    assert "ada: 0 points replace 91 points" in capsys.readouterr().err


def test_a_lower_regrade_counts_only_if_accepted(
    tmp_path: Path, made_up: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("grade", "lab1", "--submissions", flat(tmp_path, ada="1"), "--out", tmp_path / "results")
    run(*command)

    def lower(notebook: Path, lab: str, *, student: str, **_: Any) -> Result:
        return result(student, statuses={"conv_first": Status.LOST}, sha256=identity(notebook))

    stand_in(made_up, "path", grade=lower)
    run(*command, "--regrade")
    assert "the result is flagged for a person" in " ".join(capsys.readouterr().err.split())
    assert Store(tmp_path / "results").standing(LAB, "ada").points == 91
    run(*command, "--regrade", "--accept-lower")
    assert Store(tmp_path / "results").standing(LAB, "ada").points == 71


@pytest.mark.usefixtures("made_up")
def test_an_archive_is_graded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr("doejane_LATE_12_34_lab1.ipynb", "1")
        archive.writestr("roe_56_78_lab1.docx", "1")
    assert run("grade", "lab1", "--submissions", tmp_path / "class.zip", "--out", tmp_path / "results") == ExitCode.OK
    shown = capsys.readouterr()
    assert "doejane_12: 91 of 100 points" in shown.out
    assert "roe_56: 0 of 100 points (0.0 s): no notebook was handed in, but lab1.docx" in shown.out
    assert shown.err == "note: doejane_12: handed in late, says Canvas\n"


@pytest.mark.usefixtures("made_up")
def test_ctrl_c_keeps_what_is_finished_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat(tmp_path, ada="1", bob="stop", cleo="2")
    code = run("grade", "lab1", "--submissions", tmp_path, "--out", tmp_path / "results", "--jobs", 1)
    assert code == ExitCode.INTERRUPTED
    assert "1 of 3 are graded and kept" in capsys.readouterr().err
    assert [r.student for r in Store(tmp_path / "results").newest_of_all()] == ["ada"]


def test_untrusted_code_is_refused_without_isolation(
    tmp_path: Path, made_up: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tier = types.SimpleNamespace(name="none", description="neither bubblewrap nor Landlock")
    stand_in(made_up, "isolation", tier=lambda: tier, choose=lambda name: tier)
    command = ("grade", "lab1", "--submissions", flat(tmp_path, ada="1"), "--out", tmp_path / "results")
    assert run(*command) == ExitCode.MISSING
    assert "neither bubblewrap nor Landlock" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
    assert run(*command, "--allow-untrusted") == ExitCode.OK


def test_a_tier_can_be_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from autograder.isolation import probe

    stand_in(monkeypatch, "path", grade=fake_grade)
    monkeypatch.setenv(probe.VARIABLE, "auto")  # so that it is put back
    monkeypatch.setattr(
        probe, "find", lambda name: probe.Found(probe.Tier("none", "") if name == "none" else None, "no")
    )
    command = ("grade", "lab1", "--submissions", flat(tmp_path, ada="1"), "--out", tmp_path / "results", "--isolation")
    assert run(*command, "strong") == ExitCode.MISSING
    assert "isolation strong is not possible here: no; install bubblewrap" in capsys.readouterr().err
    assert run(*command, "none") == ExitCode.MISSING
    assert "isolation none was asked for" in capsys.readouterr().err
    assert run(*command, "stronger") == ExitCode.BAD_INPUT
    assert not (tmp_path / "results").exists()
    assert run(*command, "none", "--allow-untrusted") == ExitCode.OK
    assert os.environ[probe.VARIABLE] == "none"


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("grade", "lab1", "--submissions", "none"), ExitCode.BAD_INPUT, "none: no such folder"),
        (("grade", "lab77", "--submissions", "."), ExitCode.BAD_INPUT, "lab77"),
        (("report", "none"), ExitCode.BAD_INPUT, "none: no such folder"),
        (("export", "."), ExitCode.BAD_INPUT, "holds no results"),
        (("build", "lab77"), ExitCode.BAD_INPUT, "no source of lab77"),
        (("demo",), ExitCode.BAD_INPUT, "needs a checkout"),
        (("grade",), ExitCode.USAGE, "LAB"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...], code: ExitCode, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_demo_grades_three_and_writes_one_page(
    tmp_path: Path, made_up: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def grade(notebook: Path, lab: str, *, student: str, **options: Any) -> Result:
        assert json.loads(notebook.read_text("utf-8"))["cells"]
        return fake_grade(notebook, lab, student=student, **options)

    stand_in(made_up, "path", grade=grade)
    (tmp_path / "labs" / LAB).mkdir(parents=True)
    (tmp_path / "solutions" / LAB).mkdir(parents=True)
    source = "# task: conv_strided\nraise NotImplementedError"
    cells = [{"cell_type": "code", "source": source, "metadata": {}}]
    (tmp_path / "labs" / LAB / f"{LAB}.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "solutions" / LAB / f"{LAB}.py").write_text(f"# %%\n{source}\n")
    for kind, name in (("correct", "right"), ("wrong", "wrong_halo"), ("wrong", "untouched_stub")):
        (tmp_path / "tests" / "submissions" / kind / LAB).mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / "submissions" / kind / LAB / f"{name}.py").write_text("# %% task: conv_strided\npass\n")
    made_up.setenv("COLUMNS", "120")  # a narrow terminal shortens names
    out = tmp_path / "demo-report"
    assert run("demo", "--repository", tmp_path, "--out", out) == ExitCode.OK
    shown = capsys.readouterr().out
    assert [name for name in shown.split() if name in ("right", "wrong_halo", "stub")] == [
        "right",
        "wrong_halo",
        "stub",
    ]
    assert str(out / "report.html") in shown
    assert (out / "report.html").read_text("utf-8").count("<article") == 3


def test_the_instructor_guide_names_real_commands_and_options() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "instructor-guide.md").read_text("utf-8")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    calls = re.findall(r"^autograder (\w+)(.*?)(?:  #.*)?$", guide, re.MULTILINE)
    assert {name for name, _ in calls} == set(commands)
    for name, rest in calls:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[\w-]+", rest)) <= known, name


def test_help_is_fast_and_every_command_has_it() -> None:
    code = (
        "import sys; sys.argv = ['autograder', '--help']\n"
        "from autograder.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'tensorflow', 'numba', 'jinja2', 'nbformat', 'jupytext', 'autograder.classroom'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(command.callback and command.callback.__doc__ for command in app.registered_commands)
