"""Grades a class: gives each submission a reasoned score, whatever happens to it, and keeps what is finished.

Several are graded side by side, each in processes of its own; one thread, the caller's, writes to the store. A run
that was killed goes on where it was: what the store has of this very file is kept, anything else is graded.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import queue
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.handed_in import Entry as Entry
from autograder.handed_in import find as find
from autograder.report.clean import one_line
from autograder.result import ItemScore, Result, Status
from autograder.rubric import load
from autograder.store import Store
from autograder.submission import MAX_BYTES
from gpulabs import devices
from gpulabs.errors import BusyError, GpulabsError, MissingError, SubmissionError

Progress = Callable[[str, str], None]
Grade = Callable[..., Result]
Elsewhere = Callable[[Sequence[Entry], "Session", Progress | None], Generator[tuple[Entry, Result], None, None]]
"""Grades on other machines: yields each submission with its result, as they come."""


JOB_BYTES, RESERVED_BYTES = 2**30, 2 * 2**30
"""Of memory: two workers with Numba take 0.6 GiB; TensorFlow as the oracle, once, 1 to 2 GiB."""

MOST_JOBS = 16
"""A race has a GPU to itself: more side by side would only wait for their turn."""


class StopAtOnce(KeyboardInterrupt):
    """Ctrl-C came twice: threads still grade, and end only with the process."""


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
        accept_lower: Let a lower result of the same file count; otherwise it is kept and flagged.
        gpus: Numbers of the GPUs to use; each submission gets one of them.
        grade: `autograder.path.grade`, or what stands for it.
        options: Passed on to `grade`: `device`, `seed`.
        finished: How many are done so far, those kept from an earlier run included.
        elsewhere: What grades in place of this machine, e.g. `class_jobs.Cluster`.
        say: Told what Ctrl-C waits for.
    """

    lab: str
    store: Store | None = None
    jobs: int = 1
    again: bool = False
    accept_lower: bool = False
    gpus: Sequence[int] = ()
    grade: Grade | None = None
    options: dict[str, Any] = field(default_factory=dict)
    finished: int = 0
    elsewhere: Elsewhere | None = None
    say: Callable[[str], None] = lambda _: None
    free_gpus: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        """Hands each GPU out as often as jobs share it."""
        for number in range(max(self.jobs, len(self.gpus))):
            if self.gpus:
                self.free_gpus.put(self.gpus[number % len(self.gpus)])


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
        earlier = None if session.again else kept(entry, session)
        if earlier is not None:
            session.finished += 1
            yield Done(earlier, kept=True)
        else:
            todo.append(entry)
    if session.elsewhere:
        with contextlib.closing(session.elsewhere(todo, session, progress)) as stream:
            for entry, result in stream:
                yield _keep(entry, result, session)
        return
    if session.jobs <= 1:
        for entry in todo:
            yield _keep(entry, grade_one(entry, session, progress), session)
        return
    crowded: list[Entry] = []
    yield from _grade_many(todo, session, progress, crowded)
    for entry in crowded:
        yield _keep(entry, grade_one(entry, session, progress), session)


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
        status = Status.WITHHELD if entry.ours else Status.LOST
        return verdict_for_all(session.lab, entry.student, "", status, entry.problem)
    gpu = session.free_gpus.get() if session.gpus else None
    try:
        entry.notebook.open("rb").close()  # what this machine can't read is no fault of the student's
        return _grader(session)(
            entry.notebook,
            session.lab,
            student=entry.student,
            progress=(lambda stage, detail: progress(entry.student, f"{stage} {detail}".strip())) if progress else None,
            **({} if gpu is None else {"gpu": gpu}),
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
    except OSError as error:
        reason = f"The file could not be read, your points are withheld, not lost: {error.strerror or error}"
    except Exception as error:  # a bug of the grader must not become a student's zero, nor end the run
        reason = f"The grader failed, your points are withheld, not lost: {type(error).__name__}: {error}"
    finally:
        if gpu is not None:
            session.free_gpus.put(gpu)
    name, sha256 = entry.notebook.name, identity(entry.notebook)
    return verdict_for_all(session.lab, entry.student, name, Status.WITHHELD, reason, sha256)


def sensible_jobs() -> int:
    """How many submissions to grade at a time: one for each core, fewer where memory is short."""
    import psutil

    free = psutil.virtual_memory().available - RESERVED_BYTES
    return max(1, min(devices.cpu_cores(), MOST_JOBS, int(free) // JOB_BYTES))


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


def kept(entry: Entry, session: Session) -> Result | None:
    """What the store has of this very hand-in, if there is nothing left to find out about it."""
    if session.store is None:
        return None
    if entry.notebook is None:
        found = session.store.standing(session.lab, entry.student)
        return found if found and not entry.ours and found.notes[:1] == (entry.problem,) else None
    newest, sha256 = session.store.newest(session.lab, entry.student), identity(entry.notebook)
    if newest is None or not sha256:
        return None
    if session.gpus and newest.device.get("where") == "simulator" and newest.points_with(Status.PENDING):
        return None  # what was pending for want of a GPU can be settled now
    return session.store.done(session.lab, entry.student, sha256)


def _keep(entry: Entry, result: Result, session: Session) -> Done:
    remark = session.store.add(result, accept_lower=session.accept_lower) if session.store else ""
    session.finished += 1
    said = "; ".join(filter(None, (f"{entry.student}: {entry.remark}" if entry.remark else "", remark)))
    return Done(result, remark=said)


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
    whose = {pool.submit(work, entry): entry for entry in todo}
    pending: set[Future[Result | None]] = set(whose)
    try:
        while pending:
            finished, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                if (result := future.result()) is not None:
                    yield _keep(whose[future], result, session)
    except (KeyboardInterrupt, GeneratorExit):  # the latter when Ctrl-C met the caller, between two results
        stop.set()
        at_once = not _waited(session, whose, pending)
        for future in pending:
            graded = future.done() and not future.cancelled() and future.exception() is None
            if graded and (result := future.result()) is not None:
                _keep(whose[future], result, session)
        if at_once:
            raise StopAtOnce from None
        raise
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _waited(
    session: Session, whose: Mapping[Future[Result | None], Entry], pending: set[Future[Result | None]]
) -> bool:
    """Waits for what is being graded and says so; False if Ctrl-C was pressed again."""
    try:
        running = [future for future in pending if future.running() or not future.cancel()]
        if names := [whose[future].student for future in running if not future.done()]:
            shown = ", ".join(one_line(name, 40) for name in names[:4]) + (" ..." if len(names) > 4 else "")
            session.say(
                f"Ctrl-C: {len(names)} submissions are being graded ({shown}) and will be kept, which may take a "
                "minute; Ctrl-C again stops at once and loses nothing else"
            )
        wait(running)
    except KeyboardInterrupt:
        return False
    return True
