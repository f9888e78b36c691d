"""The one way from a submission to a `Result`.

    submission -> program -> plan + simulate -> inspection -> launch -> score

`check()` in a notebook, `gpulabs check`, `autograder grade` and nbgrader all call `grade`.
"""

from __future__ import annotations

import dataclasses
import datetime
import errno
import functools
import os
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autograder import calibration, decision, figures, isolation, numba_abi, oracle, planning, questions, validate
from autograder import cases as case_module
from autograder import judge as judging
from autograder.calibration import review
from autograder.evidence import Case, Measurement, PlanSet
from autograder.inspection import Inspection, inspect_all
from autograder.ladder_figure import ladder_figure
from autograder.planning import TaskRequest
from autograder.program import program
from autograder.result import Figure, ItemScore, Result
from autograder.rigs import Desk
from autograder.rubric import TIMED_KINDS, Rubric, Task, load
from autograder.score import TaskEvidence, score
from autograder.submission import Submission, read_notebook
from autograder.timing_stage import measure_task
from gpulabs import devices
from gpulabs.errors import BadInputError, BusyError, GpulabsError, GraderError, MissingGpuError

Progress = Callable[[str, str], None]

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
        where = _where(device)
        chosen = secrets.randbits(63) if seed is None else seed
        run = _Run(rubric, read, where, chosen, progress or (lambda *_: None), pictures, gpu)
        with tempfile.TemporaryDirectory(prefix="gpulabs-", ignore_cleanup_errors=True) as folder:
            return run.result(Path(folder), tasks, student)
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


def _where(device: str) -> str:
    if device not in DEVICES:
        raise BadInputError(f"device {device!r}: expected one of {', '.join(DEVICES)}")
    if device == "simulator":
        return "simulator"
    found = devices.has_gpu()
    if device == "gpu" and not found:
        raise MissingGpuError("no GPU found: run with --device simulator, or ask 'gpulabs doctor' what is missing")
    return "gpu" if found else "simulator"


