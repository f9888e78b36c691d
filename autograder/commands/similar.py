"""`autograder similar`: pairs of submissions whose kernels share structure, for a person to judge."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpulabs.errors import SubmissionError
from gpulabs.terminal import console, print_json

if TYPE_CHECKING:
    from autograder.rubric import Rubric
    from autograder.similarity import Document

SCHEMA_VERSION = 1
OURS = "our solution"


def similar(
    lab: Annotated[str, typer.Argument(metavar="LAB", help="The lab: lab1 or lab1_conv_kernel.")],
    submissions: Annotated[Path, typer.Option(help="Submissions, laid out as for `autograder grade`.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("similar.html"),
    repository: Annotated[
        Path, typer.Option(help="A checkout: its release is discounted, its solution compared with.")
    ] = Path(),
    json: Annotated[bool, typer.Option("--json", help="Print the pairs as JSON, write no page.")] = False,
) -> None:
    """Show pairs of submissions whose kernels share structure, side by side. Never part of a score."""
    from autograder import classroom, rubric
    from autograder.report.similar import similar_html
    from autograder.similarity import pairs
    from autograder.store import write_atomically
    from autograder.submission import read_notebook
    from gpulabs import labs

    known = rubric.load(lab)
    documents, count = _ours(known, repository), 0
    for entry in classroom.find(submissions, known.id):
        if entry.notebook is None:
            continue
        try:
            submission = read_notebook(entry.notebook, known.id, entry.student)
        except SubmissionError:
            continue  # grading says why it can't be read
        count += 1
        documents += _documents(entry.student, known, submission.cells)
    released = json_module.loads(labs.notebook(labs.find(known.short)).read_text("utf-8"))
    given = ["".join(cell["source"]) for cell in released["cells"] if cell["cell_type"] == "code"]
    found = pairs(documents, given)
    if json:
        listed = [
            {"task": pair.left.task, "students": [pair.left.owner, pair.right.owner], "share": round(pair.share, 3)}
            for pair in found
        ]
        print_json({"schema_version": SCHEMA_VERSION, "lab": known.id, "submissions": count, "pairs": listed})
        return
    path = write_atomically(out, similar_html(found, known.title, count).encode("utf-8"))
    console().print(f"Similar: {path} ({len(found)} pairs among {count} submissions)", soft_wrap=True)


def _documents(owner: str, known: Rubric, cells: object, ours: bool = False) -> list[Document]:
    from autograder.similarity import document

    kernels = [task.id for task in known.tasks if task.kind == "kernel"]
    made = [document(owner, task, cells, ours) for task in kernels]  # type: ignore[arg-type]
    return [one for one in made if one is not None]


def _ours(known: Rubric, repository: Path) -> list[Document]:
    """The lab's solution, where there is a checkout: someone may have found it."""
    from autograder.examples import task_cells
    from autograder.submission import from_cells

    path = repository / "solutions" / known.id / f"{known.id}.py"
    if not path.is_file():
        return []
    cells = task_cells(path.read_text(encoding="utf-8"))
    return _documents(OURS, known, from_cells(known.id, cells).cells, ours=True)
