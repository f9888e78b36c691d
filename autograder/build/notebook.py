"""A lab's jupytext source -> the notebook that students get, and the one that solves itself.

The release is made by nbgrader's own preprocessors, so that what `autograder build` writes is
what `nbgrader generate_assignment` would. Two things differ, both so that a rebuild is the
same to the byte: cell ids come from the content and not from chance, and the metadata hold
the sha256 of the source in place of a date.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from gpulabs.errors import BadInputError, MissingPackageError

STUB = '# YOUR CODE HERE\nraise NotImplementedError("this part is still yours to write")'
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
_SOLUTION_MARKS = ("BEGIN SOLUTION", "END SOLUTION")


def source_path(lab: str, solutions: Path) -> Path:
    """Finds `<solutions>/<lab>/<lab>.py`.

    Args:
        lab: The lab's id, e.g. `lab1_conv_kernel`.
        solutions: The folder of all sources.

    Raises:
        BadInputError: There is no such file.
    """
    path = solutions / lab / f"{lab}.py"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in solutions.glob("lab*/lab*.py"))) or "none"
        raise BadInputError(f"{path}: no such lab source; labs found in {solutions}: {known}")
    return path


def solution_notebook(lab: str, solutions: Path = Path("solutions")) -> Any:
    """Reads a lab's source as a notebook with its solutions in place.

    Args:
        lab: The lab's id.
        solutions: The folder of all sources.

    Returns:
        An nbformat `NotebookNode`, without outputs, ready to be executed.

    Raises:
        BadInputError: No such source, or its header names another lab.
        MissingPackageError: jupytext is not installed.
    """
    try:
        import jupytext
    except ImportError:
        raise MissingPackageError('building labs needs jupytext: pip install "gpulabs[instructor]"') from None
    path = source_path(lab, solutions)
    text = path.read_text(encoding="utf-8")  # universal newlines: the hash is the same on Windows
    notebook = jupytext.reads(text, fmt="py:percent")
    header = notebook.metadata.get("gpulabs", {})
    if header.get("lab") != lab:
        raise BadInputError(f"{path}: the header's gpulabs.lab is {header.get('lab')!r}, expected {lab!r}")
    notebook.metadata = {
        "gpulabs": {**header, "source_sha256": hashlib.sha256(text.encode()).hexdigest()},
        "kernelspec": KERNELSPEC,
        "language_info": {"name": "python"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    _set_cell_ids(notebook)
    return notebook


def release_notebook(lab: str, solutions: Path = Path("solutions")) -> Any:
    """Makes the notebook that students get: no solutions, no outputs, graded cells locked.

    Args:
        lab: The lab's id.
        solutions: The folder of all sources.

    Returns:
        An nbformat `NotebookNode`.

    Raises:
        BadInputError: The source is missing or its solution marks don't match up.
        MissingPackageError: jupytext or nbgrader is not installed.
    """
    notebook = solution_notebook(lab, solutions)
    try:
        from nbgrader import preprocessors as steps
    except ImportError:
        raise MissingPackageError('building labs needs nbgrader: pip install "gpulabs[instructor]"') from None
    pipeline = [
        steps.ClearSolutions(code_stub={"python": STUB}),
        steps.LockCells(),
        steps.ComputeChecksums(),
        steps.CheckCellMetadata(),
        steps.ClearOutput(),
        steps.ClearHiddenTests(),
        steps.ClearMarkScheme(),
        steps.ComputeChecksums(),  # again: hidden tests were part of the text
    ]
    resources: dict[str, Any] = {}
    for step in pipeline:
        try:
            notebook, resources = step.preprocess(notebook, resources)
        except RuntimeError as error:
            raise BadInputError(f"{source_path(lab, solutions)}: {error}") from None
    _set_cell_ids(notebook)
    return notebook


def build_lab(lab: str, solutions: Path = Path("solutions"), labs: Path = Path("labs")) -> list[Path]:
    """Writes a lab's released notebook.

    Args:
        lab: The lab's id.
        solutions: The folder of all sources.
        labs: The folder of all releases.

    Returns:
        The files written.

    Raises:
        BadInputError: The source is missing or its solution marks don't match up.
    """
    target = labs / lab / f"{lab}.ipynb"
    text = _serialised(release_notebook(lab, solutions))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8", newline="\n")
    return [target]


def check_lab(lab: str, solutions: Path = Path("solutions"), labs: Path = Path("labs")) -> list[str]:
    """Compares a lab's committed release with a fresh build; writes nothing.

    Returns:
        One sentence for each file that differs; empty when all is well.
    """
    target = labs / lab / f"{lab}.ipynb"
    if not target.is_file():
        return [f"{target}: missing; run: autograder build {lab}"]
    if target.read_text(encoding="utf-8") != _serialised(release_notebook(lab, solutions)):
        return [f"{target}: differs from what its source builds; run: autograder build {lab}"]
    return []


def _serialised(notebook: Any) -> str:
    import nbformat

    nbformat.validate(notebook)
    text: str = nbformat.writes(notebook, version=4)
    return text.rstrip("\n") + "\n"


def _set_cell_ids(notebook: Any) -> None:
    """Gives each cell an id that depends on its content only (jupytext draws them at random)."""
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        name = re.sub(r"[^A-Za-z0-9_-]", "-", grade_id) if grade_id else f"{cell.cell_type}-{digest}"
        seen[name] = seen.get(name, 0) + 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
        if any(mark in cell.source for mark in _SOLUTION_MARKS) and not grade_id:
            raise BadInputError(f"cell {cell.id}: a solution outside a cell with a grade_id would never be stripped")
