"""Stage 1 from the trusted side: starts workers, reads their events, and makes faults of hangs.

A worker that is killed loses only the task it hung in; a fresh one goes on with the rest.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder import isolation, temporary
from autograder.evidence import Case, Fault, FaultKind, Kernel, Measurement, Outcome, Plan, PlanSet, decode, encode
from autograder.isolation import Ending, Limits, Peer
from autograder.program import Program
from gpulabs.errors import BadInputError, BusyError, GraderError

HOST_S = 5.0
"""For one call of a host function (milliseconds); compiling what it launches has a limit of its own.

As all limits here, seconds of the worker's own: those that a busy machine keeps it waiting don't count.
"""

KERNEL_S = 15.0
"""For one case in the simulator: all 26 cases of Lab 1's solution together took about 3 s on 2 cores."""

QUIET_S = 30.0
"""Above the limits that the worker keeps itself: only one that ignores them, or does nothing, is silent for longer."""

PATIENCE = 4.0
"""Times a worker's own time that a busy machine may keep it waiting; a right one needs a tenth of its own time."""

EXCESS = {
    "memory": (FaultKind.OUT_OF_MEMORY, "used more memory than the grader gives and was stopped"),
    "processes": (FaultKind.REJECTED, "started more processes or threads than the grader allows and was stopped"),
    "disk": (FaultKind.REJECTED, "wrote more to the disk than the grader allows and was stopped"),
}
"""Limits of a worker as a whole, by how it ended; see `autograder.isolation.Ending`."""

BUSY = {
    "starved": "this machine is so busy that the grader's worker got too little of its time",
    "oom": "this machine ran out of memory, and Linux ended the grader's worker",
}
"""What is not the submission's doing, by how its worker ended."""

SIMULATED = (8, 0)
"""Compute capability that the simulator poses as; `autograder.path` compiles for it where there is no GPU."""

MAX_EVENT_BYTES = 64 * 2**20
MAX_MESSAGE = 2000


@dataclass(frozen=True)
class TaskRequest:
    """What the worker needs to know of one task.

    Attributes:
        program: The cells.
        kind: `kernel` or `function`.
        functions: Function name -> signature as the lab writes it.
        cases: Its cases; seeds are blanked before they leave.
        trace: Ids of the cases whose memory traffic is counted.
        lines: Whether kernels are compiled with line numbers too, for messages about their structure.
        plans: What to replay; empty where student Python is to make the plans.
        kernels: Those that the plans launch.
    """

    program: Program
    kind: str
    functions: Mapping[str, str]
    cases: tuple[Case, ...]
    trace: tuple[str, ...] = ()
    lines: bool = False
    plans: tuple[Plan, ...] = ()
    kernels: Mapping[str, Kernel] = field(default_factory=dict)


@dataclass
class _Found:
    """What events told of one task."""

    kernels: dict[str, Kernel] = field(default_factory=dict)
    plans: list[Plan] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    over: bool = False

    def settled(self, simulate: bool) -> set[str]:
        """Cases that need not run again."""
        faulty = {fault.case for fault in self.faults if fault.case}
        ran = {outcome.case for outcome in self.outcomes} if simulate else {plan.case for plan in self.plans}
        return ran | faulty


def plan(
    tasks: Sequence[TaskRequest],
    folder: Path,
    compute_capability: tuple[int, int],
    *,
    tier: str | None = None,
    quiet_s: float | None = None,
    stop: threading.Event | None = None,
    desk: Peer | None = None,
) -> dict[str, PlanSet]:
    """Records and compiles what every task's host functions launch.

    Args:
        tasks: The tasks.
        folder: An empty folder for the worker.
        compute_capability: Of the GPU to compile for.
        tier: Isolation tier; the strongest that works by default.
        quiet_s: Seconds of its own without an event after which the worker is stopped; `QUIET_S` by default.
        stop: Set by another thread to end the work early; what comes back then is worthless.
        desk: What answers the calls of functions that are given some; see `autograder.rigs`.

    Returns:
        A plan set for each task, with faults where planning failed.

    Raises:
        BusyError: This machine kept the worker waiting, or ran out of memory.
        GraderError: The worker could not run at all.
    """
    found, compiled = _work("plan", tasks, folder, compute_capability, tier, quiet_s, stop, desk)
    # That there is no compiler is not the word of a process that ran student Python: points would wait for one.
    compiled = compiled or (
        not (stop and stop.is_set()) and any(got.plans for got in found.values()) and _compiles(tier)
    )
    for task in tasks:
        found[task.program.task].faults += _missing(task, found[task.program.task])
    return {
        task: PlanSet(task, got.kernels, tuple(got.plans), tuple(got.faults), compiled) for task, got in found.items()
    }


