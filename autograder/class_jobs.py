"""A class as jobs of a cluster: each grades some submissions with `grade_all` and writes a file for each result.

The run that submitted them is the store's only writer: it looks for those files and hands them on. They stay until
all is done, so a run that was killed takes them at its next start, cancels what is left of its jobs, and submits the
rest. A job that Slurm requeues, for its node died or its time was up, goes on after the results that it has.

    <out>/.slurm/<lab>/<round>/job-003.json      what a job is asked for
                              /in/17/lab1.ipynb   the submission: archives are unpacked where nodes don't see it
                              /out/17.json        the result, written as a whole
                              /submitit/          scripts and logs
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from autograder import slurm, temporary
from autograder.classroom import (
    Entry,
    Grade,
    Progress,
    Session,
    grade_all,
    grade_one,
    identity,
    require_isolation,
    sensible_jobs,
    verdict_for_all,
)
from autograder.evidence import decode
from autograder.result import Result, Status
from autograder.store import to_json, write_atomically
from gpulabs import devices
from gpulabs.errors import BadInputError, GpulabsError, GraderError

FOLDER = ".slurm"
MOST_A_JOB = 10
"""Submissions: enough that a job's start, 15 s, matters little, and few enough to share out among many GPUs."""
MOST_TRIES = 3
LOOK_S, ASK_S = 0.5, 5.0
"""Between two looks at the results, between two questions to Slurm."""
LATE_S = 10.0
"""A file on a shared disk may be seen so much later than its job's end."""
SILENCE_S = 900.0
"""Slurm may be restarted while a class is graded."""


@dataclass(frozen=True)
class Asked:
    """What a job is asked for.

    Attributes:
        lab: The lab's id.
        entries: Number -> (student, notebook, its sha256).
        options: Passed on to `grade`.
        gpu: Whether it was to have a GPU.
        isolation: The tier that is wanted, or None.
        allow_untrusted: Grade even where there is none.
    """

    lab: str
    entries: dict[str, tuple[str, str, str]]
    options: dict[str, Any]
    gpu: bool = False
    isolation: str | None = None
    allow_untrusted: bool = False


