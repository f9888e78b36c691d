"""A class on one page, with a page and a file of numbers for each student beside it.

FOLDER/index.html                the dashboard
FOLDER/students/<student>.html   what the student may get: one self-contained page
FOLDER/students/<student>.json   the same as data
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from autograder import rubric
from autograder.handed_in import fit
from autograder.report import class_view
from autograder.report.board import boards
from autograder.report.clean import one_line
from autograder.report.render import page, write
from autograder.result import Result, Status
from autograder.store import to_json, write_atomically
from gpulabs.errors import BadInputError, GpulabsError

STUDENTS = "students"


def dashboard_html(results: Sequence[Result], lowered: Mapping[str, str] | None = None, links: bool = True) -> str:
    """Returns the class's page; it needs nothing else and opens with 300 students at once.

    Args:
        results: Of one lab; every text in them is taken as hostile.
        lowered: Student -> a sentence about a regrade that took points away.
        links: Whether the students' own pages lie beside it.

    Raises:
        BadInputError: Results of several labs, or none.
    """
    labs = sorted({result.lab for result in results})
    if len(labs) != 1:
        found = ", ".join(labs) or "none"
        raise BadInputError(f"a dashboard shows one lab, found results of: {found}; choose one with --lab")
    titles = _titles(labs[0])
    (board,) = boards(results, [titles.get("", labs[0])] * len(results))
    mean, median = class_view.spread(result.points for result in results)
    eyes = class_view.to_look_at(results, lowered or {})
    pages = {
        row.student: f"{STUDENTS}/{quote(fit(result.student), safe='')}.html" if links else ""
        for row, result in zip(board.rows, results, strict=True)
    }
    return page(
        "dashboard.html.jinja",
        ("report.css", "dashboard.css"),
        "dashboard.js",
        title=one_line(titles.get("", labs[0]), 200),
        board=board,
        pages=pages,
        looked_at={entry.student for entry in eyes},
        mean=mean,
        median=median,
        full=sum(result.points == result.max_points for result in results),
        pending=sum(bool(result.points_with(Status.PENDING)) for result in results),
        withheld=sum(bool(result.points_with(Status.WITHHELD)) for result in results),
        bins=class_view.distribution(results),
        tasks=class_view.task_losses(results, titles),
        faults=class_view.faults(results),
        ladders=class_view.ladders(results),
        eyes=eyes,
        graded=_graded(results),
    )


def write_class(results: Sequence[Result], folder: Path, lowered: Mapping[str, str] | None = None) -> Path:
    """Writes the dashboard, and a page and a file of numbers for each student; returns the dashboard's path.

    Raises:
        BadInputError: Results of several labs, or none.
    """
    text = dashboard_html(results, lowered)
    for result in results:
        name = fit(result.student)
        write([result], folder / STUDENTS / f"{name}.html")
        data = json.dumps(to_json(result), indent=1, allow_nan=False)
        write_atomically(folder / STUDENTS / f"{name}.json", data.encode("utf-8"))
    return write_atomically(folder / "index.html", text.encode("utf-8"))


def _graded(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Where the class was graded: each device and each isolation, with how many."""
    rows = []
    for name, of in (("device", _device), ("isolation", lambda result: result.isolation or "not recorded")):
        seen: dict[str, int] = {}
        for result in results:
            seen[of(result)] = seen.get(of(result), 0) + 1
        listed = sorted(seen.items(), key=lambda entry: -entry[1])[:6]
        rows += [(f"{name}, {count} submissions", one_line(text, 300)) for text, count in listed]
    return rows


def _device(result: Result) -> str:
    gpu = result.device.get("gpu")
    where = f"GPU {gpu}" if gpu and gpu != "none" else "no GPU, the simulator"
    calibration = result.device.get("calibration")
    return f"{where}; {calibration}" if calibration else where


def _titles(lab: str) -> dict[str, str]:
    try:
        known = rubric.load(lab)
    except GpulabsError:  # a stored result of a lab that this version lacks
        return {}
    return {"": known.title, **{task.id: task.title for task in known.tasks}}