def simulate(
    tasks: Sequence[TaskRequest],
    plans: Mapping[str, PlanSet],
    folder: Path,
    *,
    tier: str | None = None,
    stop: threading.Event | None = None,
) -> dict[str, Measurement]:
    """Replays plans in the simulator; inputs lie in the folder as `<case>.x.npy` and `<case>.w.npy`.

    Args:
        tasks: The tasks, all of kind `kernel`, with the cases to run.
        plans: Task -> what `plan` gave; a case without a plan does not run.
        folder: The worker's folder.
        tier: Isolation tier; the strongest that works by default.
        stop: Set by another thread to end the work early.

    Returns:
        A measurement for each task; outputs lie in the folder as `<case>.npy`.
    """
    planned = [_with_plans(task, plans[task.program.task]) for task in tasks]
    found, _ = _work("simulate", [task for task in planned if task.cases], folder, SIMULATED, tier, None, stop)
    measurements = {}
    for task in (task.program.task for task in tasks):
        got = found.get(task, _Found())
        lost = [Outcome(fault.case, fault) for fault in got.faults if fault.case]
        whole = next((fault for fault in got.faults if fault.case is None), None)
        measurements[task] = Measurement(task, "simulator", tuple(got.outcomes + lost), (), whole)
    return measurements


def _work(
    mode: str,
    tasks: Sequence[TaskRequest],
    folder: Path,
    cc: tuple[int, int],
    tier: str | None,
    quiet_s: float | None,
    stop: threading.Event | None,
    desk: Peer | None = None,
) -> tuple[dict[str, _Found], bool]:
    quiet_s = QUIET_S if quiet_s is None else quiet_s
    found = {
        task.program.task: _Found(faults=list(task.program.faults), over=bool(task.program.faults)) for task in tasks
    }
    compiled, attempt = False, 0
    while pending := [task for task in tasks if not found[task.program.task].over]:
        attempt += 1
        events = folder / "events.jsonl"
        folder.chmod(0o700)
        isolation.clear(events)
        asked = [_blank(task, found[task.program.task].settled(mode == "simulate")) for task in pending]
        request = {
            "mode": mode,
            "compute_capability": list(cc),
            "limits": {"host_s": HOST_S, "kernel_s": KERNEL_S},
            "rigs": desk is not None,
            "tasks": [_request(task) for task in asked],
        }
        isolation.write_new(folder / "request.json", json.dumps(request).encode())
        # Every task may use its time-outs once.
        own_s = 60.0 + 40.0 * len(pending)
        limits = Limits(own_s=own_s, quiet_s=quiet_s, patience_s=PATIENCE * own_s)
        ending = isolation.run("autograder.worker", folder, limits, signs=events, tier_name=tier, stop=stop, peer=desk)
        if stop and stop.is_set():
            break
        if ending.how in BUSY:
            raise BusyError(f"{BUSY[ending.how]}; close other programs, or grade fewer submissions at a time (--jobs)")
        last, flags = _read(events, found, {task.program.task: task for task in asked})
        compiled = compiled or flags["compiled"]
        if flags["ended"]:
            for task in pending:
                found[task.program.task].over = True
        else:
            if not flags["begun"] and (mode == "simulate" or not _starts(folder, tier)):
                said = (ending.stderr.strip().splitlines() or ["it said nothing"])[-1][:300]
                raise GraderError(f"the worker did not start ({ending.how}, status {ending.status}): {said}")
            _blame(found, pending, last, ending, desk.broken if desk else "")
        if attempt > 2 * len(tasks) + 2:
            raise GraderError(
                f"the {mode} worker was restarted {attempt} times and never finished: {ending.stderr[-300:]}"
            )
    return found, compiled


