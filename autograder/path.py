"""The one way from a submission to a `Result`.

    submission -> program -> plan + simulate -> inspection -> launch, train -> score

`check()` in a notebook, `gpulabs check`, `autograder grade` and nbgrader all call `grade`.
"""

from __future__ import annotations

import dataclasses
import datetime
import errno
import functools
import os
import secrets
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from autograder import (
    calibration,
    decision,
    figures,
    isolation,
    oracle,
    questions,
    temporary,
)
from autograder import cases as case_module
from autograder.calibration import review
from autograder.evidence import Case
from autograder.ladder_figure import ladder_figure
from autograder.result import Figure, ItemScore, Result
from autograder.rubric import Rubric, Task, load
from autograder.score import TaskEvidence, score
from autograder.stages import Stages
from autograder.submission import Submission, read_notebook
from autograder.timing_stage import Progress, alone_on
from gpulabs import devices
from gpulabs.errors import BadInputError, GpulabsError, GraderError, MissingGpuError

SIMULATOR_ARCHITECTURE = "sm_80"
"""What kernels are compiled for where there is no GPU: the oldest with asynchronous copies and TF32 tensor cores."""

ORACLE_S = 120.0
"""TensorFlow's import alone takes 10 s on a slow disk."""

DEVICES = ("auto", "gpu", "simulator")


