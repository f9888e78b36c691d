"""Results -> a CSV for a spreadsheet or a learning platform: one student a row, one task a column.

A cell whose points are not decided gets no grade: that is a question, a zero would be an answer. Where a roster is
given and holds a grade for it, that one is written back, so that an import changes only what was decided.
What the platforms read is in `autograder.gradebook`.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.gradebook import PLATFORMS, Platform, Roster, canvas_number, read_roster
from autograder.report.clean import one_line
from autograder.report.values import points
from autograder.report.view import tally
from autograder.result import ItemScore, Result
from gpulabs.errors import BadInputError

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A spreadsheet takes a cell that starts so for a formula (in some languages the wide forms, too); an apostrophe before
it makes it text."""

SYSTEMS = ("csv", *PLATFORMS)


@dataclass(frozen=True)
class Export:
    """A CSV.

    Attributes:
        text: All of it.
        students: How many are in it.
        remarks: What an instructor should know: cells without a grade, students that the roster lacks.
    """

    text: str
    students: int
    remarks: tuple[str, ...] = ()


def export(results: Sequence[Result], system: str = "csv", roster: Path | None = None, so_far: bool = False) -> Export:
    """Makes one lab's CSV.

    Args:
        results: Of one lab.
        system: One of `SYSTEMS`.
        roster: The platform's export of its own gradebook. Students are then written as there, and columns that it
            has get the headings it has, which is how it finds them again.
        so_far: Export earned points where some are still pending. Withheld ones never are.

    Raises:
        BadInputError: No such system, results of several labs or none, or a roster that is none.
    """
    if system not in SYSTEMS:
        raise BadInputError(f"--to {system}: no such system; known are {', '.join(SYSTEMS)}")
    if system == "csv":
        if roster:
            raise BadInputError("a roster goes with --to canvas, moodle or blackboard")
        return Export(csv_text(results), len(results))
    _one_lab(results)
    how, tasks = PLATFORMS[system], _tasks(results)
    known = read_roster(roster, system) if roster else None
    titles = {task: f"{results[0].lab.partition('_')[0]} {task}" for task in tasks}
    there = {task: known.heading(title) if known else "" for task, title in titles.items()}
    rows, remarks = _rows_of(results, known) if known else _rows(results, how, system)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=how.quoting)  # type: ignore[arg-type]
    columns = known.columns if known else how.identity
    writer.writerow([*columns, *(there[task] or title for task, title in titles.items())])
    if system == "canvas":
        most = {task: max(_of(result, task)[1] for result in results) for task in tasks}
        writer.writerow(["    Points Possible", *[""] * (len(columns) - 1), *(points(most[task]) for task in tasks)])
    empty: Counter[str] = Counter()
    for result, identity, at in rows:
        cells = []
        for task in tasks:
            cell = _cell([item for item in result.items if item.task == task], so_far)
            empty[task] += cell == ""
            before = known.grade(at, there[task]) if known else ""
            cells.append(cell or before or how.undecided)
        writer.writerow([*identity, *cells])
    new = [title for task, title in titles.items() if not there[task]]
    remarks += _remarks(+empty, new, known is not None, system)
    return Export(out.getvalue(), len(rows), tuple(remarks))


def csv_text(results: Sequence[Result]) -> str:
    """Returns the CSV of one lab's results for a spreadsheet.

    Points that are withheld leave their task and the total empty: an empty cell is a question, a zero
    would be an answer. Pending points are counted beside, in their own column.

    Raises:
        BadInputError: The results are of several labs, or there are none.
    """
    _one_lab(results)
    tasks = _tasks(results)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["student", *tasks, "total", "max", "pending", "withheld", "sha256", "graded_at"])
    for result in results:
        sums = tally(result.items)
        cells = [_points([item for item in result.items if item.task == task]) for task in tasks]
        extra = [points(result.max_points), points(sums["pending"]), points(sums["withheld"])]
        row = [_text(result.student), *cells, _points(result.items), *extra, result.sha256, result.started_at]
        writer.writerow(row)
    return out.getvalue()


