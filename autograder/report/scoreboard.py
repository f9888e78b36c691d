"""Results in a terminal: a table of students by tasks, and one line a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autograder.report.board import CellView, boards
from autograder.report.clean import one_line
from autograder.report.values import points
from autograder.report.view import overall, place, summary
from autograder.result import ItemScore, Result, Status

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

MARKS = {"earned": "✓", "partly": "◐", "lost": "✗", "pending": "…", "withheld": "!"}
"""A shape for each status, so that none is told by colour alone."""
ASCII_MARKS = {"earned": "+", "partly": "~", "lost": "x", "pending": "?", "withheld": "!"}
_COLOURS = {"earned": "green", "partly": "blue", "lost": "red", "pending": "yellow", "withheld": "magenta"}
_REASON = 400
"""Longest reason in a verdict line; the report has the whole of it."""


def tables(results: Sequence[Result], unicode: bool = True) -> list[Table]:
    """Returns one table for each lab among the results.

    Args:
        results: Graded submissions.
        unicode: Whether the terminal can show the marks; plain letters otherwise.
    """
    from rich.box import ASCII, SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    marks = MARKS if unicode else ASCII_MARKS
    made = []
    for board in boards(results, [result.lab for result in results]):
        legend = "  ".join(f"{mark} {status}" for status, mark in marks.items())
        table = Table(
            title=Text(one_line(board.title)),
            caption=Text(legend),
            box=SIMPLE_HEAD if unicode else ASCII,
            title_justify="left",
            caption_justify="left",
            pad_edge=False,
        )
        table.add_column("student", overflow="fold")
        for task in board.tasks:
            table.add_column(Text(task.replace("_", "_\n", 1)), justify="right")  # five tasks fit 80 columns
        table.add_column(f"of {board.max_points}", justify="right")
        for row in board.rows:
            total = Text(row.points, style="bold")
            if row.open:
                total.append(f"\n+{row.open}", style="dim")
            table.add_row(Text(row.student), *(_cell(cell, marks) for cell in row.cells), total)
        made.append(table)
    return made


def verdict_lines(result: Result, unicode: bool = True) -> list[str]:
    """Returns the verdicts as plain lines: a task, its items, where the reason points, what to do next.

    Args:
        result: A graded submission; its texts are cleaned.
        unicode: Whether the reader's terminal can show the marks.

    Example:
        ✗ conv_first  16 of 20
            ✗ exact on integers: lost 4. y[0, 3, 1, 0] is 7, expected 9 (cell conv_first, line 12)
              next: Which output does this thread own?
    """
    marks = MARKS if unicode else ASCII_MARKS
    lines = []
    for task in dict.fromkeys(item.task for item in result.items):
        items = [item for item in result.items if item.task == task]
        got, most = points(sum(i.points for i in items)), points(sum(i.max_points for i in items))
        lines.append(f"{marks[overall(items)]} {one_line(task, 80)}  {got} of {most}")
        hints: list[str] = []
        for item in items:
            lines.append(f"    {marks[item.status.value]} {_verdict(item)}")
            hint = one_line(item.hint, _REASON)
            if hint and hint not in hints:
                hints.append(hint)
                lines.append(f"      next: {hint}")
    lines.append(f"{points(result.points)} of {points(result.max_points)} points: {summary(result.items)}")
    return lines


def _verdict(item: ItemScore) -> str:
    where = f" ({place(item)})" if place(item) else ""
    worth = points(item.points if item.status is Status.EARNED else item.max_points)
    return f"{one_line(item.title, 200)}: {item.status.value} {worth}. {one_line(item.reason, _REASON)}{where}"


def _cell(cell: CellView, marks: dict[str, str]) -> Text:
    from rich.text import Text

    text = Text(f"{marks[cell.status]} ", style=_COLOURS[cell.status])
    text.append(f"{cell.points}/{cell.max_points}", style="default")
    return text