@dataclass
class _Run:
    """One grading; holds what its stages share."""

    rubric: Rubric
    submission: Submission
    where: str
    seed: int
    progress: Progress
    pictures: bool
    gpu: int = 0
    notes: list[str] = field(default_factory=list)
    desk: Desk | None = None

    def result(self, folder: Path, tasks: Collection[str] | None, student: str) -> Result:
        """Runs all stages in a temporary folder."""
        began, started_at = time.monotonic(), datetime.datetime.now(datetime.UTC)
        chosen = [task for task in self.rubric.tasks if tasks is None or task.id in tasks]
        cases = case_module.draw(self.rubric, self.seed, self.where, tasks)
        self.desk = questions.desk(cases, self.where)
        self.progress("cases", f"{len(cases)} cases drawn")
        for name in ("plan", "simulate", "arrays", "oracle"):
            (folder / name).mkdir()
        architecture = devices.architecture(self.gpu) if self.where == "gpu" else SIMULATOR_ARCHITECTURE
        real = [case for case in cases if case.x_shape and case.values not in case_module.EXACT_VALUES]
        timed = next((case for case in cases if _kind(self.rubric, case) == "speedup"), None)
        asked = _start_oracle(real, timed, folder, self.where)
        try:
            with ThreadPoolExecutor(len(chosen) + 4) as pool:
                device, used = pool.submit(devices.header, self.gpu), pool.submit(_data_sets, cases)
                found = self._evidence(pool, chosen, cases, folder, architecture)
            answer, failure = self._expect(asked)
        finally:
            if asked:
                asked.close()
        facts, yardstick = self._yardstick(device.result())
        scores: list[ItemScore] = []
        pictures: list[Figure] = []
        for task in chosen:
            self.progress("judge", task.id)
            evidence = dataclasses.replace(
                found[task.id],
                expected=answer.expected if answer else {},
                cpu_time_ms=answer.cpu_time_ms if answer else None,
                oracle_failure=failure,
                yardstick=yardstick,
            )
            scores += score(self.rubric, task, evidence, decision.decide)
            if self.pictures:
                pictures += figures.figures(task, evidence.cases, evidence.outputs, evidence.expected)
                races = evidence.measurement.races if evidence.measurement else ()
                pictures += filter(None, (ladder_figure(race, task.function) for race in races))
        self.notes += review.notes(scores)
        tier = isolation.tier()
        return Result(
            lab=self.rubric.id,
            student=student or self.submission.student,
            source=self.submission.source,
            sha256=self.submission.sha256,
            items=tuple(scores),
            figures=tuple(pictures),
            device=facts,
            isolation=f"{tier.name}: {tier.description}",
            oracle=answer.description if answer else "exact integers only" + (f" ({failure})" if failure else ""),
            data_sets=used.result(),
            seed=self.seed,
            started_at=started_at.isoformat(timespec="seconds"),
            duration_s=round(time.monotonic() - began, 2),
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _evidence(
        self,
        pool: ThreadPoolExecutor,
        chosen: Sequence[Task],
        cases: Sequence[Case],
        folder: Path,
        architecture: str,
    ) -> dict[str, TaskEvidence]:
        """Plans all tasks; then replays, assembles and launches side by side what does not wait for each other."""
        for case in cases:
            if case.x_shape and not self._only_planned(case):
                for role, array in zip("xw", case_module.inputs(case), strict=True):
                    np.save(folder / "arrays" / f"{case.id}.{role}.npy", array)
        digits = architecture.removeprefix("sm_")
        capability = int(digits[:-1]), int(digits[-1])
        stop = threading.Event()
        on_gpu = self.where == "gpu"
        self.progress("plan", "running host functions on symbolic arrays, compiling kernels")
        try:
            layout = pool.submit(numba_abi.probe_apart) if on_gpu else None
            asked = [self._request(task, cases) for task in chosen]
            plans = planning.plan(asked, folder / "plan", capability, stop=stop, desk=self.desk)
            if layout:
                layout.result()
            kernels = [task for task in chosen if task.kind == "kernel"]
            simulated = pool.submit(self._simulate, asked, plans, folder, stop)
            structures = {task.id for task in kernels if any(item.kind == "structure" for item in task.items)}
            self.progress("assemble", f"kernels of {len(kernels)} tasks")
            inspected = inspect_all(
                [plans[task.id] for task in kernels], cases, architecture, on_gpu=on_gpu, structures=structures
            )
            launch = functools.partial(self._launch, cases=cases, folder=folder, architecture=architecture, stop=stop)
            launched = {
                task.id: pool.submit(launch, task, plans[task.id], inspected[task.id]) for task in kernels if on_gpu
            }
            ran = simulated.result()
            found = {}
            for task in chosen:
                own = tuple(case for case in cases if case.task == task.id)
                evidence = TaskEvidence(own, plans[task.id])
                if task.kind == "kernel":
                    evidence = self._with_code(evidence, inspected[task.id], ran.get(task.id), folder)
                else:
                    logs = {case.id: self.desk.log(case.id) for case in own} if self.desk else {}
                    pending = {case.id: why for case in own if (why := questions.pending(case, self.where))}
                    evidence = dataclasses.replace(evidence, logs=logs, pending=pending)
                if task.id in launched:
                    evidence = dataclasses.replace(evidence, **launched[task.id].result())
                found[task.id] = evidence
            return found
        finally:
            # After Ctrl-C too: no worker stays behind.
            stop.set()

    def _simulate(
        self, asked: Sequence[TaskRequest], plans: Mapping[str, PlanSet], folder: Path, stop: threading.Event
    ) -> dict[str, Measurement]:
        """Replays what has to be simulated."""
        wanted = [self._to_simulate(request, plans[request.program.task]) for request in asked]
        wanted = [request for request in wanted if request.cases]
        self.progress("simulate", f"{sum(len(request.cases) for request in wanted)} cases")
        for name in (f"{case.id}.{role}.npy" for request in wanted for case in request.cases for role in "xw"):
            (folder / "simulate" / name).write_bytes((folder / "arrays" / name).read_bytes())
        return planning.simulate(wanted, plans, folder / "simulate", stop=stop)

    def _request(self, task: Task, cases: Sequence[Case]) -> TaskRequest:
        own = tuple(case for case in cases if case.task == task.id and not questions.pending(case, self.where))
        functions = {name: f"{name}({rest})" for name, rest in re.findall(r"(\w+)\(([^)]*)\)", task.signature)}
        traced = tuple(case.id for case in own if task.item(case.item).kind == "coalescing")
        lines = any(item.kind == "structure" for item in task.items)
        return TaskRequest(program(self.submission.cells, task.id), task.kind, functions, own, traced, lines)

    def _to_simulate(self, request: TaskRequest, plans: PlanSet) -> TaskRequest:
        """A kernel task's cases that may run; on a GPU only those whose memory traffic is counted."""
        allowed = {
            case.id
            for case in request.cases
            for plan in plans.plans
            if plan.case == case.id and case.x_shape and validate.check_plan(plan, case) is None
        }
        if request.kind != "kernel":
            allowed = set()
        elif self.where == "gpu":
            allowed &= set(request.trace)
        chosen = (case for case in request.cases if case.id in allowed and not self._only_planned(case))
        return dataclasses.replace(request, cases=tuple(chosen))

    def _only_planned(self, case: Case) -> bool:
        """Whether a case is a speed workload and there is no GPU: it is compiled, for its structure, and not run."""
        return self.where == "simulator" and _kind(self.rubric, case) in TIMED_KINDS

    def _yardstick(self, header: devices.DeviceHeader) -> tuple[dict[str, Any], review.Yardstick]:
        """Gives the report's device header, and what races are held against."""
        facts = header.as_dict() | {"where": self.where}
        if self.where != "gpu":
            return facts, review.Yardstick()
        known, line = calibration.current(self.gpu)
        return facts | {"calibration": line}, review.Yardstick(review.roof(header), known)

    def _expect(self, asked: oracle.Oracle | None) -> tuple[oracle.Answer | None, str]:
        if asked is None:
            return None, ""
        self.progress("oracle", "waiting for TensorFlow's answers")
        try:
            return asked.wait(ORACLE_S), ""
        except GraderError as error:
            return None, str(error)

    def _with_code(
        self, evidence: TaskEvidence, found: Inspection, ran: Measurement | None, folder: Path
    ) -> TaskEvidence:
        """Adds what was assembled and simulated of a kernel task."""
        self.notes += [found.note] if found.note else []
        outputs = judging.read_outputs(folder / "simulate", evidence.cases)
        evidence = dataclasses.replace(
            evidence, resources=found.resources, structures=found.structures, faults=found.faults
        )
        if self.where == "simulator":
            return dataclasses.replace(evidence, measurement=ran, outputs=outputs)
        return dataclasses.replace(evidence, simulated=ran, simulated_outputs=outputs)

    def _launch(
        self,
        task: Task,
        plans: PlanSet,
        found: Inspection,
        cases: Sequence[Case],
        folder: Path,
        architecture: str,
        stop: threading.Event,
    ) -> dict[str, Any]:
        """Runs a task on the GPU; returns fields of its `TaskEvidence`."""
        self.progress("launch", task.id)
        refused = {fault.case for fault in found.faults}
        own = [case for case in cases if case.task == task.id]
        runnable = () if None in refused else tuple(case for case in own if case.id not in refused)
        work = folder / "launch" / task.id
        try:
            measured = measure_task(
                task,
                plans,
                found.cubins,
                runnable,
                folder / "arrays",
                work,
                architecture,
                self.progress,
                gpu=self.gpu,
                stop=stop,
            )
        except BusyError:
            raise  # as in the other stages: all of it is graded again, alone
        except GraderError as error:
            return {"failure": str(error)}
        return {"measurement": measured, "outputs": judging.read_outputs(work, runnable)}


def _kind(rubric: Rubric, case: Case) -> str:
    return rubric.task(case.task).item(case.item).kind


def _start_oracle(real: Sequence[Case], timed: Case | None, folder: Path, where: str) -> oracle.Oracle | None:
    if not real and timed is None:
        return None
    device = "gpu" if where == "gpu" else "cpu"
    return oracle.start(real, folder / "oracle", folder / "oracle", device=device, cpu_time_case=timed)


def _data_sets(cases: Sequence[Case]) -> dict[str, str]:
    """Which data sets the cases used, by identity."""
    if not any(case.values == "photo" for case in cases):
        return {}
    from gpulabs import data

    identity: Any = data.identity("photographs")
    return {"photographs": str(identity)}