_Rows = list[tuple[Result, list[str], int]]
"""Whose result, the cells that say who, the roster's row."""


def _rows_of(results: Sequence[Result], known: Roster) -> tuple[_Rows, list[str]]:
    """The results whose row in the roster is clear; of the others, who."""
    found = {result.student: known.find(result.student) for result in results}
    claimed = Counter(at[0] for at in found.values() if len(at) == 1)
    rows: _Rows = []
    missing, unclear, twice = [], [], []
    for result in results:
        at = found[result.student]
        if not at:
            missing.append(result.student)
        elif len(at) > 1:
            unclear.append(result.student)
        elif claimed[at[0]] > 1:
            twice.append(result.student)
        else:
            rows.append((result, known.identity(at[0]), at[0]))
    said = [
        _named("not in the roster, so not exported", missing),
        _named("fits several in the roster, so not exported", unclear),
        _named("several results fit one student of the roster, so none of them is exported", twice),
    ]
    return rows, [sentence for sentence in said if sentence]


def _rows(results: Sequence[Result], how: Platform, system: str) -> tuple[_Rows, list[str]]:
    """All results, by the names they have."""
    rows: _Rows = []
    numbered = []
    for result in results:
        who = dict.fromkeys(how.identity, "")
        name, number = canvas_number(result.student)
        if system == "canvas":
            # Canvas asks for a name in its first column; it finds the student by the number or the login.
            who.update({"Student": _text(name or result.student), **({"ID": number} if number else {})})
            who.update({} if number else {"SIS Login ID": _text(result.student)})
        else:
            who["Username"] = _text(result.student)
        if number:
            numbered.append(result.student)
        rows.append((result, list(who.values()), -1))
    said = ""
    if numbered and system == "canvas":
        said = _named("the number at the end is taken for Canvas's own of the student", numbered)
    elif numbered:
        said = _named(f"no user name that {system} knows: give its gradebook as --roster", numbered)
    return rows, [said] if said else []


def _one_lab(results: Sequence[Result]) -> None:
    labs = sorted({result.lab for result in results})
    if len(labs) != 1:
        found = ", ".join(labs) or "none"
        raise BadInputError(f"a CSV holds one lab's results, found: {found}; choose one with --lab")


def _tasks(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(item.task for result in results for item in result.items))


def _of(result: Result, task: str) -> tuple[float, float]:
    """Points and most points of a task."""
    items = [item for item in result.items if item.task == task]
    return sum(item.points for item in items), sum(item.max_points for item in items)


def _points(items: Sequence[ItemScore]) -> str:
    return "" if not items or tally(items)["withheld"] else points(sum(item.points for item in items))


def _cell(items: Sequence[ItemScore], so_far: bool) -> str:
    return "" if not so_far and tally(items)["pending"] else _points(items)


def _text(value: str) -> str:
    text = one_line(value, 200)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _named(what: str, students: Sequence[str]) -> str:
    if not students:
        return ""
    more = f" and {len(students) - 5} more" if len(students) > 5 else ""
    return f"{what}: {', '.join(one_line(student, 60) for student in students[:5])}{more}"


def _remarks(empty: Counter[str], new: Sequence[str], with_roster: bool, system: str) -> list[str]:
    said = []
    if empty:
        listed = ", ".join(f"{task} {count}" for task, count in empty.items())
        kept = "keep what the roster has" if with_roster else "have no grade, and an import may clear what is there"
        said.append(
            f"cells whose points are pending or withheld {kept}: {listed}; grade again where the GPU is, "
            "or give --so-far for what is earned until now"
        )
    if system == "blackboard" and new:
        said.append(
            f"Blackboard will make {len(new)} new text columns worth 0 points ({', '.join(new[:3])} ...): make them "
            "there first, download the gradebook, give it as --roster"
        )
    elif with_roster and new:
        said.append(f"not in the roster's headings, so a new column: {', '.join(new)}")
    return said
