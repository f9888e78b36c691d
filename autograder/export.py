"""Results -> a CSV for a spreadsheet or a learning management system: one student a row, one task a column.

A cell whose points are not decided is left without a grade: that is a question, a zero would be an answer.
What each system's import asks for, and where that is written down:

- Canvas: `Student, ID, [SIS User ID,] SIS Login ID, Section`, then a column an assignment, and a row whose first
  cell says `Points Possible`; a number in brackets after a title is the assignment it belongs to. Source: Canvas's
  own importer, lib/gradebook_importer.rb of instructure/canvas-lms.
- Moodle: any columns, mapped by hand at the import; `-` is no grade, an empty cell of a new item is not. Source:
  grade/import/csv/classes/load_data.php of moodle/moodle.
- Blackboard: `Username` says who, `|12345` at the end of a heading which column; a column without it is made, as text
  worth 0 points. Source: Blackboard's help, "Work offline with grade data".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.report.clean import one_line
from autograder.report.values import points
from autograder.report.view import tally
from autograder.result import ItemScore, Result
from gpulabs.errors import BadInputError

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that starts so for a formula; an apostrophe before it makes it text."""

SYSTEMS = ("csv", "canvas", "moodle", "blackboard")
_MAX_ROSTER = 20 * 2**20


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


@dataclass(frozen=True)
class _Format:
    """How a system writes its gradebook down."""

    identity: tuple[str, ...]
    """Columns that say who, where there is no roster; the one that holds the student's name comes as `keys[0]`."""
    keys: tuple[str, ...]
    """Columns of a roster in which a student may be found, the likeliest first."""
    undecided: str
    column: str
    """A column's heading in a roster, as a pattern; `{}` is the title."""
    quoting: int = csv.QUOTE_MINIMAL


_FORMATS = {
    "canvas": _Format(
        ("Student", "ID", "SIS Login ID", "Section"),
        ("SIS Login ID", "SIS User ID", "ID", "Student"),
        "",
        r"{} \(\d+\)",
    ),
    "moodle": _Format(
        ("Username",), ("Username", "Email address", "ID number"), "-", r"(?:Assignment:)?{}(?: \(Real\))?"
    ),
    "blackboard": _Format(
        ("Last Name", "First Name", "Username"),
        ("Username", "Student ID"),
        "",
        r"{} \[Total Pts: [^\]]*\](?: Score)? ?\|\d+",
        csv.QUOTE_ALL,
    ),
}


@dataclass(frozen=True)
class _Roster:
    """Who is in the class as the system has it: the identifying columns, a row for each key, all headings."""

    columns: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]
    headings: tuple[str, ...]


