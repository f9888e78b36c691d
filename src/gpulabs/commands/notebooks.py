"""`gpulabs start`, `check`, `hint` and `submit`: a student's way through a lab."""

from __future__ import annotations

import getpass
import re
import shutil
import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpulabs import labs, terminal
from gpulabs.errors import BadInputError
from gpulabs.exit_codes import ExitCode

if TYPE_CHECKING:
    from autograder.result import Result

ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The same notebook gives the same archive, byte for byte."""


def start(lab_name: str, where: Path) -> int:
    """Copies the released notebook and what lies beside it; never overwrites.

    Raises:
        BadInputError: A file of that name is there.
    """
    lab = labs.find(lab_name)
    released = labs.folder(lab)
    files = sorted(file for file in released.iterdir() if file.is_file())
    taken = [where / file.name for file in files if (where / file.name).exists()]
    if taken:
        raise BadInputError(
            f"{taken[0]} is there already and gpulabs never overwrites your work; "
            f"for a fresh copy choose another folder: gpulabs start {lab.short} FOLDER"
        )
    where.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, where / file.name)
    print(f"{lab.title}: {where / lab.id}.ipynb")
    print(f"next: open it in Jupyter, work through it, then: {_again('check', lab, where)}")
    return ExitCode.OK


def check(
    lab_name: str,
    notebook: Path | None,
    task: str | None,
    as_json: bool,
    report: Path | None,
    device: str,
    isolation: str | None = None,
) -> int:
    """Grades a notebook the way the instructor will, and prints each item's verdict."""
    lab = labs.find(lab_name)
    file = _notebook(lab, notebook)
    tasks = _tasks(lab, task)
    from autograder.isolation import choose

    if isolation:
        choose(isolation)
    from autograder.path import grade  # after what can be wrong with the command: it imports Numba

    with terminal.progress(f"checking {file.name}") as progress:
        result = grade(file, lab.id, tasks=tasks, device=device, progress=progress, pictures=report is not None)
    if report:
        from autograder.report import write

        write([result], report)
    if as_json:
        terminal.print_json(_as_json(result))
    else:
        _show(result, lab, report, single=task is not None)
    return terminal.exit_code(result)


def _tasks(lab: labs.Lab, task: str | None) -> tuple[str, ...] | None:
    if task is None:
        return None
    from autograder import rubric

    known = [entry.id for entry in rubric.load(lab.id).tasks]
    if task not in known:
        raise BadInputError(f"{lab.short} has no task {task!r}; its tasks are {', '.join(known)}")
    return (task,)


def _as_json(result: Result) -> dict[str, Any]:
    from autograder.evidence import encode

    record: dict[str, Any] = encode(result)
    return {**record, "points": result.points, "max_points": result.max_points}


def _show(result: Result, lab: labs.Lab, report: Path | None, single: bool) -> None:
    from autograder.result import Status

    width = min(terminal.console().width, terminal.PIPE_WIDTH)
    for name, value in header(result.device):
        print(terminal.plain(textwrap.fill(f"{name:<14} {value}", width, subsequent_indent=" " * 15)))
    terminal.print_items(result.items)
    for note in result.notes:
        print(terminal.plain(f"note: {note}"))
    print(terminal.plain(textwrap.fill(f"isolation: {result.isolation}", width, subsequent_indent=" " * 11)))
    print(terminal.verdict(result))
    if report:
        print(f"report: {report}")
    lost = next((item for item in result.items if item.status == Status.LOST), None)
    if lost:
        if lost.hint:
            print(terminal.plain(textwrap.fill(f"hint: {lost.hint}", width, subsequent_indent=" " * 6)))
        print(f"next: gpulabs hint {lab.short} {lost.task}")
    elif result.points_with(Status.WITHHELD):
        print(f"next: run it again; if it stays, gpulabs doctor says what is wrong, or add --report {lab.short}.html")
    elif single:
        print(f"next: gpulabs check {lab.short} grades all tasks")
    else:
        print(f"next: gpulabs submit {lab.short}")


def header(device: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Turns a device header into rows of name and value; what is not there is left out."""
    rows = []
    for name, value in device.items():
        if isinstance(value, Mapping):
            value = [f"{key} {entry}" for key, entry in value.items()]
        if value not in ("", None, [], ()):
            rows.append((name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return rows


def hint(lab_name: str, task: str | None, as_json: bool) -> int:
    """Prints the next hint of a task.

    Raises:
        BadInputError: No task, or none of this lab; the message lists them.
    """
    from gpulabs import hints

    lab = labs.find(lab_name)
    if task is None:
        from autograder import rubric

        known = ", ".join(entry.id for entry in rubric.load(lab.id).tasks)
        raise BadInputError(f"a hint for which task? gpulabs hint {lab.short} TASK, where TASK is one of {known}")
    _tasks(lab, task)
    text = hints.next_hint(lab.id, task)
    if as_json:
        terminal.print_json({"schema_version": 1, "lab": lab.id, "task": task, "hint": text})
    else:
        print(text)
    return ExitCode.OK


def submit(lab_name: str, notebook: Path | None, name: str | None, where: Path, as_json: bool) -> int:
    """Checks that the grader can read the notebook and packs it for uploading."""
    lab = labs.find(lab_name)
    file = _notebook(lab, notebook)
    from autograder.submission import read_notebook

    submission = read_notebook(file, lab.id)
    student = _file_name(name or getpass.getuser())
    where.mkdir(parents=True, exist_ok=True)
    target = where / f"{lab.id}_{student}.zip"
    replaced = target.exists()
    _pack(file, f"{lab.id}.ipynb", target)
    cells = [cell for cell in submission.cells if cell.task]
    if as_json:
        terminal.print_json(
            {
                "schema_version": 1,
                "lab": lab.id,
                "file": str(target),
                "replaced": replaced,
                "notebook": str(file),
                "sha256": submission.sha256,
                "cells": [cell.name for cell in cells],
            }
        )
        return ExitCode.OK
    print(f"{target}{' (replaced)' if replaced else ''}")
    print(f"  {lab.id}.ipynb from {file}, sha256 {submission.sha256[:12]}")
    print(terminal.plain(f"  graded cells in it: {', '.join(cell.name for cell in cells)}"))
    print(f"next: upload {target.name}; gpulabs check {lab.short} shows its score before you do")
    return ExitCode.OK


def _pack(file: Path, name: str, target: Path) -> None:
    """Writes a zip with one file; the archive appears whole or not at all."""
    part = target.with_name(target.name + ".part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(name, ZIP_TIME), file.read_bytes(), zipfile.ZIP_DEFLATED)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _file_name(name: str) -> str:
    """Keeps what is safe in a file name."""
    kept = re.sub(r"[^\w.-]+", "-", name).strip("-.")
    if not kept:
        raise BadInputError(f"--name {name!r} has no letter or digit; give the name that your course knows you by")
    return kept[:64]


def _notebook(lab: labs.Lab, given: Path | None) -> Path:
    file = given or Path(f"{lab.id}.ipynb")
    if not file.is_file():
        advice = "check the path" if given else f"begin with gpulabs start {lab.short}, or name it: --notebook FILE"
        raise BadInputError(f"{file}: there is no such file; {advice}")
    return file


def _again(command: str, lab: labs.Lab, where: Path) -> str:
    at_home = where.resolve() == Path.cwd()
    return f"gpulabs {command} {lab.short}" + ("" if at_home else f" --notebook {where / lab.id}.ipynb")
