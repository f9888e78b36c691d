"""What the platforms' own imports make of a CSV, after their sources: see `autograder.gradebook` for which."""

from __future__ import annotations

import csv
import io
import re

Grades = dict[str, dict[str, str]]
"""Student -> column -> grade; a column without a grade is not there."""


def canvas(text: str, course: dict[str, str], logins: dict[str, str]) -> tuple[Grades, dict[str, str]]:
    """Reads as Canvas does.

    Args:
        text: The CSV.
        course: Canvas' numbers of the students -> their names.
        logins: Login -> number.

    Returns:
        Grades by number (a name where Canvas would ask who that is), and each column's points.
    """
    header, *rows = csv.reader(io.StringIO(text))
    assert len(header) > 3, "Invalid header row"
    assert "Student" in header[0], "Invalid header row"
    assert "ID" in header[1], "Invalid header row"
    login, first = None, 3
    if re.search(r"SIS\s+Login\s+ID", header[2]):
        login, first = 2, 4
    elif re.search(r"SIS\s+User\s+ID", header[2]) and re.search(r"SIS\s+Login\s+ID", header[3]):
        login, first = 3, 6 if re.search(r"Integration\s+ID", header[4]) else 5
    assert "Section" in header[first - 1], "Invalid header row"
    worth: dict[str, str] = {}
    grades: Grades = {}
    for row in rows:
        if "Points Possible" in row[0]:
            worth = dict(zip(header[first:], row[first:], strict=True))
            continue
        who = row[1] if row[1] in course else logins.get(row[login], "") if login else ""
        who = who or next((number for number, name in course.items() if name == row[0]), row[0])
        assert who not in grades, f"{who} comes twice: the later row would win"
        cells = zip(header[first:], row[first:], strict=True)
        grades[who] = {name: cell.strip() for name, cell in cells if cell.strip()}
    return grades, worth


def moodle(text: str, users: set[str], key: str) -> Grades:
    """Reads as Moodle does, with `key` mapped to the user and all other columns to grade items."""
    header, *rows = csv.reader(io.StringIO(text))
    grades: Grades = {}
    for row in rows:
        cells = dict(zip(map(str.strip, header), row, strict=True))
        who = cells.pop(key)
        assert who in users, f"user mapping error, the whole import stops: {who}"
        assert "" not in cells.values(), "an empty cell of a new item would be inserted as a grade"
        assert who not in grades
        grades[who] = {name: cell for name, cell in cells.items() if cell != "-"}
        assert all(0 <= float(cell) <= 100 for cell in grades[who].values()), "grade value too big"
    return grades


def blackboard(text: str) -> Grades:
    """Reads as Blackboard does: only columns with a number of its own are grade columns that it has."""
    assert all(line.startswith('"') for line in text.splitlines()), "every cell is quoted"
    header, *rows = csv.reader(io.StringIO(text))
    grades: Grades = {}
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        numbered = {re.search(r"\|(\d+)$", name): cell for name, cell in cells.items()}
        grades[cells["Username"]] = {found[1]: cell for found, cell in numbered.items() if found and cell}
    return grades