def export(results: Sequence[Result], system: str = "csv", roster: Path | None = None, so_far: bool = False) -> Export:
    """Makes one lab's CSV.

    Args:
        results: Of one lab.
        system: One of `SYSTEMS`.
        roster: The system's export of its own gradebook. Students are then written as there, and columns that it
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
    how = _FORMATS[system]
    tasks = _tasks(results)
    known = _read_roster(roster, how, system) if roster else None
    titles = {task: f"{results[0].lab.partition('_')[0]} {task}" for task in tasks}
    headings = [_heading(title, how, known) for title in titles.values()]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=how.quoting)  # type: ignore[arg-type]
    columns = known.columns if known else how.identity
    writer.writerow([*columns, *headings])
    if system == "canvas":
        writer.writerow(_points_possible(columns, results, tasks))
    written, missing, empty = 0, [], {task: 0 for task in tasks}
    for result in results:
        identity = _identity(result.student, how, known)
        if identity is None:
            missing.append(result.student)
            continue
        cells = [_cell([item for item in result.items if item.task == task], so_far) for task in tasks]
        for task, cell in zip(tasks, cells, strict=True):
            empty[task] += cell == ""
        writer.writerow([*identity, *(cell or how.undecided for cell in cells)])
        written += 1
    return Export(out.getvalue(), written, tuple(_remarks(missing, empty, titles, headings, known, system)))


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


def _one_lab(results: Sequence[Result]) -> None:
    labs = sorted({result.lab for result in results})
    if len(labs) != 1:
        found = ", ".join(labs) or "none"
        raise BadInputError(f"a CSV holds one lab's results, found: {found}; choose one with --lab")


def _tasks(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(item.task for result in results for item in result.items))


def _points(items: Sequence[ItemScore]) -> str:
    return "" if not items or tally(items)["withheld"] else points(sum(item.points for item in items))


def _cell(items: Sequence[ItemScore], so_far: bool) -> str:
    return "" if not so_far and tally(items)["pending"] else _points(items)


def _text(value: str) -> str:
    text = one_line(value, 200)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _heading(title: str, how: _Format, known: _Roster | None) -> str:
    pattern = how.column.replace("{}", re.escape(title))
    found = [heading for heading in known.headings if re.fullmatch(pattern, heading)] if known else []
    return found[0] if found else title


def _identity(student: str, how: _Format, known: _Roster | None) -> tuple[str, ...] | None:
    if known:
        return known.rows.get(student.casefold())
    name = _text(student)
    # Canvas asks for a name in its first column; it finds the student by the login.
    shown = {how.keys[0]: name, "Student": name}
    return tuple(shown.get(column, "") for column in how.identity)


def _points_possible(columns: Sequence[str], results: Sequence[Result], tasks: Sequence[str]) -> list[str]:
    most = {
        task: max(sum(i.max_points for i in result.items if i.task == task) for result in results) for task in tasks
    }
    return ["    Points Possible", *[""] * (len(columns) - 1), *(points(most[task]) for task in tasks)]


def _remarks(
    missing: Sequence[str],
    empty: dict[str, int],
    titles: dict[str, str],
    headings: Sequence[str],
    known: _Roster | None,
    system: str,
) -> list[str]:
    said = []
    if missing:
        named = ", ".join(one_line(student, 60) for student in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        said.append(f"not in the roster, so not exported: {named}{more}")
    if open_cells := {task: count for task, count in empty.items() if count}:
        listed = ", ".join(f"{task} {count}" for task, count in open_cells.items())
        said.append(
            f"cells without a grade, because points are pending or withheld: {listed}; grade again where the GPU is, "
            "or give --so-far for what is earned until now"
        )
    new = [heading for heading in headings if heading in titles.values()]
    if system == "blackboard" and new:
        said.append(
            f"Blackboard will make {len(new)} new text columns worth 0 points ({', '.join(new[:3])} ...): make them there "
            "first, download the gradebook, give it as --roster"
        )
    elif known and new:
        said.append(f"not in the roster's headings, so a new column: {', '.join(new)}")
    return said


def _read_roster(path: Path, how: _Format, system: str) -> _Roster:
    try:
        raw = path.read_bytes() if path.stat().st_size <= _MAX_ROSTER else b""
    except OSError as error:
        raise BadInputError(f"{path}: the roster can't be read ({error.strerror})") from error
    text = _decoded(raw)
    first = text.partition("\n")[0]
    separator = max("\t;,", key=first.count)
    table = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(cell.strip() for cell in row)]
    header = [cell.strip() for cell in table[0]] if table else []
    keys = [name for name in how.keys if name in header]
    if not keys:
        raise BadInputError(
            f"{path}: not a gradebook that {system} exported: no column {' or '.join(how.keys)} in its first line"
        )
    columns = _identifying(header, keys, system)
    rows: dict[str, tuple[str, ...]] = {}
    for row in table[1:]:
        cells = dict(zip(header, row, strict=False))
        if "Points Possible" in row[0]:
            continue
        shown = tuple(cells.get(column, "").strip() for column in columns)
        for name in (cells.get(key, "").strip() for key in keys):
            for key in {name, name.partition("@")[0]} - {""}:
                rows.setdefault(key.casefold(), shown)
    return _Roster(columns, rows, tuple(header))


def _identifying(header: Sequence[str], keys: Sequence[str], system: str) -> tuple[str, ...]:
    if system == "canvas":  # its import counts columns: all up to Section, as they come
        if "Section" not in header:
            raise BadInputError(
                "the roster has no column Section: Canvas can't read it back; export it from Canvas anew"
            )
        return tuple(header[: header.index("Section") + 1])
    if system == "moodle":
        return (keys[0],)
    return tuple(name for name in ("Last Name", "First Name", "Username", "Student ID") if name in header)


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):  # Blackboard's download
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
