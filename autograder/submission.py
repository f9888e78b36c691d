"""Reads a student's notebook into a `Submission`: its code cells and which task each belongs to.

Only text is read here; nothing of the notebook runs. What a file can get wrong ends in a
`SubmissionError` of one sentence: what, where, what to do.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpulabs.errors import SubmissionError

MAX_BYTES = 20 * 2**20
"""A notebook with a few pictures is well below; a larger one is a mistake or an attack."""

TASK_MARKER = re.compile(r"\A\s*#\s*task:\s*(\w+)\s*$", re.MULTILINE)
"""A task cell's first line, `# task: conv_first`, so that a cell can be told from its text alone."""


@dataclass(frozen=True)
class Cell:
    """A code cell.

    Attributes:
        name: nbgrader's grade_id, or `cell 7` counted from the top of the notebook.
        task: The id of the task that it answers, or None.
        source: Its text.
    """

    name: str
    task: str | None
    source: str


@dataclass(frozen=True)
class Submission:
    """A notebook as far as grading is concerned.

    Attributes:
        lab: The lab's id, e.g. `lab1_conv_kernel`.
        student: Whose it is, from the file's place.
        source: The file's name, or `notebook session`.
        sha256: Of the file, or of the cells' text.
        cells: Code cells from top to bottom, grade cells left out.
    """

    lab: str
    student: str
    source: str
    sha256: str
    cells: tuple[Cell, ...]


def read_notebook(path: Path, lab_id: str, student: str = "") -> Submission:
    """Reads a notebook file.

    Args:
        path: The .ipynb file.
        lab_id: The lab that it must belong to.
        student: Whose it is.

    Returns:
        The submission, whatever its code looks like.

    Raises:
        SubmissionError: The file is missing, empty, too large, no notebook, or another lab's.
    """
    raw = _read(path)
    notebook = _parse(raw, path)
    _check_lab(notebook, lab_id, path)
    cells = []
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell.get("cell_type") != "code":
            continue
        meta = cell.get("metadata")
        nbgrader = meta.get("nbgrader") if isinstance(meta, dict) else None
        nbgrader = nbgrader if isinstance(nbgrader, dict) else {}
        if nbgrader.get("grade") and not nbgrader.get("solution"):
            continue
        cells.append(_cell(_text(cell.get("source")), number, nbgrader))
    if not any(cell.task for cell in cells):
        raise SubmissionError(
            f"{path.name}: holds no task cell of {lab_id}: the task cells were deleted, or this is not the lab's "
            f"notebook. Fetch a fresh one with 'gpulabs start {lab_id.split('_')[0]}' and copy your code over."
        )
    return Submission(lab_id, student, path.name, hashlib.sha256(raw).hexdigest(), tuple(cells))


def from_cells(lab_id: str, cells: Mapping[str, str], student: str = "") -> Submission:
    """Makes a submission of cells that ran in a notebook session.

    Args:
        lab_id: The lab's id.
        cells: Cell name -> source, in order; a task cell's name is its task's id.
        student: Whose it is.
    """
    found = []
    for name, source in cells.items():
        marker = TASK_MARKER.match(source)
        found.append(Cell(name, marker.group(1) if marker else None, source))
    text = json.dumps(list(cells.items()))
    return Submission(lab_id, student, "notebook session", hashlib.sha256(text.encode()).hexdigest(), tuple(found))


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SubmissionError(
                f"{path.name}: {path.stat().st_size / 2**20:.0f} MiB, more than the {MAX_BYTES // 2**20} MiB that are "
                "read. Clear the outputs (Kernel > Restart and clear outputs) and save again."
            )
        raw = path.read_bytes()
    except FileNotFoundError:
        raise SubmissionError(f"{path}: no such file. Give the path of your notebook (.ipynb).") from None
    except IsADirectoryError:
        raise SubmissionError(f"{path}: a folder, not a notebook. Give the path of the .ipynb file.") from None
    except OSError as error:
        raise SubmissionError(f"{path}: can't be read ({error.strerror}).") from None
    if not raw.strip():
        raise SubmissionError(f"{path.name}: the file is empty. Save the notebook again and hand in that file.")
    return raw


def _parse(raw: bytes, path: Path) -> dict[str, Any]:
    try:
        notebook: Any = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise SubmissionError(f"{path.name}: not text, so not a notebook. Hand in the .ipynb file itself.") from None
    except json.JSONDecodeError as error:
        raise SubmissionError(
            f"{path.name}: not a notebook: line {error.lineno} is not JSON ({error.msg}). "
            "Download it again as .ipynb, not as a script or page."
        ) from None
    except RecursionError:
        raise SubmissionError(f"{path.name}: not a notebook: its JSON is nested too deeply.") from None
    except ValueError:  # Python reads no number of more than 4,300 digits
        raise SubmissionError(f"{path.name}: not a notebook: it holds a number of thousands of digits.") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise SubmissionError(f"{path.name}: JSON, but no notebook: it has no list of cells. Hand in the .ipynb file.")
    if not isinstance(notebook.get("metadata", {}), dict):
        raise SubmissionError(f"{path.name}: its notebook metadata is damaged. Save the notebook again in Jupyter.")
    return dict(notebook)


def _check_lab(notebook: dict[str, Any], lab_id: str, path: Path) -> None:
    mark = notebook.get("metadata", {}).get("gpulabs")
    lab = mark.get("lab") if isinstance(mark, dict) else None
    if isinstance(lab, str) and lab != lab_id:
        raise SubmissionError(
            f"{path.name}: a notebook of {lab[:60]!r}, but {lab_id} is being graded. Hand in the notebook of {lab_id}."
        )


def _text(source: Any) -> str:
    if isinstance(source, list):
        return "".join(str(line) for line in source)
    return source if isinstance(source, str) else ""


def _cell(source: str, number: int, nbgrader: dict[str, Any]) -> Cell:
    grade_id = nbgrader.get("grade_id")
    marker = TASK_MARKER.match(source)
    task = marker.group(1) if marker else None
    if isinstance(grade_id, str) and re.fullmatch(r"[\w-]{1,80}", grade_id):
        return Cell(grade_id, task or (grade_id if nbgrader.get("solution") else None), source)
    return Cell(f"cell {number}", task, source)
