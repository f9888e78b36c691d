"""Text of a submission can't move the cursor, change direction or flood the page."""

import pytest

from autograder.report.clean import clean, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, übertragen 数", "plain, übertragen 数"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;new title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x9b2Jgone", "gone"),
        ("over\rwrite\x08\x00", "over<U+000D>write<U+0008><U+0000>"),
        ("user \u202enimda\u202c", "user <U+202E>nimda<U+202C>"),
        ("zero\u200bwidth \ufeff", "zero<U+200B>width <U+FEFF>"),
        ("\ud800", "<U+D800>"),
    ],
)
def test_controls_are_shown_or_dropped(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_floods_are_cut_and_counted() -> None:
    shown = clean("a" * 1_000_000, limit=100)
    assert shown == "a" * 100 + " [... 999,900 more characters]"


def test_a_flood_of_controls_is_cut_too() -> None:
    assert len(clean("\u202e" * 1_000_000, limit=100)) < 300


def test_one_line_has_no_breaks() -> None:
    assert one_line(" a\n\n b\t c ") == "a b c"
