"""Grades a folder of submissions: finds them, gives each a reasoned score, keeps what is finished.

Two layouts are understood, nbgrader's `<folder>/<student>/<lab>/*.ipynb` and a flat folder of
`<student>.ipynb`. The student is named by the place, never by the content.
"""

from __future__ import annotations

import datetime
import hashlib
import stat
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.report.clean import one_line
from autograder.result import ItemScore, Result, Status
from autograder.rubric import load
from autograder.store import Store
from gpulabs.errors import BadInputError, BusyError, GpulabsError, MissingError, SubmissionError

Progress = Callable[[str, str], None]
Grade = Callable[..., Result]

MAX_BYTES = 20 * 2**20
"""What `autograder.submission` reads at most; a larger file is not hashed either."""


@dataclass(frozen=True)
class Entry:
    """A student's hand-in.

    Attributes:
        student: From the folder's or the file's name.
        notebook: The file to grade, or None.
        problem: Why there is none.
    """

    student: str
    notebook: Path | None
    problem: str = ""


@dataclass(frozen=True)
class Done:
    """One finished submission: its result, whether an earlier run's was kept, a remark for the instructor."""

    result: Result
    kept: bool = False
    remark: str = ""


@dataclass
class Session:
    """How a folder is graded.

    Attributes:
        lab: The lab's id.
        store: Where results are kept, or None to keep none.
        jobs: Submissions graded at a time.
        again: Grade what an earlier run has finished, too.
        grade: `autograder.path.grade`, or what stands for it.
        options: Passed on to `grade`: `device`, `seed`.
        finished: How many are done so far, those kept from an earlier run included.
    """

    lab: str
    store: Store | None = None
    jobs: int = 1
    again: bool = False
    grade: Grade | None = None
    options: dict[str, Any] = field(default_factory=dict)
    finished: int = 0


def find(folder: Path, lab: str, student: str | None = None, out: Path | None = None) -> list[Entry]:
    """Returns the submissions in a folder, by student.

    Args:
        folder: nbgrader's `submitted`, or a flat folder of notebooks.
        lab: The lab's id.
        student: Only this one.
        out: The results folder; it may lie in `folder` and holds no submissions.

    Raises:
        BadInputError: There is no such folder, or no submission in it.
    """
    if not folder.is_dir():
        raise BadInputError(f"{folder}: no such folder; give the one that holds the submissions")
    results = out.resolve() if out else None
    visible = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.resolve() != results)
    entries = [_in_folder(path / lab, path.name) for path in visible if (path / lab).is_dir()]
    if not entries:
        entries = [_checked(path, path.stem) for path in visible if path.suffix == ".ipynb"]
    chosen = [entry for entry in entries if student in (None, entry.student)]
    if not chosen:
        who = f" of {student!r}" if student else ""
        raise BadInputError(
            f"{folder}: no submission{who} for {lab}; expected <student>/{lab}/{lab}.ipynb (nbgrader's layout) "
            "or <student>.ipynb files in one folder"
        )
    return chosen


def grade_all(
    entries: Sequence[Entry], session: Session, progress: Progress | None = None
) -> Generator[Done, None, None]:
    """Grades submissions and yields each when it is finished and kept.

    Nothing of a submission can stop the others: a notebook that can't be read loses all points with
    the reason; a failure of the grader withholds them. What met a machine too busy is graded again at the end, alone.
    On Ctrl-C, what runs beside is finished and kept.

    Args:
        entries: From `find`.
        session: How to grade.
        progress: Called with the student and what is being done; from several threads if `jobs` > 1.

    Raises:
        GpulabsError: A result can't be kept (full disk); earlier ones are intact.
    """
    todo: list[Entry] = []
    for entry in entries:
        kept = None if session.again else _kept(entry, session)
        if kept is not None:
            session.finished += 1
            yield Done(kept, kept=True)
        else:
            todo.append(entry)
    if session.jobs <= 1:
        for entry in todo:
            yield _keep(grade_one(entry, session, progress), session)
        return
    crowded: list[Entry] = []
    yield from _grade_many(todo, session, progress, crowded)
    for entry in crowded:
        yield _keep(grade_one(entry, session, progress), session)


def grade_one(entry: Entry, session: Session, progress: Progress | None = None, *, alone: bool = True) -> Result:
    """Grades one submission.

    Args:
        entry: The hand-in.
        session: How to grade.
        progress: Called with the student and what is being done.
        alone: Whether nothing else is graded meanwhile.

    Returns:
        A result, whatever happens (only Ctrl-C passes through).

    Raises:
        BusyError: The machine was too busy, and it is not alone on it.
    """
    if entry.notebook is None:
        return verdict_for_all(session.lab, entry.student, "", Status.LOST, entry.problem)
    try:
        return _grader(session)(
            entry.notebook,
            session.lab,
            student=entry.student,
            progress=(lambda stage, detail: progress(entry.student, f"{stage} {detail}".strip())) if progress else None,
            **session.options,
        )
    except SubmissionError as error:
        return verdict_for_all(
            session.lab, entry.student, entry.notebook.name, Status.LOST, str(error), identity(entry.notebook)
        )
    except BusyError as error:
        if not alone:
            raise
        reason = f"Your points are withheld, not lost: {error}"
    except GpulabsError as error:
        reason = f"The grader failed, your points are withheld, not lost: {error}"
    except Exception as error:  # a bug of the grader must not become a student's zero, nor end the run
        reason = f"The grader failed, your points are withheld, not lost: {type(error).__name__}: {error}"
    name, sha256 = entry.notebook.name, identity(entry.notebook)
    return verdict_for_all(session.lab, entry.student, name, Status.WITHHELD, reason, sha256)


