"""The terminal's scoreboard: who got what, with shapes and words, and no markup from a submission."""

import io

from rich.console import Console

from autograder.report.scoreboard import tables, verdict_lines
from autograder.result import Result, Status
from tests.autograder.samples import result


def shown(results: list[Result], unicode: bool = True, width: int = 120) -> str:
    out = io.StringIO()
    for table in tables(results, unicode):
        Console(file=out, width=width, color_system=None).print(table)
    return out.getvalue()


def test_a_row_a_student_a_column_a_task() -> None:
    text = shown([result(), result("grace", {"conv_strided": Status.LOST})])
    row = next(line for line in text.splitlines() if "grace" in line)
    assert row.split() == ["grace", "✓", "20/20", "✗", "0/25", "✓", "15/15", "…", "16/25", "✓", "15/15", "66"]
    assert "+9 pending" in text


def test_plain_letters_where_the_terminal_has_no_unicode() -> None:
    text = shown([result(statuses={"conv_first": Status.WITHHELD})], unicode=False)
    assert text.isascii()
    assert "! 0/20" in text


def test_names_are_no_markup_and_no_escapes() -> None:
    text = shown([result("[red]x[/red]\x1b[31m\u202e")])
    assert "[red]x[/red]<U+202E>" in text
    assert "\x1b" not in text


def test_verdict_lines_say_why_where_and_what_next() -> None:
    text = "\n".join(verdict_lines(result(statuses={"conv_strided.same": Status.LOST})))
    assert "◐ conv_strided  16 of 25" in text
    assert "✗ padding 'same', exact: lost 9. 12 of 96 outputs differ" in text
    assert "(cell conv_strided, line 12)" in text
    assert "      next: A tap outside the image counts as zero" in text
    assert text.splitlines()[-1].startswith("82 of 100 points: 82 earned, 9 lost, 9 pending.")


def test_verdict_lines_are_bounded_and_single() -> None:
    lines = verdict_lines(result("x", {"roofline.roof": Status.LOST}))
    assert all("\n" not in line and len(line) < 1200 for line in lines)
