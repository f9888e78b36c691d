"""`autograder dashboard`, `export`: what becomes of a class's results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpulabs.errors import BadInputError
from gpulabs.terminal import complain, console, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autograder.result import Result

ResultsFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The results folder that `grade` filled.")]
Json = Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")]
OneLab = Annotated[str | None, typer.Option("--lab", help="Only this lab's results.")]

SCHEMA_VERSION = 1


def chosen_results(folder: Path, lab: str | None, student: str | None) -> list[Result]:
    """Returns the results of a folder that count.

    Raises:
        BadInputError: There are none.
    """
    from autograder import rubric
    from autograder.store import Store

    if not folder.is_dir():
        raise BadInputError(f"{folder}: no such folder; `autograder grade` fills one with --out")
    chosen = Store(folder).newest_of_all(rubric.load(lab).id if lab else None)
    chosen = [result for result in chosen if student in (None, result.student)]
    if not chosen:
        who = f" of {student!r}" if student else ""
        raise BadInputError(f"{folder}: holds no results{who}; grade some with: autograder grade LAB --out {folder}")
    return chosen


def dashboard(
    results: ResultsFolder,
    out: Annotated[Path, typer.Option(help="The folder to fill: index.html, students/.")] = Path("class"),
    lab: OneLab = None,
    json: Json = False,
) -> None:
    """Write the class's page with a page and a JSON file for each student, ready for any web server."""
    from autograder.report.dashboard import write_class

    chosen = chosen_results(results, lab, None)
    path = write_class(chosen, out, _lowered(results, chosen))
    if json:
        print_json({"schema_version": SCHEMA_VERSION, "page": str(path), "students": len(chosen)})
        return
    console().print(f"Dashboard: {path} ({len(chosen)} students, their pages in {out / 'students'})", soft_wrap=True)


def export(
    results: ResultsFolder,
    out: Annotated[Path, typer.Option(help="The CSV file to write.")] = Path("grades.csv"),
    lab: OneLab = None,
    to: Annotated[
        str, typer.Option("--to", metavar="csv|canvas|moodle|blackboard", help="Whose import reads it.")
    ] = "csv",
    roster: Annotated[
        Path | None,
        typer.Option(help="The system's own export of its gradebook: students and columns are named as there."),
    ] = None,
    so_far: Annotated[
        bool,
        typer.Option("--so-far", help="Export what is earned so far where points are pending, in place of nothing."),
    ] = False,
    json: Json = False,
) -> None:
    """Write one lab's points as CSV for a learning management system: a row a student, a column a task."""
    from autograder import export as exporting
    from autograder.store import write_atomically

    chosen = chosen_results(results, lab, None)
    made = exporting.export(chosen, to, roster, so_far)
    path = write_atomically(out, made.text.encode("utf-8"))
    if json:
        about = {"file": str(path), "students": made.students, "remarks": list(made.remarks)}
        print_json({"schema_version": SCHEMA_VERSION, "to": to, **about})
        return
    for remark in made.remarks:
        complain(f"note: {remark}")
    console().print(f"Grades: {path} ({made.students} students, for {to})", soft_wrap=True)


def _lowered(folder: Path, results: Sequence[Result]) -> dict[str, str]:
    """Students whose grading that counts gives fewer points than an earlier one did."""
    from autograder.store import Store

    found = {}
    for result in results:
        history = Store(folder).history(result.lab, result.student)
        best = max(history, key=lambda earlier: earlier.points)
        if best.points > result.points:
            same = "the same file" if best.sha256 == result.sha256 else "another file"
            found[result.student] = (
                f"{best.points:g} points on {best.started_at[:10] or 'an earlier day'} ({same}), "
                f"{result.points:g} now; both gradings are kept"
            )
    return found
