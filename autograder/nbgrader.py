"""nbgrader's autograding on the one path that all grading takes: no student code in nbgrader's own kernel.

`nbgrader_config.py` puts three classes of this module in their places:

- `SubmissionExporter` reads what was handed in; a file that is no notebook, or a link to another student's, becomes the
  released one, so that its zero carries a reason instead of a traceback.
- `RestoreCells` rewrites every bit of nbgrader's metadata from the gradebook: check cells that were
  edited, deleted, duplicated or given other points come back as they were released.
- `GradeSubmission` stands where nbgrader would execute the notebook: it grades the submitted file
  with `autograder.path` and writes the points and verdicts as the check cells' outputs. What an instructor has added
  for a person to grade (manually graded cells and tasks) is left to that person.

Points that are withheld never become a zero: nbgrader is made to fail that submission, loudly.
"""

from __future__ import annotations

import copy
import textwrap
from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbformat import v4
from nbgrader.api import Gradebook
from nbgrader.nbgraderformat import SCHEMA_VERSION
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Unicode

from autograder import rubric
from autograder.classroom import Session, grade_one, kept, require_isolation
from autograder.handed_in import Entry, in_folder
from autograder.report.clean import clean
from autograder.report.scoreboard import verdict_lines
from autograder.result import ItemScore, Result, Status
from autograder.store import Store
from gpulabs.errors import GraderError, SubmissionError

CHECK = "check_"
"""A task's check cell has the grade_id `check_<task>`."""

LINE = 110
"""Characters of a line that formgrader and feedback pages show."""


class SubmissionExporter(NotebookExporter):  # type: ignore[misc]
    """Reads a submission; one that is no notebook is replaced by the released cells."""

    def from_filename(self, filename: str, resources: Any = None, **kw: Any) -> tuple[Any, dict[str, Any]]:
        """Converts a notebook file, as `nbconvert` does; see there."""
        sanitizing = getattr(self.parent, "_sanitizing", False)
        try:
            if sanitizing and (problem := in_folder(Path(filename).parent, "").problem):
                raise SubmissionError(problem)  # a link would show this student another's work, a pipe never end
            converted: tuple[Any, dict[str, Any]] = super().from_filename(filename, resources, **kw)
        except GraderError:
            raise
        except Exception as error:  # whatever a damaged file makes nbformat or nbconvert raise
            if not sanitizing:
                raise
            self.log.warning("%s: not readable as a notebook (%s)", filename, clean(error, 300))
            name = Path(filename).stem
            resources["metadata"] = {"name": name, "path": str(Path(filename).parent)}
            converted = self.from_notebook_node(v4.new_notebook(), resources, **kw)
        return converted


class RestoreCells(NbGraderPreprocessor):  # type: ignore[misc]
    """Gives nbgrader's metadata and check cells the state of the release; keeps what students wrote."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Restores a submitted notebook in place.

        Args:
            nb: The submitted notebook.
            resources: nbconvert's; names the assignment, the notebook and the gradebook.
        """
        about = resources["nbgrader"]
        with Gradebook(about["db_url"]) as gradebook:
            source = gradebook.find_notebook(about["notebook"], about["assignment"])
            order = [cell.name for cell in source.source_cells]
            cells = {cell.name: cell for cell in source.source_cells}
            points = {cell.name: cell.max_score for cell in (*source.grade_cells, *source.task_cells)}
            tasks = {cell.name for cell in source.task_cells}
            solutions = {cell.name for cell in source.solution_cells}
            nb.cells = self._known(nb, set(cells))
            for index, name in enumerate(order):
                place = _place(nb, name)
                fresh = _cell(cells[name], points.get(name), is_solution=name in solutions, is_task=name in tasks)
                if place is None:
                    before = _place(nb, order[index - 1]) if index else -1
                    nb.cells.insert(len(nb.cells) if before is None else before + 1, fresh)
                else:
                    nb.cells[place] = _restored(nb.cells[place], fresh, keep_source=name in solutions)
        return nb, resources

    def _known(self, nb: Any, names: set[str]) -> list[Any]:
        """Drops metadata that the release doesn't have; of several cells with one id the last counts."""
        seen: set[str] = set()
        kept: list[Any] = []
        for cell in reversed(nb.cells):
            name = _grade_id(cell)
            if name in names and name not in seen:
                seen.add(name)
            else:
                if name is not None:
                    self.log.warning("a copied or foreign cell %s is not graded", clean(name, 80))
                if isinstance(cell.get("metadata"), dict):
                    cell["metadata"].pop("nbgrader", None)
            kept.append(cell)
        return kept[::-1]


