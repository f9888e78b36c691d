"""Hints come one at a time, and a damaged state file only means starting over."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from gpulabs.errors import BadInputError
from gpulabs.hints import STATE_FILE, next_hint


@pytest.fixture(autouse=True)
def rubric(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rubric of two tasks in place of the lab's."""
    module = ModuleType("autograder.rubric")
    tasks = (SimpleNamespace(id="a", hints=("one", "two")), SimpleNamespace(id="b", hints=()))
    module.load = lambda lab: SimpleNamespace(id="lab9_tiny", tasks=tasks)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "autograder.rubric", module)


def test_hints_come_in_order_and_say_how_many_remain(tmp_path: Path) -> None:
    first, second = (next_hint("lab9", "a", tmp_path) for _ in range(2))
    assert first == "Hint 1 of 2 for a: one\n1 more when you ask again."
    assert second == "Hint 2 of 2 for a: two\nThat was the last one."


def test_after_the_last_hint_all_are_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        next_hint("lab9", "a", tmp_path)
    again = next_hint("lab9", "a", tmp_path)
    assert "all 2 hints" in again
    assert "1. one" in again
    assert "2. two" in again


def test_state_is_kept_by_lab_and_task(tmp_path: Path) -> None:
    next_hint("lab9", "a", tmp_path)
    assert (tmp_path / STATE_FILE).read_text(encoding="utf-8") == '{\n  "lab9_tiny/a": 1\n}\n'


@pytest.mark.parametrize("damage", ["", "[1]", "{", '{"lab9_tiny/a": "x"}', '{"lab9_tiny/a": -3}'])
def test_damaged_state_starts_over(tmp_path: Path, damage: str) -> None:
    path = tmp_path / STATE_FILE
    path.parent.mkdir()
    path.write_text(damage, encoding="utf-8")
    assert next_hint("lab9", "a", tmp_path).startswith("Hint 1")


def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / STATE_FILE.parent).write_text("a file in the way", encoding="utf-8")
    assert "can't be written" in next_hint("lab9", "a", tmp_path)


def test_unknown_task_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="its tasks: a, b"):
        next_hint("lab9", "c", tmp_path)


def test_a_task_without_hints_says_so(tmp_path: Path) -> None:
    assert "no hints" in next_hint("lab9", "b", tmp_path)