def _starts(folder: Path, tier: str | None) -> bool:
    """Whether a worker that is given nothing to do starts here: then one that left no record was kept from it."""
    return _idle(folder, tier)["ended"]


@functools.cache
def _compiles(tier: str | None) -> bool:
    """Whether a worker that runs no student Python finds a compiler; asked where another says that there is none."""
    with temporary.folder("idle") as folder:
        return _idle(folder, tier)["compiled"]


def _idle(folder: Path, tier: str | None) -> dict[str, bool]:
    """What a worker that is given nothing to do says."""
    idle = Path(tempfile.mkdtemp(dir=folder))
    request = {"mode": "plan", "compute_capability": [7, 5], "limits": {}, "tasks": []}
    isolation.write_new(idle / "request.json", json.dumps(request).encode())
    isolation.run("autograder.worker", idle, Limits(own_s=60.0), tier_name=tier)
    return _read(idle / "events.jsonl", {}, {})[1]


def _missing(task: TaskRequest, got: _Found) -> list[Fault]:
    """A fault for each case of which the record says nothing: an honest worker leaves none out."""
    if any(fault.case is None for fault in got.faults):
        return []
    name, settled = task.program.task, got.settled(simulate=False)
    text = f"{name}: the submission ended or changed the grader's process, which left no plan"
    return [
        Fault(FaultKind.CELL_EXCEPTION, f"{text} (case {case.id}).", name, None, case.id)
        for case in task.cases
        if case.id not in settled
    ]


def _with_plans(task: TaskRequest, planned: PlanSet) -> TaskRequest:
    """What the simulator gets of a task: plans and kernels in place of the student's cells."""
    ids = {case.id for case in task.cases}
    plans = tuple(plan for plan in planned.plans if plan.case in ids)
    used = {launch.kernel for plan in plans for launch in plan.launches}
    kernels = {key: kernel for key, kernel in planned.kernels.items() if key in used}
    plans = tuple(plan for plan in plans if all(launch.kernel in kernels for launch in plan.launches))
    ready = {plan.case for plan in plans}
    cases = tuple(case for case in task.cases if case.id in ready)
    # Faults of cells that can't be parsed are told once, by the plan.
    nothing = Program(task.program.task, ())
    return dataclasses.replace(task, program=nothing, functions={}, cases=cases, plans=plans, kernels=kernels)


def _blank(task: TaskRequest, settled: set[str]) -> TaskRequest:
    cases = tuple(dataclasses.replace(case, seed=0) for case in task.cases if case.id not in settled)
    return dataclasses.replace(task, cases=cases)


def _request(task: TaskRequest) -> dict[str, Any]:
    left = {case.id for case in task.cases}
    return {
        "id": task.program.task,
        "plans": [encode(plan) for plan in task.plans if plan.case in left],
        "kernels": {
            key: {"name": kernel.name, "source": [encode(part) for part in kernel.source]}
            for key, kernel in task.kernels.items()
        },
        "kind": task.kind,
        "cells": [list(cell) for cell in task.program.cells],
        "functions": dict(task.functions),
        "cases": [encode(case) for case in task.cases],
        "trace": list(task.trace),
        "lines": task.lines,
    }


def _read(
    events: Path, found: dict[str, _Found], asked: Mapping[str, TaskRequest]
) -> tuple[dict[str, Any], dict[str, bool]]:
    """Reads events strictly; a line that is damaged (by a kill in the middle, say) or forged ends the reading."""
    last: dict[str, Any] = {}
    flags = {"compiled": False, "ended": False, "begun": False}
    for line in isolation.read_regular(events, MAX_EVENT_BYTES).decode("utf-8", "replace").splitlines():
        try:
            _note(json.loads(line), found, asked, last, flags)
        # ValueError: no JSON, or a number of thousands of digits; RecursionError: nested as deep.
        except (ValueError, RecursionError, BadInputError, KeyError, TypeError, AttributeError):
            break
    return last, flags