def require_isolation(allow_untrusted: bool, wanted: str | None = None) -> None:
    """Refuses to run submissions where nothing stands between them and this account's files.

    Args:
        allow_untrusted: The instructor's explicit word that all submissions are trusted.
        wanted: The tier to use from now on: `strong`, `medium`, `none` or `auto`.

    Raises:
        BadInputError: There is no such tier.
        MissingError: No isolation, and no such word; or this machine can't give the tier that is wanted.
    """
    from autograder import isolation

    tier = isolation.choose(wanted) if wanted else isolation.tier()
    if str(tier.name) == "none" and not allow_untrusted:
        why, advice = f"student code can't be isolated here ({tier.description})", "install bubblewrap"
        if wanted == "none":
            why, advice = "isolation none was asked for: every file of this account is open", "say --isolation auto"
        raise MissingError(f"{why}; {advice}, or give --allow-untrusted if you trust every submission")


def verdict_for_all(lab: str, student: str, source: str, status: Status, reason: str, sha256: str = "") -> Result:
    """Returns a result in which every item of the lab has the same status and reason."""
    items = tuple(
        ItemScore(task.id, item.id, item.title, 0.0, item.points, status, reason)
        for task in load(lab).tasks
        for item in task.items
    )
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Result(load(lab).id, student, source, sha256, items, started_at=now, notes=(reason,))


def identity(path: Path) -> str:
    """Returns a file's sha256, or an empty text where it can't be read or is too large to be a notebook."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return ""
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def line(done: Done) -> str:
    """Returns one line about a finished submission, clean for a terminal; with the reason if it was not graded."""
    result = done.result
    text = f"{one_line(result.student, 60)}: {result.points:g} of {result.max_points:g} points"
    for status in (Status.PENDING, Status.WITHHELD):
        if result.points_with(status):
            text += f", {result.points_with(status):g} {status.value}"
    text += " (graded before)" if done.kept else f" ({result.duration_s:.1f} s)"
    reasons = {item.reason for item in result.items}  # of a notebook that can't be read, or a failure, there is one
    whole = len(reasons) == 1 and reasons == set(result.notes)
    return f"{text}: {one_line(reasons.pop(), 400)}" if whole else text


def _grader(session: Session) -> Grade:
    if session.grade is not None:
        return session.grade
    from autograder import path  # pulls in all stages; `--help` does without

    return path.grade


def _kept(entry: Entry, session: Session) -> Result | None:
    sha256 = identity(entry.notebook) if entry.notebook else ""
    return session.store.done(session.lab, entry.student, sha256) if session.store and sha256 else None


def _keep(result: Result, session: Session) -> Done:
    remark = session.store.add(result) if session.store else ""
    session.finished += 1
    return Done(result, remark=remark)


def _grade_many(
    todo: Sequence[Entry], session: Session, progress: Progress | None, crowded: list[Entry]
) -> Generator[Done, None, None]:
    """Grades side by side; whose machine was too busy goes into `crowded`."""
    stop = threading.Event()

    def work(entry: Entry) -> Result | None:
        if stop.is_set():
            return None
        try:
            return grade_one(entry, session, progress, alone=False)
        except BusyError:
            crowded.append(entry)
            return None

    pool = ThreadPoolExecutor(session.jobs, thread_name_prefix="grade")
    pending: set[Future[Result | None]] = {pool.submit(work, entry) for entry in todo}
    try:
        while pending:
            finished, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                if (result := future.result()) is not None:
                    yield _keep(result, session)
    except (KeyboardInterrupt, GeneratorExit):  # the latter when Ctrl-C met the caller, between two results
        stop.set()
        finished, _ = wait(pending)
        for future in finished:
            if not future.cancelled() and future.exception() is None and (result := future.result()) is not None:
                _keep(result, session)
        raise
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _in_folder(folder: Path, student: str) -> Entry:
    notebooks = sorted(path for path in folder.glob("*.ipynb") if not path.name.startswith("."))
    named = [path for path in notebooks if path.stem == folder.name]
    if len(named) == 1 or len(notebooks) == 1:
        return _checked((named or notebooks)[0], student)
    if not notebooks:
        return Entry(
            student, None, f"{student}/{folder.name}: no notebook was handed in (expected {folder.name}.ipynb)"
        )
    listed = ", ".join(path.name for path in notebooks[:5])
    return Entry(
        student, None, f"{student}/{folder.name}: several notebooks ({listed}), none named {folder.name}.ipynb"
    )


def _checked(path: Path, student: str) -> Entry:
    """Refuses links, which could point at another student's work, and pipes, which never end."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode) or path.parent.is_symlink():
        return Entry(student, None, f"{path.name}: a link, not a file; hand in the notebook itself")
    if not stat.S_ISREG(mode):
        return Entry(student, None, f"{path.name}: not a regular file; hand in the notebook itself")
    return Entry(student, path)
