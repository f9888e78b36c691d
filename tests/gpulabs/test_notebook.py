"""check() grades what was run last, prints to stdout only and returns a built-in float."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import IPython
import pytest

from autograder.result import ItemScore, Result, Status
from gpulabs import notebook
from gpulabs.errors import BadInputError, GraderError

EXACT = ItemScore("a", "exact", "exact on integers", 12, 12, Status.EARNED, "all 5 cases equal")
LOST = ItemScore("a", "photo", "a photograph", 0, 4, Status.LOST, "3 of 9 differ", "check the halo", cell="a", line=7)
SPEED = ItemScore("a", "speed", "faster", 0, 6, Status.PENDING, "needs a GPU")


class Grader:
    """Stands in for autograder.path and .submission; remembers what it was asked."""

    def __init__(self) -> None:
        self.items: tuple[ItemScore, ...] = (EXACT, LOST)
        self.error: Exception | None = None
        self.graded: Any = None

    def grade(self, submission: Any, lab: str, *, tasks: tuple[str, ...], device: str, pictures: bool) -> Result:
        """Returns the items set by the test; talks on stderr, as TensorFlow would."""
        self.graded = submission
        print("noise", file=sys.stderr)
        if self.error:
            raise self.error
        return Result("lab9_tiny", "", "notebook session", "", self.items)


@pytest.fixture
def grader(monkeypatch: pytest.MonkeyPatch) -> Grader:
    """Puts the stand-in where check() imports from, and a session in place of setup()."""
    stand_in = Grader()
    for name, members in {
        "path": {"grade": stand_in.grade},
        "submission": {"from_cells": lambda lab, cells: (lab, dict(cells))},
        "rubric": {"load": lambda lab: SimpleNamespace(id="lab9_tiny")},
    }.items():
        module = ModuleType(f"autograder.{name}")
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, f"autograder.{name}", module)
    monkeypatch.setattr(notebook, "_sessions", [notebook.Session("lab9", "")])
    return stand_in


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """IPython's `In`."""
    cells = ["", "# task: a\nold", "print(1)", "# task: ab\nother", "# task: a\nnew", 'check("a")']
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(user_ns={"In": cells}))
    return cells


def test_check_grades_the_cell_as_last_run(grader: Grader, history: list[str]) -> None:
    assert notebook.check("a") == 12.0
    lab, cells = grader.graded
    assert lab == "lab9_tiny"
    # With the other cells, for what it takes from them; in the order of their last run.
    assert list(cells) == ["In [0]", "In [2]", "ab", "a", "In [5]"]
    assert cells["a"] == "# task: a\nnew"


def test_check_returns_a_built_in_float_and_keeps_stderr_clean(
    grader: Grader, history: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    points = notebook.check("a")
    out, err = capfd.readouterr()
    assert type(points) is float
    assert err == ""
    assert "12 of 16 points" in out


def test_check_without_the_cell_says_what_to_run(
    grader: Grader, history: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert notebook.check("b") == 0.0
    assert '"# task: b" has been run yet' in capsys.readouterr().out
    assert grader.graded is None


def test_check_takes_a_saved_notebook(grader: Grader) -> None:
    notebook.check("a", notebook="saved.ipynb")
    assert grader.graded == Path("saved.ipynb")


@pytest.mark.parametrize(
    ("error", "said"), [(BadInputError("no such task"), "no such task"), (GraderError("x"), "not you")]
)
def test_errors_on_purpose_are_said_and_give_zero(
    grader: Grader, history: list[str], capsys: pytest.CaptureFixture[str], error: Exception, said: str
) -> None:
    grader.error = error
    assert notebook.check("a") == 0.0
    assert said in capsys.readouterr().out


def test_check_before_setup_says_so(
    grader: Grader, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notebook, "_sessions", [])
    assert notebook.check("a") == 0.0
    assert "set-up cell" in capsys.readouterr().out


def test_verdict_names_reason_place_and_hint() -> None:
    text = notebook.verdict("a", [EXACT, LOST])
    assert "3 of 9 differ (cell a, line 7)" in text
    assert "Hint: check the halo" in text
    assert max(map(len, text.splitlines())) <= notebook.WIDTH


def test_verdict_names_the_call_that_gives_hints_and_a_place_once() -> None:
    told = dataclasses.replace(LOST, reason="outside (cell a, line 7): x", hint="`gpulabs hint lab1 a` shows more.")
    text = notebook.verdict("a", [told])
    assert 'Hint: hint("a") shows more.' in text
    assert text.count("line 7") == 1


def test_verdict_says_the_same_reason_once() -> None:
    text = notebook.verdict("a", [LOST, dataclasses.replace(LOST, item="close"), EXACT])
    assert text.count("3 of 9 differ") == 1
    assert text.count("As above.") == 1


def test_verdict_tells_pending_from_lost() -> None:
    text = notebook.verdict("a", [EXACT, SPEED])
    assert "Nothing lost; 6 points wait for a GPU" in text
    assert "All points" in notebook.verdict("a", [EXACT])


def test_setup_switches_to_the_simulator_before_numba_is_imported() -> None:
    code = "from gpulabs.notebook import setup; s = setup('lab1')"
    code += "; from numba import config; print(s, config.ENABLE_CUDASIM)"
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"}
    run = subprocess.run(
        [sys.executable, "-c", code], env={**environment, "CUDA_VISIBLE_DEVICES": "-1"}, capture_output=True, text=True
    )
    assert "gpu='') 1" in run.stdout, run.stderr
    assert run.stderr == ""


def test_session_picks_sizes_by_device() -> None:
    assert notebook.Session("lab1", "").size(gpu=9, simulator=1) == 1
    assert notebook.Session("lab1", "NVIDIA H100").size(gpu=9, simulator=1) == 9
