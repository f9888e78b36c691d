"""The page of similar submissions: each pair's code side by side, shared lines marked, for a person to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autograder.report.clean import clean, one_line
from autograder.report.render import page
from autograder.similarity import Document, Pair

MAX_PAIRS = 60
"""Pairs of students shown; nobody reads more, and the page must open on any machine. The count of all is said."""
MAX_LINES = 400


@dataclass(frozen=True)
class LineView:
    """A line of code: its number, its text, whether the other one has it too."""

    number: int
    text: str
    shared: bool


@dataclass(frozen=True)
class TaskView:
    """One task of a pair; `percent` is of the smaller one's structure."""

    task: str
    percent: int
    pieces: int
    sides: tuple[list[LineView], list[LineView]]
    identical: bool


@dataclass(frozen=True)
class PairView:
    """Two students, and the tasks in which their code is alike."""

    names: tuple[str, str]
    tasks: list[TaskView]


def similar_html(pairs: Sequence[Pair], title: str, submissions: int) -> str:
    """Returns the page.

    Args:
        pairs: The closest first.
        title: The lab's title.
        submissions: How many were compared.
    """
    students: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        students.setdefault((pair.left.owner, pair.right.owner), []).append(pair)
    # Alike in everything comes before alike in one task.
    chosen = sorted(students.items(), key=lambda entry: -sum(pair.share for pair in entry[1]))
    return page(
        "similar.html.jinja",
        ("report.css", "similar.css"),
        title=one_line(title, 200),
        pairs=[_view(*entry) for entry in chosen[:MAX_PAIRS]],
        found=len(students),
        submissions=submissions,
        most=MAX_PAIRS,
    )


def _view(owners: tuple[str, str], pairs: Sequence[Pair]) -> PairView:
    left, right = (one_line(owner, 120) for owner in owners)
    return PairView((left, right), [_task(pair) for pair in pairs])


def _task(pair: Pair) -> TaskView:
    return TaskView(
        task=one_line(pair.left.task, 80),
        percent=round(100 * pair.share),
        pieces=pair.shared,
        sides=(_lines(pair.left, pair.left_lines), _lines(pair.right, pair.right_lines)),
        identical=pair.left.source == pair.right.source,
    )


def _lines(one: Document, shared: frozenset[int]) -> list[LineView]:
    lines = one.source.splitlines()[:MAX_LINES]
    return [LineView(number, clean(text, 300), number in shared) for number, text in enumerate(lines, start=1)]
