"""What an author runs: build all, check that labs are current and worth what they say, nbgrader courses, the demo."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from autograder import build as builder
from autograder.examples import example_notebook, task_cells
from autograder.result import Result, Status
from autograder.store import write_atomically
from gpulabs.errors import BadInputError, GpulabsError

DEMO_LAB = "lab1_conv_kernel"
DEMO = {"right": "correct/{}/right.py", "wrong_halo": "wrong/{}/wrong_halo.py", "stub": "wrong/{}/untouched_stub.py"}
"""The demo's students -> what they hand in, in tests/submissions."""

LADDER = Path(__file__).parent / "ladder"


def labs_in(solutions: Path, lab: str | None = None) -> list[str]:
    """Returns the ids of the labs that have a source; of one lab, by id or short name.

    Raises:
        BadInputError: There is none.
    """
    found = sorted(path.parent.name for path in solutions.glob("lab*/lab*.py") if path.stem == path.parent.name)
    chosen = [name for name in found if lab in (None, name, name.split("_")[0])]
    if not chosen:
        raise BadInputError(f"{solutions}: no source of {lab or 'any lab'}; found: {', '.join(found) or 'none'}")
    return chosen


def build(lab: str | None, solutions: Path, labs: Path) -> list[Path]:
    """Builds the released notebooks and the ladder; returns the files written."""
    from autograder.build.ladder import build_ladder

    written = [path for name in labs_in(solutions, lab) for path in builder.build_lab(name, solutions, labs)]
    return [*written, *build_ladder(solutions, LADDER)]


def course(lab: str, solutions: Path, course: Path) -> list[Path]:
    """Puts a lab into an nbgrader course folder: its notebook with solutions in `source/`, the settings beside.

    Args:
        lab: By id or short name.
        solutions: The sources; `nbgrader_config.py` lies beside that folder.
        course: The course folder; settings that are there already stay.

    Returns:
        The files written.
    """
    written = []
    settings = course / "nbgrader_config.py"
    for name in labs_in(solutions, lab):
        notebook = course / "source" / name / f"{name}.ipynb"
        text = json.dumps(builder.solution_notebook(name, solutions), indent=1) + "\n"
        written.append(write_atomically(notebook, text.encode("utf-8")))
    if not settings.exists():
        shipped = solutions.resolve().parent / "nbgrader_config.py"
        if not shipped.is_file():
            raise BadInputError(f"{shipped}: missing; give the solutions folder of a checkout with --solutions")
        written.append(write_atomically(settings, shipped.read_bytes()))
    return written


def check(lab: str | None, solutions: Path, labs: Path, grade: Callable[..., Result] | None = None) -> list[str]:
    """Returns what is wrong with the labs, one sentence each: stale files, a solution below full, a release above 0.

    Args:
        lab: One lab, or None for all.
        solutions: The sources.
        labs: The releases.
        grade: Stands for `autograder.path.grade` in tests.
    """
    if grade is None:
        from autograder import path

        grade = path.grade
    problems = []
    for name in labs_in(solutions, lab):
        problems += builder.check_lab(name, solutions, labs)
        problems += _check_scores(name, solutions, grade)
    return [*problems, *check_ladder(solutions)]


def check_ladder(solutions: Path, ladder: Path = LADDER) -> list[str]:
    """Returns one sentence for each rung whose shipped PTX is not what its source builds.

    Rungs built by another compiler can't be compared byte by byte; there, the source's sha256 decides.
    """
    from autograder.build.ladder import build_ladder

    problems = []
    with tempfile.TemporaryDirectory(prefix="gpulabs-ladder-") as scratch:
        for fresh in build_ladder(solutions, Path(scratch)):
            if fresh.suffix != ".json":
                continue
            shipped = ladder / fresh.name
            if not shipped.is_file():
                problems.append(f"{shipped}: missing; run: autograder build")
                continue
            new, old = json.loads(fresh.read_text("utf-8")), json.loads(shipped.read_text("utf-8"))
            same_compiler = all(new.get(key) == old.get(key) for key in ("numba_cuda", "toolkit"))
            kernels = {f"{step['kernel']}.ptx" for variant in new["variants"] for step in variant["steps"]}
            changed = [name for name in kernels if not _same(fresh.with_name(name), ladder / name)]
            if new["source_sha256"] != old.get("source_sha256") or (same_compiler and changed):
                problems.append(f"{shipped}: differs from what its source builds; run: autograder build")
    return problems


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_text("utf-8") == other.read_text("utf-8")


def demo_submissions(repository: Path, folder: Path) -> Path:
    """Writes the demo's submissions as notebooks, `<student>.ipynb`; returns the folder.

    Raises:
        BadInputError: `repository` is no checkout.
    """
    released = repository / "labs" / DEMO_LAB / f"{DEMO_LAB}.ipynb"
    source = repository / "solutions" / DEMO_LAB / f"{DEMO_LAB}.py"
    for needed in (released, source):
        if not needed.is_file():
            raise BadInputError(
                f"{needed}: missing; the demo needs a checkout of the repository: run it there, or give --repository"
            )
    notebook = json.loads(released.read_text("utf-8"))
    solution = task_cells(source.read_text("utf-8"))
    for name, place in DEMO.items():
        example = repository / "tests" / "submissions" / place.format(DEMO_LAB)
        made = example_notebook(example, notebook, solution)
        (folder / f"{name}.ipynb").write_text(json.dumps(made, indent=1), encoding="utf-8")
    return folder


def _check_scores(lab: str, solutions: Path, grade: Callable[..., Result]) -> list[str]:
    problems = []
    with tempfile.TemporaryDirectory(prefix="gpulabs-check-") as scratch:
        path = Path(scratch) / f"{lab}.ipynb"
        for name, make in (("solution", builder.solution_notebook), ("release", builder.release_notebook)):
            path.write_text(json.dumps(make(lab, solutions)), encoding="utf-8")
            try:
                result = grade(path, lab, student=name)
            except GpulabsError as error:
                problems.append(f"{lab}: the {name} can't be graded: {error}")
                continue
            problems += _complaints(lab, name, result)
    return problems


def _complaints(lab: str, name: str, result: Result) -> list[str]:
    """A solution must lose nothing and a release earn nothing; pending items can do neither here."""
    bad = (Status.LOST, Status.WITHHELD) if name == "solution" else (Status.EARNED, Status.WITHHELD)
    return [
        f"{lab}: the {name} gets {item.status.value} for {item.task}, {item.title!r}: {item.reason}"
        for item in result.items
        if item.status in bad
    ]