def _note(
    event: dict[str, Any],
    found: dict[str, _Found],
    asked: Mapping[str, TaskRequest],
    last: dict[str, Any],
    flags: dict[str, bool],
) -> None:
    kind, task = event["event"], event["task"]
    got = found[task] if task in asked else None
    if kind == "enter":
        last.clear()
        last.update({key: str(event[key] or "")[:80] for key in ("task", "case", "stage")})
    elif kind == "compiler":
        flags["compiled"], flags["begun"] = event["compiled"] is True, True
    elif kind == "end":
        flags["ended"] = True
    elif got is None:
        return
    elif kind == "done":
        got.over = True
    elif kind == "fault":
        fault = _clipped(decode(Fault, event["fault"]))
        if fault.case is not None:
            _expect(fault.case, asked[task], got)
        got.faults.append(fault)
        got.over = got.over or fault.case is None
    elif kind == "kernel":
        got.kernels[str(event["key"])] = decode(Kernel, event["kernel"])
    elif kind == "plan":
        plan = decode(Plan, event["plan"])
        _expect(plan.case, asked[task], got)
        got.plans = [other for other in got.plans if other.case != plan.case] + [plan]
    elif kind == "outcome":
        outcome = decode(Outcome, event["outcome"])
        _expect(outcome.case, asked[task], got)
        got.outcomes.append(dataclasses.replace(outcome, fault=outcome.fault and _clipped(outcome.fault)))
        # One endless loop is enough; the other cases would only wait for the same.
        got.over = got.over or bool(outcome.fault and outcome.fault.kind is FaultKind.KERNEL_TIMEOUT)


def _expect(case: str, asked: TaskRequest, got: _Found) -> None:
    """Refuses what was not asked for, and a second word on a case that is settled."""
    done = {outcome.case for outcome in got.outcomes} | {fault.case for fault in got.faults}
    if case in done or not any(case == one.id for one in asked.cases):
        raise BadInputError(f"{case!r} was not asked for")


def _clipped(fault: Fault) -> Fault:
    return dataclasses.replace(fault, message=" ".join(fault.message[:MAX_MESSAGE].split()))


def _blame(
    found: dict[str, _Found], pending: Sequence[TaskRequest], last: dict[str, Any], ending: Ending, breach: str
) -> None:
    """Says what ended a worker early, and which task pays for it; where the record is wiped, the first of them."""
    waiting = [task.program.task for task in pending if not found[task.program.task].over]
    if len(waiting) < len(pending) and last.get("task") not in waiting:
        return
    task = last["task"] if last.get("task") in waiting else waiting[0]
    where = "the kernel" if last.get("stage") == "kernel" else "the host function"
    case = f" (case {last['case']})" if last.get("case") else ""
    if ending.how == "idle":
        kind = FaultKind.HOST_TIMEOUT
        text = f"{task}: {where} neither worked nor ended{case} and was stopped: look for what sleeps or waits in vain."
    elif ending.how in ("quiet", "late"):
        kind = FaultKind.KERNEL_TIMEOUT if last.get("stage") == "kernel" else FaultKind.HOST_TIMEOUT
        text = f"{task}: {where} gave no sign of progress{case} and was stopped: look for a loop that never ends."
    elif ending.how == "channel":
        kind, text = FaultKind.REJECTED, f"{task}: {where} {breach} and was stopped{case}."
    elif ending.how in EXCESS:
        kind, text = EXCESS[ending.how]
        text = f"{task}: {where} {text}{case}."
    elif ending.status in (-9, 137) or "MemoryError" in ending.stderr or "Cannot allocate" in ending.stderr:
        kind = FaultKind.OUT_OF_MEMORY
        text = f"{task}: {where} used up the memory or time that the grader gives{case}: check array sizes and loops."
    else:
        kind = FaultKind.CELL_EXCEPTION
        reason = (ending.stderr.strip().splitlines() or ["no message"])[-1][:200]
        text = f"{task}: {where} ended the grader's process{case} (status {ending.status}): {reason}"
    found[task].faults.append(Fault(kind, text, task))
    found[task].over = True
