"""The stages between drawn cases and judgement: plan, simulate, inspect, launch, train."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autograder import cases as case_module
from autograder import judge as judging
from autograder import numba_abi, planning, questions, training_stage, validate
from autograder.evidence import Case, Measurement, PlanSet, Trained
from autograder.inspection import Inspection, inspect_all
from autograder.planning import TaskRequest
from autograder.program import program
from autograder.rigs import Desk
from autograder.rubric import TIMED_KINDS, Rubric, Task
from autograder.score import TaskEvidence
from autograder.submission import Submission
from autograder.timing_stage import Progress, measure_task
from gpulabs.errors import BusyError, GraderError


@dataclass
class Stages:
    """What all stages of one grading share.

    Attributes:
        rubric: The lab's.
        submission: Its code cells.
        where: `gpu` or `simulator`.
        seed: Of the drawn cases, and of what is trained.
        cases: All that are drawn.
        folder: A folder of the grading's own, with `plan`, `simulate` and `arrays` in it.
        architecture: What kernels are assembled for, e.g. `sm_90`.
        progress: Called with (stage, detail) as work goes on.
        gpu: Number of the GPU to use.
        desk: Answers the calls of functions that measure; None where no case has any.
        notes: What the report should say of the grading; stages add to it.
        stop: Set when it is over, or given up: whatever still runs ends.
    """

    rubric: Rubric
    submission: Submission
    where: str
    seed: int
    cases: Sequence[Case]
    folder: Path
    architecture: str
    progress: Progress
    gpu: int = 0
    desk: Desk | None = None
    notes: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def evidence(self, pool: Executor, chosen: Sequence[Task]) -> dict[str, TaskEvidence]:
        """Plans all tasks; then replays, assembles and launches side by side what does not wait for each other.

        Args:
            pool: Runs what goes on side by side: a thread a task, and three besides.
            chosen: The tasks to grade.

        Returns:
            What is known of each task, by id, but for the oracle's answers.
        """
        self._write_arrays()
        digits = self.architecture.removeprefix("sm_")
        capability = int(digits[:-1]), int(digits[-1])
        on_gpu = self.where == "gpu"
        self.progress("plan", "running host functions on symbolic arrays, compiling kernels")
        try:
            layout = pool.submit(numba_abi.probe_apart) if on_gpu else None
            asked = [self._request(task) for task in chosen]
            plans = planning.plan(asked, self.folder / "plan", capability, stop=self.stop, desk=self.desk)
            if layout:
                layout.result()
            kernels = [task for task in chosen if task.kind == "kernel"]
            simulated = pool.submit(self._simulate, asked, plans)
            structures = {task.id for task in kernels if any(item.kind == "structure" for item in task.items)}
            self.progress("assemble", f"kernels of {len(kernels)} tasks")
            inspected = inspect_all(
                [plans[task.id] for task in kernels],
                self.cases,
                self.architecture,
                on_gpu=on_gpu,
                structures=structures,
            )
            launched = {
                task.id: pool.submit(self._launch, task, plans[task.id], inspected[task.id])
                for task in kernels
                if on_gpu
            }
            trained = {
                task.id: pool.submit(self._train, task, plans[task.id])
                for task in chosen
                if training_stage.wanted(task)
            }
            ran = simulated.result()
            found = {}
            for task in chosen:
                if task.kind == "kernel":
                    evidence = self._of_kernels(task, plans[task.id], inspected[task.id], ran.get(task.id))
                else:
                    evidence = self._of_functions(task, plans[task.id])
                if task.id in trained:
                    evidence = dataclasses.replace(evidence, trained=trained[task.id].result())
                if task.id in launched:
                    evidence = dataclasses.replace(evidence, **launched[task.id].result())
                found[task.id] = evidence
            return found
        finally:
            # After Ctrl-C too: no worker stays behind.
            self.stop.set()

    def _write_arrays(self) -> None:
        for case in self.cases:
            if case.x_shape and not self._only_planned(case):
                for role, array in zip("xw", case_module.inputs(case), strict=True):
                    np.save(self.folder / "arrays" / f"{case.id}.{role}.npy", array)

    def _request(self, task: Task) -> TaskRequest:
        own = tuple(case for case in self._own(task) if not questions.pending(case, self.where))
        functions = {name: f"{name}({rest})" for name, rest in re.findall(r"(\w+)\(([^)]*)\)", task.signature)}
        traced = tuple(case.id for case in own if task.item(case.item).kind == "coalescing")
        lines = any(item.kind == "structure" for item in task.items)
        return TaskRequest(program(self.submission.cells, task.id), task.kind, functions, own, traced, lines)

    def _simulate(self, asked: Sequence[TaskRequest], plans: Mapping[str, PlanSet]) -> dict[str, Measurement]:
        """Replays what has to be simulated."""
        wanted = [self._to_simulate(request, plans[request.program.task]) for request in asked]
        wanted = [request for request in wanted if request.cases]
        self.progress("simulate", f"{sum(len(request.cases) for request in wanted)} cases")
        for name in (f"{case.id}.{role}.npy" for request in wanted for case in request.cases for role in "xw"):
            (self.folder / "simulate" / name).write_bytes((self.folder / "arrays" / name).read_bytes())
        return planning.simulate(wanted, plans, self.folder / "simulate", stop=self.stop)

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
        return self.where == "simulator" and self.rubric.kind_of(case.task, case.item) in TIMED_KINDS

    def _of_kernels(self, task: Task, plans: PlanSet, found: Inspection, ran: Measurement | None) -> TaskEvidence:
        """What was planned, assembled and simulated of a kernel task."""
        self.notes += [found.note] if found.note else []
        own = self._own(task)
        outputs = judging.read_outputs(self.folder / "simulate", own)
        evidence = TaskEvidence(own, plans, resources=found.resources, structures=found.structures, faults=found.faults)
        if self.where == "simulator":
            return dataclasses.replace(evidence, measurement=ran, outputs=outputs)
        return dataclasses.replace(evidence, simulated=ran, simulated_outputs=outputs)

    def _of_functions(self, task: Task, plans: PlanSet) -> TaskEvidence:
        """What plain functions answered, and what they asked their rigs."""
        own = self._own(task)
        logs = {case.id: self.desk.log(case.id) for case in own} if self.desk else {}
        pending = {case.id: why for case in own if (why := questions.pending(case, self.where))}
        return TaskEvidence(own, plans, logs=logs, pending=pending)

    def _train(self, task: Task, plans: PlanSet) -> Trained:
        """Trains what a task declares."""
        self.progress("train", f"{task.id}: {', '.join(training_stage.wanted(task))}")
        folder = self.folder / "train" / task.id
        return training_stage.train_task(
            task, self._own(task), plans, folder, self.where, self.seed, gpu=self.gpu, stop=self.stop
        )

    def _launch(self, task: Task, plans: PlanSet, found: Inspection) -> dict[str, Any]:
        """Runs a task on the GPU; returns fields of its `TaskEvidence`."""
        self.progress("launch", task.id)
        refused = {fault.case for fault in found.faults}
        runnable = () if None in refused else tuple(case for case in self._own(task) if case.id not in refused)
        work = self.folder / "launch" / task.id
        try:
            measured = measure_task(
                task,
                plans,
                found.cubins,
                runnable,
                self.folder / "arrays",
                work,
                self.architecture,
                self.progress,
                gpu=self.gpu,
                stop=self.stop,
            )
        except BusyError:
            raise  # as in the other stages: all of it is graded again, alone
        except GraderError as error:
            return {"failure": str(error)}
        return {"measurement": measured, "outputs": judging.read_outputs(work, runnable)}

    def _own(self, task: Task) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if case.task == task.id)