@dataclass(frozen=True)
class Cluster:
    """Grades a class on a cluster; an `Elsewhere` of `classroom`.

    Attributes:
        out: The results folder, which the nodes share.
        wishes: How jobs are submitted.
        isolation: The tier that is wanted on the nodes, or None.
        allow_untrusted: Grade even where there is none.
    """

    out: Path
    wishes: slurm.Wishes
    isolation: str | None = None
    allow_untrusted: bool = False

    def __call__(
        self, todo: Sequence[Entry], session: Session, progress: Progress | None = None
    ) -> Generator[tuple[Entry, Result], None, None]:
        """Grades submissions and yields each with its result, as results come.

        Raises:
            GraderError: Slurm refuses the jobs, or has not answered for long.
        """
        place = (self.out / FOLDER / session.lab).resolve()
        if "%" in str(place):
            raise BadInputError(f"{self.out}: Slurm takes '%' in a path for a pattern; give another folder with --out")
        name = slurm.name_of(place)
        if slurm.active(name):  # of a run that was killed
            slurm.cancel(name, wait=True)
        left = {entry.student: entry for entry in todo}
        for student, result in [] if session.again else self._left_over(place, left, session):
            yield left.pop(student), result
        shutil.rmtree(place, ignore_errors=True)
        for entry in [entry for entry in left.values() if entry.notebook is None or not identity(entry.notebook)]:
            yield left.pop(entry.student), grade_one(entry, replace(session, gpus=()))
        try:
            state = ""
            for number in range(MOST_TRIES):
                if left:
                    size = self._size(len(left)) if number == 0 else 1  # alone: if one ends its job, no other pays
                    found = self._round(place / str(number), size, dict(left), session, progress)
                    state = yield from _popped(left, found)
        finally:
            with contextlib.suppress(GraderError):  # the next start cancels them
                slurm.cancel(name)
        if not left:
            shutil.rmtree(place, ignore_errors=True)
        for entry in left.values():
            reason = f"its Slurm job ended {MOST_TRIES} times without a result ({state}); the logs are in {place}"
            yield entry, _withheld(session.lab, entry, reason)

    def _size(self, count: int) -> int:
        """Submissions a job: all jobs that may run at a time get some, and none gets too many."""
        return max(1, min(MOST_A_JOB, math.ceil(count / (self.wishes.at_a_time or 1))))

    def _round(
        self, folder: Path, size: int, left: dict[str, Entry], session: Session, progress: Progress | None
    ) -> Generator[tuple[str, Result], None, str]:
        """Submits what is left and yields (student, result) as they come; returns the last bad state of a job."""
        entries = list(left.values())
        files = []
        for first in range(0, len(entries), size):
            asked = self._asked(folder, first, entries[first : first + size], session)
            files.append(folder / f"job-{first:05}.json")
            write_atomically(files[-1], json.dumps(vars(asked)).encode())
        (folder / "out").mkdir()
        name = slurm.name_of(folder.parent)
        numbers = slurm.submit(Work(session.grade), files, folder / "submitit", name, self.wishes)
        jobs = dict(zip(numbers, [_read(path) for path in files], strict=True))
        return (yield from _results(folder, jobs, name, progress))

    def _asked(self, folder: Path, first: int, entries: Sequence[Entry], session: Session) -> Asked:
        told = {}
        for number, entry in enumerate(entries, first):
            assert entry.notebook is not None
            copy = folder / "in" / str(number) / entry.notebook.name
            copy.parent.mkdir(parents=True)
            shutil.copyfile(entry.notebook, copy)
            told[str(number)] = entry.student, str(copy), identity(copy)
        gpu, tier, trusted = self.wishes.gpu, self.isolation, self.allow_untrusted
        return Asked(session.lab, told, session.options, gpu, tier, trusted)

    def _left_over(self, place: Path, left: dict[str, Entry], session: Session) -> list[tuple[str, Result]]:
        """Results that jobs of an earlier run have written, of these files, and graded in this way."""
        found: dict[str, Result] = {}
        for path in sorted(place.glob("*/job-*.json")):
            with contextlib.suppress(GpulabsError):
                asked = _read(path)
                if (asked.options, asked.gpu) != (session.options, self.wishes.gpu):
                    continue
                for number, (student, _, sha256) in asked.entries.items():
                    notebook = left[student].notebook if student in left else None
                    if notebook and identity(notebook) == sha256:
                        result = _result(path.parent, number, asked)
                        if result and not result.points_with(Status.WITHHELD):
                            found[student] = result
        return list(found.items())


def _popped(
    left: dict[str, Entry], found: Generator[tuple[str, Result], None, str]
) -> Generator[tuple[Entry, Result], None, str]:
    """Names a result's entry, and takes it from what is left."""
    while True:
        try:
            student, result = next(found)
        except StopIteration as end:
            return str(end.value)
        yield left.pop(student), result