class GradeSubmission(NbGraderPreprocessor):  # type: ignore[misc]
    """Grades the submitted file and writes the check cells' outputs; nbgrader records the points."""

    allow_untrusted = Bool(False, help="Grade even where student code can't be isolated.").tag(config=True)
    isolation = Unicode("", help="Tier: strong, medium, none, or auto; empty for GPULABS_ISOLATION or auto.").tag(
        config=True
    )
    reuse = Bool(False, help="Take what `autograder grade` has in the results folder of the very same file.").tag(
        config=True
    )
    results = Unicode("results", help="Folder for the full results (for reports); empty to keep none.").tag(config=True)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Grades and fills in the outputs of all check cells.

        Args:
            nb: The sanitized notebook.
            resources: nbconvert's; names student, assignment and notebook.

        Raises:
            GraderError: Points are withheld, or the notebook and the rubric don't fit: nothing is recorded.
            MissingError: Student code can't be isolated here.
        """
        about = resources["nbgrader"]
        lab, student = rubric.load(about["assignment"]).id, about["student"]
        folder = Path(self._coursedir().root) / self.results if self.results else None
        entry, earlier = self._submitted(about), None
        if self.reuse and folder:
            earlier = kept(entry, Session(lab, Store(folder)))
        if earlier is None:
            require_isolation(self.allow_untrusted, self.isolation or None)
        result = earlier or grade_one(entry, Session(lab))
        if result.points_with(Status.WITHHELD):
            reason = next(item.reason for item in result.items if item.status is Status.WITHHELD)
            raise GraderError(
                f"{student}: points are withheld, nothing is recorded: {clean(reason, 500)} "
                f"Run again: nbgrader autograde {about['assignment']} --student {student}"
            )
        for cell in nb.cells:
            about_cell = cell.metadata.get("nbgrader", {})
            if about_cell.get("grade") and not about_cell.get("solution"):  # both: a person grades it
                _fill(cell, result)
        if folder and earlier is None:
            with Store.writing(folder) as store:
                if said := store.add(result):
                    self.log.warning(said)
        return nb, resources

    def _submitted(self, about: Any) -> Entry:
        """Returns the file as it was handed in, not nbgrader's sanitized copy."""
        course = self._coursedir()
        folder = course.format_path(course.submitted_directory, about["student"], about["assignment"])
        return in_folder(Path(folder), about["student"])

    def _coursedir(self) -> Any:
        converter = getattr(self.parent, "parent", None)
        course = getattr(converter, "coursedir", None)
        if course is None:
            raise GraderError("GradeSubmission runs in `nbgrader autograde` only: it has no course folder here")
        return course


def _fill(cell: Any, result: Result) -> None:
    """Writes what executing a check cell would have: verdicts as a stream, the points as its value."""
    name = cell.metadata.nbgrader["grade_id"]
    items = [item for item in result.items if CHECK + item.task == name]
    worth = sum(item.max_points for item in items)
    most = float(cell.metadata.nbgrader["points"])
    if worth != most:
        raise GraderError(
            f"{name}: worth {most:g} points in the notebook and {worth:g} in the rubric; "
            "run `autograder course` and `nbgrader generate_assignment` again"
        )
    earned = min(max(float(sum(item.points for item in items)), 0.0), most)
    cell.outputs = [
        v4.new_output("stream", name="stdout", text=_verdicts(items, result)),
        v4.new_output("execute_result", data={"text/plain": repr(earned)}, execution_count=1),
    ]
    cell.execution_count = 1


def _verdicts(items: list[ItemScore], result: Result) -> str:
    part = Result(result.lab, result.student, result.source, result.sha256, tuple(items))
    lines = verdict_lines(part)
    if part.points_with(Status.PENDING):
        lines.append("Pending points are recorded as 0 until they are decided; this is no verdict on them.")
    lines += [f"isolation: {clean(result.isolation, 500)}", f"oracle: {clean(result.oracle, 200)}"]
    return "\n".join(part for line in lines for part in _wrapped(line)) + "\n"


def _wrapped(line: str) -> list[str]:
    """Cuts a line into what nbgrader's pages show without scrolling."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, LINE, subsequent_indent=indent) or [""]


def _grade_id(cell: Any) -> str | None:
    metadata = cell.get("metadata")
    about = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = about.get("grade_id") if isinstance(about, dict) else None
    return name if isinstance(name, str) else None


def _place(nb: Any, name: str) -> int | None:
    return next((index for index, cell in enumerate(nb.cells) if _grade_id(cell) == name), None)


def _cell(source: Any, points: float | None, *, is_solution: bool, is_task: bool) -> Any:
    """Returns a cell as it was released, from its record in the gradebook."""
    new = v4.new_code_cell if source.cell_type == "code" else v4.new_markdown_cell
    cell = new(source.source)
    cell.metadata["nbgrader"] = {
        "grade": points is not None and not is_task,
        "grade_id": source.name,
        "locked": bool(source.locked),
        "schema_version": SCHEMA_VERSION,
        "solution": is_solution,
        "task": is_task,
        "cell_type": source.cell_type,
        "checksum": source.checksum,
        **({"points": float(points)} if points is not None else {}),
    }
    return cell


def _restored(submitted: Any, fresh: Any, keep_source: bool) -> Any:
    restored = copy.deepcopy(fresh)
    if keep_source:
        source = submitted.get("source")
        restored.source = source if isinstance(source, str) else ""
    return restored
