"""A learning platform's own gradebook as CSV: how it names columns and students, and which row is whose.

What each platform writes and reads, and where that is written down:

- Canvas: `Student, ID, [SIS User ID,] SIS Login ID, Section`, then a column an assignment, and a row whose first cell
  says `Points Possible`; a number in brackets after a title is the assignment it belongs to. A student is found by ID,
  SIS user, login, then name. An empty cell clears what was there. Source: Canvas's own importer,
  lib/gradebook_importer.rb of instructure/canvas-lms.
- Moodle: any columns, mapped by hand at the import; `-` is no grade. One student that it doesn't know stops the whole
  import. Source: grade/import/csv/classes/load_data.php of moodle/moodle.
- Blackboard: `Username` says who, `|12345` at the end of a heading which column; a column without it is made, as text
  worth 0 points. Source: Blackboard's help, "Work offline with grade data".
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpulabs.errors import BadInputError

_MAX_BYTES = 20 * 2**20
_MOST_COLUMNS = 5_000
_NUMBERED = re.compile(r"(?P<name>.+)_(?P<number>\d+)")
"""How `autograder.handed_in` calls a student of a Canvas or a Moodle archive: the number is the platform's."""


@dataclass(frozen=True)
class Platform:
    """How a platform writes its gradebook down.

    Attributes:
        identity: Columns that say who, where there is no roster.
        keys: Columns in which a student may be found, the likeliest first.
        names: Columns that hold names; two students may share one.
        number: The column that holds the number of `name_12345`, or that its own archive's name means.
        undecided: What a cell without a grade holds.
        heading: A task's column in a roster, as a pattern; `{}` is its title.
        quoting: Of the `csv` module.
    """

    identity: tuple[str, ...]
    keys: tuple[str, ...]
    names: tuple[str, ...]
    number: str
    undecided: str
    heading: str
    quoting: int = csv.QUOTE_MINIMAL


PLATFORMS = {
    "canvas": Platform(
        identity=("Student", "ID", "SIS Login ID", "Section"),
        keys=("SIS Login ID", "SIS User ID", "ID"),
        names=("Student",),
        number="ID",
        undecided="",
        heading=r"{} \(\d+\)",
    ),
    "moodle": Platform(
        identity=("Username",),
        keys=("Username", "Email address", "ID number"),
        names=("Full name",),
        number="Identifier",
        undecided="-",
        heading=r"(?:Assignment:)?{}(?: \(Real\))?",
    ),
    "blackboard": Platform(
        identity=("Last Name", "First Name", "Username"),
        keys=("Username", "Student ID"),
        names=(),
        number="",
        undecided="",
        heading=r"{} \[Total Pts: [^\]]*\](?: Score)? ?\|\d+",
        quoting=csv.QUOTE_ALL,
    ),
}


@dataclass(frozen=True)
class Roster:
    """Who is in the class, as the platform has it.

    Attributes:
        platform: How it is written.
        columns: Headings that a row must start with to be found again.
        headings: All headings, in order.
        rows: A student a row: heading -> cell.
    """

    platform: Platform
    columns: tuple[str, ...]
    headings: tuple[str, ...]
    rows: tuple[dict[str, str], ...]

    def find(self, student: str) -> list[int]:
        """Returns the rows that may be this student's: one if it is clear, none, or several that nobody can tell apart.

        A login, an address or a number counts before a name, and what is exact before a part of an address.
        """
        for column, wanted, part in self._ways(student):
            found = [at for at, row in enumerate(self.rows) if wanted and _key(row.get(column, ""), part) == wanted]
            if found:
                return found
        return []

    def identity(self, at: int) -> list[str]:
        """Returns the cells that say who; as the platform wrote them, or it would not find the student again."""
        return [self.rows[at].get(column, "") for column in self.columns]

    def heading(self, title: str) -> str:
        """Returns the column of a task as the roster has it, or an empty text."""
        pattern = self.platform.heading.replace("{}", re.escape(title))
        return next((heading for heading in self.headings if re.fullmatch(pattern, heading)), "")

    def grade(self, at: int, heading: str) -> str:
        """Returns what a cell holds, if that is a grade; platforms also write words there, such as `Needs Grading`."""
        cell = self.rows[at].get(heading, "")
        return cell if _GRADE.fullmatch(cell) else ""

    def _ways(self, student: str) -> Iterator[tuple[str, str, bool]]:
        whole, numbered = _key(student), _NUMBERED.fullmatch(student)
        yield from ((column, whole, False) for column in self.platform.keys)
        if numbered and self.platform.number:
            yield self.platform.number, numbered["number"], False
        yield from ((column, whole, True) for column in self.platform.keys)
        for name in (whole, _key(numbered["name"]) if numbered else ""):
            yield from ((column, name, False) for column in (*self.platform.names, _FULL_NAME))


_GRADE = re.compile(r"[\d.,]+|EX")
"""A number as any language writes it, or excused."""

_FULL_NAME = "First name + Last name"
"""Moodle and Blackboard keep the parts of a name in two columns; rows get both together under this."""


def canvas_number(student: str) -> tuple[str, str]:
    """Returns name and number of a student from an archive of Canvas; both empty for another name.

    Example:
        >>> canvas_number("doejane_12345"), canvas_number("ada")
        (('doejane', '12345'), ('', ''))
    """
    found = _NUMBERED.fullmatch(student)
    return (found["name"], found["number"]) if found else ("", "")


def read_roster(path: Path, system: str) -> Roster:
    """Reads what a platform exports of its own gradebook; of Moodle, also an assignment's grading worksheet.

    Args:
        path: CSV or tab-separated text; UTF-8, UTF-16 or Windows' code page.
        system: A key of `PLATFORMS`.

    Raises:
        BadInputError: It can't be read or is none.
    """
    how = PLATFORMS[system]
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadInputError(f"{path}: larger than {_MAX_BYTES // 2**20} MiB: no gradebook is")
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise BadInputError(f"{path}: the roster can't be read ({error.strerror})") from error
    first = text.partition("\n")[0]
    try:
        table = list(csv.reader(io.StringIO(text), delimiter=max("\t;,", key=first.count)))
    except csv.Error as error:
        raise BadInputError(f"{path}: not CSV ({error}); export the gradebook anew") from error
    header = [cell.strip() for cell in table[0][:_MOST_COLUMNS]] if table else []
    keys = [name for name in how.keys if name in header]
    if not keys:
        raise BadInputError(
            f"{path}: not a gradebook that {system} exported: no column {' or '.join(how.keys)} in its first line"
        )
    rows = [
        _with_full_name({name: cell.strip() for name, cell in zip(header, row, strict=False)})
        for row in table[1:]
        if any(cell.strip() for cell in row) and "Points Possible" not in row[0]
    ]
    columns = _identifying(header, keys, system)
    # Canvas puts rows of words below its header ("Manual Posting"); whom an import can't find by a key is no use.
    real = [row for row in rows if any(row.get(key) for key in keys if key in columns)]
    return Roster(how, columns, tuple(header), tuple(real))


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


def _with_full_name(row: dict[str, str]) -> dict[str, str]:
    first, last = (row.get(f"{which} name") or row.get(f"{which} Name", "") for which in ("First", "Last"))
    return {**row, _FULL_NAME: f"{first} {last}"} if first and last else row


def _key(cell: str, part: bool = False) -> str:
    """A cell as it is compared: case and composed letters aside; in part, what stands before the @ of an address."""
    text = unicodedata.normalize("NFC", cell).casefold().removeprefix("participant ").strip()
    return text.partition("@")[0] if part else text


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):  # Blackboard's download
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