class Work:
    """What runs in a job; submitit pickles it, and asks `checkpoint` how to go on when time runs out.

    Args:
        grade: What stands for `path.grade`, or None.
    """

    def __init__(self, grade: Grade | None = None) -> None:
        self._grade = grade

    def __call__(self, asked: str) -> None:
        """Grades what a file asks for and has no result yet."""
        # Slurm ends a job so. What is finished is written, and all that runs below ends with this process.
        signal.signal(signal.SIGTERM, _end)
        grade_job(Path(asked), self._grade)

    def checkpoint(self, asked: str) -> Any:
        """The same again: what is finished stays."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, asked)


def grade_job(path: Path, grade: Grade | None = None) -> None:
    """Grades the submissions of one job, on its node, and writes each result when it is finished.

    Args:
        path: The job's file.
        grade: What stands for `path.grade`, or None.
    """
    temporary.sweep()  # what jobs of an earlier run left on this node
    asked = _read(path)
    todo = {
        student: (number, Entry(student, Path(notebook)))
        for number, (student, notebook, _) in asked.entries.items()
        if _result(path.parent, number, asked) is None
    }
    cores = int(os.environ.get("SLURM_CPUS_PER_TASK", "1"))
    jobs, gpus = min(cores, sensible_jobs()), range(devices.gpu_count())
    session = Session(asked.lab, jobs=jobs, gpus=gpus, grade=grade, options=asked.options)
    try:
        if grade is None:
            require_isolation(asked.allow_untrusted, asked.isolation)
        done = (done.result for done in grade_all([entry for _, entry in todo.values()], session))
    except GpulabsError as error:  # this node can't grade anything
        done = (_withheld(asked.lab, entry, str(error)) for _, entry in todo.values())
    for result in done:
        content = json.dumps(to_json(result), allow_nan=False).encode()
        write_atomically(path.parent / "out" / f"{todo[result.student][0]}.json", content)


def _end(_: int, __: FrameType | None) -> None:
    os._exit(128 + signal.SIGTERM)


def _results(
    folder: Path, jobs: dict[str, Asked], name: str, progress: Progress | None
) -> Generator[tuple[str, Result], None, str]:
    """Yields (student, result) of jobs until all are there or their jobs have ended; returns the last bad state."""
    open_numbers = {(job, number) for job, asked in jobs.items() for number in asked.entries}
    ended: dict[str, float] = {}
    state, asked_at, answered_at = "", 0.0, time.monotonic()
    while open_numbers:
        for job, number in sorted(open_numbers):
            if (result := _result(folder, number, jobs[job])) is not None:
                open_numbers.discard((job, number))
                yield result.student, result
        now = time.monotonic()
        gone = {job for job, since in ended.items() if now - since > LATE_S}
        open_numbers = {(job, number) for job, number in open_numbers if job not in gone}
        if now - asked_at > ASK_S and open_numbers:
            asked_at = now
            try:
                known = slurm.states(name)
                answered_at = time.monotonic()
            except GraderError:
                if now - answered_at > SILENCE_S:
                    raise
                continue
            for job in jobs:
                said = known.get(job, "gone")
                if said in slurm.ENDED or said == "gone":
                    ended.setdefault(job, now)
                    state = state if said == "COMPLETED" else said
                else:
                    ended.pop(job, None)  # requeued
            if progress:
                running = sum(said == "RUNNING" for said in known.values())
                progress("Slurm", f"{running} jobs run, {len(jobs) - len(ended) - running} wait")
        if open_numbers:
            time.sleep(LOOK_S)
    return state


def _read(path: Path) -> Asked:
    try:
        return decode(Asked, json.loads(path.read_text("utf-8")), path.name)
    except (OSError, ValueError) as error:
        raise GraderError(f"{path}: can't be read ({error})") from error


def _result(folder: Path, number: str, asked: Asked) -> Result | None:
    """A result that a job has written; None if there is none, or one of something else."""
    student, _, sha256 = asked.entries[number]
    try:
        result = decode(Result, json.loads((folder / "out" / f"{number}.json").read_text("utf-8")), number)
    except (OSError, ValueError, TypeError, BadInputError):
        return None
    same = (result.lab, result.student) == (asked.lab, student) and result.sha256 == sha256
    return result if same else None


def _withheld(lab: str, entry: Entry, why: str) -> Result:
    name, sha256 = (entry.notebook.name, identity(entry.notebook)) if entry.notebook else ("", "")
    reason = f"The grader failed, your points are withheld, not lost: {why}"
    return verdict_for_all(lab, entry.student, name, Status.WITHHELD, reason, sha256)
