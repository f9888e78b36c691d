"""Rows of the scoreboard, for the page and for the terminal: one student a row, one task a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autograder.report.clean import one_line
from autograder.report.values import points
from autograder.report.view import overall, tally
from autograder.result import ItemScore, Result


@dataclass(frozen=True)
class CellView:
    """One task of one student; `open` names points that are neither earned nor lost."""

    task: str
    status: str
    points: str
    max_points: str
    open: str


@dataclass(frozen=True)
class RowView:
    """One student."""

    anchor: str
    student: str
    cells: list[CellView]
    points: str
    max_points: str
    open: str


@dataclass(frozen=True)
class Board:
    """One lab's scoreboard."""

    title: str
    tasks: list[str]
    rows: list[RowView]
    mean: str
    max_points: str
    remark: str


def boards(results: Sequence[Result], titles: Sequence[str]) -> list[Board]:
    """Returns one board for each lab among the results, in the order given.

    Args:
        results: Graded submissions.
        titles: Each one's lab title.
    """
    labs: dict[str, list[int]] = {}
    for index, result in enumerate(results):
        labs.setdefault(result.lab, []).append(index)
    return [_board(results, indices, titles[indices[0]]) for indices in labs.values()]


def _board(results: Sequence[Result], indices: list[int], title: str) -> Board:
    chosen = [results[index] for index in indices]
    tasks = list(dict.fromkeys(item.task for result in chosen for item in result.items))
    unsettled = sum(bool(_open(result.items)) for result in chosen)
    return Board(
        title=title,
        tasks=[one_line(task, 40) for task in tasks],
        rows=[_row(results[index], tasks, f"s{index + 1}") for index in indices],
        mean=points(sum(result.points for result in chosen) / len(chosen)),
        max_points=points(max(result.max_points for result in chosen)),
        remark=f"; {unsettled} with points still open" if unsettled else "",
    )


def _row(result: Result, tasks: list[str], anchor: str) -> RowView:
    return RowView(
        anchor=anchor,
        student=one_line(result.student, 120) or "your submission",
        cells=[_cell(task, [item for item in result.items if item.task == task]) for task in tasks],
        points=points(result.points),
        max_points=points(result.max_points),
        open=_open(result.items),
    )


def _cell(task: str, items: list[ItemScore]) -> CellView:
    return CellView(
        task=one_line(task, 40),
        status=overall(items) if items else "withheld",
        points=points(sum(item.points for item in items)),
        max_points=points(sum(item.max_points for item in items)),
        open=_open(items),
    )


def _open(items: Sequence[ItemScore]) -> str:
    sums = tally(items)
    return ", ".join(f"{points(sums[name])} {name}" for name in ("pending", "withheld") if sums[name])