def grade(
    notebook: Path | str | Submission,
    lab: str,
    *,
    student: str = "",
    tasks: Collection[str] | None = None,
    seed: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    pictures: bool = True,
    gpu: int = 0,
) -> Result:
    """Grades one submission.

    Args:
        notebook: The notebook's path, or a submission already read.
        lab: The lab, by id or short name.
        student: Whose it is; from the file's place, never from its content.
        tasks: Ids of the tasks to grade; all by default.
        seed: Of the drawn cases; a fresh secret one by default.
        device: `auto`, `gpu` or `simulator`.
        progress: Called with (stage, detail) as work goes on.
        pictures: Whether to draw the report's figures.
        gpu: Number of the GPU to use.

    Returns:
        Points with reasons, and how they were come by.

    Raises:
        SubmissionError: The notebook can't be read as a submission of this lab.
        BadInputError: An unknown lab, task or device.
        MissingGpuError: `device` is `gpu` and there is none.
        GraderError: The grader itself failed; nothing is lost.
    """
    try:
        isolation.require_posix()
        rubric = load(lab)
        read = notebook if isinstance(notebook, Submission) else read_notebook(Path(notebook), rubric.id, student)
        chosen = [task for task in rubric.tasks if tasks is None or task.id in tasks]
        began, started_at = time.monotonic(), datetime.datetime.now(datetime.UTC)
        with temporary.folder("grade") as folder:
            stages = _stages(
                rubric, read, folder, where_of(device), secrets.randbits(63) if seed is None else seed, chosen,
                progress or (lambda *_: None), gpu,
            )  # fmt: skip
            result = _result(stages, chosen, pictures)
        return dataclasses.replace(
            result,
            student=student or read.student,
            started_at=started_at.isoformat(timespec="seconds"),
            duration_s=round(time.monotonic() - began, 2),
        )
    except GpulabsError:
        raise
    except Exception as error:  # whatever else goes wrong here is ours or the machine's, never the student's
        if os.environ.get("GPULABS_TRACEBACK"):
            raise
        raise GraderError(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    """Says in a sentence what stopped the grader, and what to do."""
    if isinstance(error, MemoryError):
        return "this machine ran out of memory while grading; close other programs, or grade with --jobs 1"
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else f" (temporary files lie in {tempfile.gettempdir()})"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"the disk is full{where}; free some space and grade again"
        return f"the system refused: {error.strerror or error}{where}; grade again"
    text = " ".join(str(error).split())[:300]
    return f"internal error, {type(error).__name__}: {text}; a bug of gpulabs, GPULABS_TRACEBACK=1 shows where"


def where_of(device: str) -> str:
    """Where kernels run, `gpu` or `simulator`, for one of `DEVICES`.

    Raises:
        BadInputError: It is none of them.
        MissingGpuError: It is `gpu` and there is none.
    """
    if device not in DEVICES:
        raise BadInputError(f"device {device!r}: expected one of {', '.join(DEVICES)}")
    if device == "simulator":
        return "simulator"
    found = devices.has_gpu()
    if device == "gpu" and not found:
        raise MissingGpuError("no GPU found: run with --device simulator, or ask 'gpulabs doctor' what is missing")
    return "gpu" if found else "simulator"


def _stages(
    rubric: Rubric,
    submission: Submission,
    folder: Path,
    where: str,
    seed: int,
    chosen: Sequence[Task],
    progress: Progress,
    gpu: int,
) -> Stages:
    """Draws the cases; everything is ready to run."""
    for name in ("plan", "simulate", "arrays", "oracle"):
        (folder / name).mkdir()
    cases = case_module.draw(rubric, seed, where, {task.id for task in chosen})
    progress("cases", f"{len(cases)} cases drawn")
    architecture = devices.architecture(gpu) if where == "gpu" else SIMULATOR_ARCHITECTURE
    desk = questions.desk(cases, where, gpu, functools.partial(alone_on, gpu, progress))
    return Stages(rubric, submission, where, seed, cases, folder, architecture, progress, gpu, desk)


def _result(stages: Stages, chosen: Sequence[Task], pictures: bool) -> Result:
    """Runs all stages, with the oracle beside them, and judges what they found."""
    asked = _start_oracle(stages)
    try:
        with ThreadPoolExecutor(len(chosen) + 4) as pool:
            device = pool.submit(devices.header, stages.gpu)
            used = pool.submit(_data_sets, stages.cases)
            found = stages.evidence(pool, chosen)
        answer, failure = _expect(asked, stages.progress)
    finally:
        if asked:
            asked.close()
    facts, yardstick = device_facts(device.result(), stages.where, stages.gpu)
    found = {
        task: dataclasses.replace(
            evidence,
            expected=answer.expected if answer else {},
            cpu_time_ms=answer.cpu_time_ms if answer else None,
            oracle_failure=failure,
            yardstick=yardstick,
        )
        for task, evidence in found.items()
    }
    scores: list[ItemScore] = []
    for task in chosen:
        stages.progress("judge", task.id)
        scores += score(stages.rubric, task, found[task.id], decision.decide)
    tier = isolation.tier()
    return Result(
        lab=stages.rubric.id,
        student=stages.submission.student,
        source=stages.submission.source,
        sha256=stages.submission.sha256,
        items=tuple(scores),
        figures=_figures(chosen, found) if pictures else (),
        device=facts,
        isolation=f"{tier.name}: {tier.description}",
        oracle=answer.description if answer else "exact integers only" + (f" ({failure})" if failure else ""),
        data_sets=used.result(),
        seed=stages.seed,
        notes=tuple(dict.fromkeys(stages.notes + review.notes(scores))),
    )


def _figures(chosen: Sequence[Task], found: Mapping[str, TaskEvidence]) -> tuple[Figure, ...]:
    drawn: list[Figure] = []
    for task in chosen:
        evidence = found[task.id]
        drawn += figures.figures(task, evidence.cases, evidence.outputs, evidence.expected)
        races = evidence.measurement.races if evidence.measurement else ()
        drawn += filter(None, (ladder_figure(race, task.function) for race in races))
    return tuple(drawn)


def device_facts(header: devices.DeviceHeader, where: str, gpu: int) -> tuple[dict[str, Any], review.Yardstick]:
    """Gives the report's device header, and what races are held against."""
    facts = header.as_dict() | {"where": where}
    if where != "gpu":
        return facts, review.Yardstick()
    known, line = calibration.current(gpu)
    return facts | {"calibration": line}, review.Yardstick(review.roof(header), known)


def _start_oracle(stages: Stages) -> oracle.Oracle | None:
    """Starts TensorFlow where a case has real values or a CPU core is to be timed."""
    real = [case for case in stages.cases if case.x_shape and case.values not in case_module.EXACT_VALUES]
    timed = next((case for case in stages.cases if stages.rubric.kind_of(case.task, case.item) == "speedup"), None)
    if not real and timed is None:
        return None
    folder, device = stages.folder / "oracle", "gpu" if stages.where == "gpu" else "cpu"
    return oracle.start(real, folder, folder, device=device, cpu_time_case=timed)


def _expect(asked: oracle.Oracle | None, progress: Progress) -> tuple[oracle.Answer | None, str]:
    if asked is None:
        return None, ""
    progress("oracle", "waiting for TensorFlow's answers")
    try:
        return asked.wait(ORACLE_S), ""
    except GraderError as error:
        return None, str(error)


def _data_sets(cases: Sequence[Case]) -> dict[str, str]:
    """Which data sets the cases used, by identity."""
    if not any(case.values == "photo" for case in cases):
        return {}
    from gpulabs import data

    identity: Any = data.identity("photographs")
    return {"photographs": str(identity)}
