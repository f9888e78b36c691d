"""The parent of stage 4: starts the child that owns the GPU, watches it, and composes the Measurement."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autograder import ladder
from autograder.assemble import own_environment
from autograder.evidence import (
    Case,
    Fault,
    FaultKind,
    Kernel,
    Measurement,
    Outcome,
    Plan,
    PlanSet,
    Race,
    decode,
    encode,
)
from autograder.isolation import watch
from autograder.isolation.effort import Effort
from autograder.launch.request import RACE, STICKY_EXIT, TURN, RaceRequest, Request
from autograder.launch.trouble import busy
from gpulabs import errors

START_UP_S = 60.0
"""From the child's start to its first case; loading CUDA on a cold machine takes seconds."""

LOOK_S = 0.1
PATIENCE_S = 300.0
"""How long a busy machine may keep the child waiting."""

Command = Callable[[Path], list[str]]
Turn = Callable[[bool], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class RaceSpec:
    """A race to run.

    Attributes:
        case: The case whose plan and inputs are raced; it is measured for correctness first.
        baseline: Rung of the ladder that it must beat.
        threshold: Speedup baseline / candidate asked for; 0 for a race between two rungs.
        workload: Human-readable shapes.
        flops: Of the workload.
        bytes: Fewest bytes that it must move.
        peers: Other rungs whose medians stand beside it.
        cudnn: Whether cuDNN's time does too.
        high: The upper rung of a race between two, the baseline being the lower.
        curve: Its steps, (position, points).
    """

    case: str
    baseline: str
    threshold: float
    workload: str = ""
    flops: float = 0.0
    bytes: float = 0.0
    peers: tuple[str, ...] = ()
    cudnn: bool = True
    high: str = ""
    curve: tuple[tuple[float, float], ...] = ()


def measure(
    plan_set: PlanSet,
    cubins: Mapping[str, bytes],
    cases: Iterable[Case],
    arrays_dir: Path,
    work_dir: Path,
    *,
    race: RaceSpec | None = None,
    ladder_cubins: Mapping[str, bytes] | None = None,
    timeout_s: float = 10.0,
    device: int = 0,
    turn: Turn = lambda _: contextlib.nullcontext(),
    command: Command | None = None,
) -> Measurement:
    """Runs a task's cases, and perhaps a race, on the GPU.

    A hang or a crash in one case loses that case alone: the child is replaced for the rest. After
    every event `measurement.json` in `work_dir` holds what is known so far.

    Args:
        plan_set: Validated plans and kernels.
        cubins: Kernel key -> machine code, from `autograder.assemble`.
        cases: Cases to run; those without a plan, or whose plan launches nothing, are left out.
        arrays_dir: Holds `<case>.x.npy` and `<case>.w.npy`.
        work_dir: Gets `<case>.npy`, `measurement.json` and the child's log.
        race: The race, run after the cases when its own case went well.
        ladder_cubins: Key `ladder:<kernel>` -> machine code of the rungs that race.
        timeout_s: Longest time of the child's own (see `autograder.isolation.effort`) without a sign of life; then the
            running case is an endless loop.
        device: Number of the GPU.
        turn: Called with whether something is timed; a context that is the GPU's turn. The child holds none while it
            starts, one with others for the cases, one alone for the race.
        command: Makes the child's command line from the request's path; for tests.

    Returns:
        The measurement; outputs lie beside it.

    Raises:
        MissingGpuError: There is no usable GPU.
        MissingPackageError: cuda.core is not installed.
        BusyError: This machine kept the child waiting.
        GraderError: The child failed for a reason that is not the submission's.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    by_id = {plan.case: plan for plan in plan_set.plans}
    state = _State(plan_set.task, work_dir)
    plans: list[Plan] = []
    raced: Case | None = None
    for case in cases:
        plan = by_id.get(case.id)
        if plan is None or not plan.launches:
            continue
        if absent := [launch.kernel for launch in plan.launches if launch.kernel not in cubins]:
            kernel = plan_set.kernels[absent[0]]
            fault = Fault(
                FaultKind.DOES_NOT_COMPILE, f"{kernel.name} was not assembled", kernel.cell, kernel.line, case.id
            )
            state.outcome(Outcome(case.id, fault))
            continue
        plans.append(plan)
        raced = case if race is not None and case.id == race.case else raced
    asked = _race_request(race, by_id[raced.id], plan_set.task, raced, device) if race and raced else None
    code = {**cubins, **(ladder_cubins or {})}
    used = {launch.kernel for plan in plans for launch in plan.launches}
    kernels = {key: replace(kernel, ptx="", lined_ptx="") for key, kernel in plan_set.kernels.items() if key in used}
    if asked and raced:
        for name in asked.rungs:
            _, theirs = ladder.plan_for(ladder.rung(name), raced)
            kernels |= {key: replace(kernel, ptx="", lined_ptx="") for key, kernel in theirs.items()}
    files = _write_cubins(kernels, code, work_dir)
    while plans or asked:
        where = str(arrays_dir), str(work_dir)
        Request(plan_set.task, tuple(plans), kernels, files, *where, device, asked).save(work_dir / "request.json")
        _Child(work_dir, command or _command, timeout_s, turn, device).run(state)
        if any(o.fault and o.fault.kind is FaultKind.KERNEL_TIMEOUT for o in state.outcomes.values()):
            break  # one endless loop is enough: the other cases would only wait for the same
        plans = [plan for plan in plans if plan.case not in state.outcomes]
        if state.race_over or (asked and asked.case in state.outcomes and state.outcomes[asked.case].fault):
            asked = None
    return state.measurement()


def _race_request(race: RaceSpec, plan: Plan, task: str, case: Case, device: int) -> RaceRequest:
    names = dict.fromkeys((race.baseline, *filter(None, [race.high]), *race.peers))
    rungs = {name: ladder.plan_for(ladder.rung(name), case)[0] for name in names}
    record = Race(task, race.workload, race.baseline, (), flops=race.flops, bytes=race.bytes, high=race.high)
    return RaceRequest(record, race.case, plan, race.threshold, rungs, race.cudnn, secrets.randbits(32), race.curve)


def _write_cubins(kernels: Mapping[str, Kernel], code: Mapping[str, bytes], work_dir: Path) -> dict[str, str]:
    files: dict[str, str] = {}
    for number, key in enumerate(kernels):
        if key not in code:
            raise errors.GraderError(f"launch: no machine code for {key}")
        path = work_dir / f"kernel-{number}.cubin"  # keys are the worker's: never a file name
        path.write_bytes(code[key])
        files[key] = str(path)
    return files


def _command(request: Path) -> list[str]:
    return [sys.executable, "-P", "-m", "autograder.launch", str(request)]


@dataclass
class _State:
    """What the events have told so far."""

    task: str
    work_dir: Path
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    races: dict[str, Race] = field(default_factory=dict)
    race_over: bool = False
    running: str | None = None

    def outcome(self, outcome: Outcome) -> None:
        """Takes a case's outcome and saves all."""
        self.outcomes[outcome.case] = outcome
        self.save()

    def save(self) -> None:
        """Writes the measurement so far, whole or not at all."""
        part = self.work_dir / "measurement.json.part"
        part.write_text(json.dumps(encode(self.measurement())), encoding="utf-8")
        part.replace(self.work_dir / "measurement.json")

    def measurement(self) -> Measurement:
        """The record so far."""
        return Measurement(self.task, "gpu", tuple(self.outcomes.values()), tuple(self.races.values()))


class _Child:
    """One life of the child process."""

    def __init__(self, work_dir: Path, command: Command, timeout_s: float, turn: Turn, device: int) -> None:
        self._work_dir, self._command, self._timeout_s = work_dir, command, timeout_s
        self._turn, self._device = turn, device

    def run(self, state: _State) -> None:
        """Runs the child to its end, or kills it when it shows no life."""
        log = self._work_dir / "launch.log"
        # In bus order CUDA counts as NVML does, so that the child runs on the GPU that was asked about.
        environment = own_environment() | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        state.running = None
        with log.open("ab") as errors_to, contextlib.ExitStack() as turns:
            process = subprocess.Popen(
                self._command(self._work_dir / "request.json"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors_to,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the grader, which then ends this process itself
            )
            try:
                alive = self._watch(process, state, turns)
            finally:  # Ctrl-C included: an endless kernel ends with its process
                process.kill()
                process.wait()
                for stream in (process.stdin, process.stdout):
                    with contextlib.suppress(OSError):
                        stream.close()  # type: ignore[union-attr]
        if not alive:
            self._endless(state)
        elif process.returncode not in (0, STICKY_EXIT):
            tail = log.read_text(errors="replace").strip().splitlines()[-1:] or ["nothing in its log"]
            raise errors.GraderError(
                f"launch: the process on the GPU ended with status {process.returncode} "
                f"while it ran {state.running or 'nothing yet'}: {tail[0]}"
            )

    def _watch(self, process: subprocess.Popen[bytes], state: _State, turns: contextlib.ExitStack) -> bool:
        """Follows the events until the child closes its stdout; False when it showed no life for too long."""
        assert process.stdout is not None
        descriptor, pending = process.stdout.fileno(), b""
        limit, effort, sign_s, looked = START_UP_S, Effort(), 0.0, time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while True:
                told = selector.select(LOOK_S)
                now = time.monotonic()
                effort.look(now - looked, *watch.effort_of(process.pid))
                looked = now
                if not told:
                    if effort.own_s - sign_s > limit:
                        return False
                    if effort.waited_s > PATIENCE_S:
                        raise errors.BusyError(
                            "launch: this machine is so busy that the process on the GPU got too little of its time; "
                            "close other programs, or grade fewer submissions at a time (--jobs)"
                        )
                    continue
                chunk = os.read(descriptor, 1 << 16)
                if not chunk:
                    process.wait(START_UP_S)
                    return True
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if TURN in event:
                        self._give_turn(process, turns, alone=event[TURN])
                    _take(event, state)
                    limit = self._timeout_s if state.running else START_UP_S
                # Waiting for a turn is nobody's time.
                sign_s, looked = effort.own_s, time.monotonic()

    def _give_turn(self, process: subprocess.Popen[bytes], turns: contextlib.ExitStack, *, alone: bool) -> None:
        """Gives the child's turn back, waits for the one that it asks for, and tells it."""
        turns.close()
        turns.enter_context(self._turn(alone))
        # Asked now: nobody of ours is on the GPU, so that what keeps it busy is a stranger.
        signs = busy(self._device) if alone else ()
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it died, and its exit status says why
            process.stdin.write(json.dumps(signs).encode() + b"\n")
            process.stdin.flush()

    def _endless(self, state: _State) -> None:
        if state.running is None:
            raise errors.GraderError(f"launch: the process on the GPU did not start within {START_UP_S:.0f} s")
        if state.running == RACE and state.races:
            return  # cuDNN hung, after the race was over
        case, where = state.running, ""
        if state.running == RACE:
            state.race_over = True
            case, where = json.loads((self._work_dir / "request.json").read_text())["race"]["case"], " in a timed run"
        message = f"no end after {self._timeout_s:g} s{where}: look for a loop whose condition never turns false"
        state.outcome(Outcome(case, Fault(FaultKind.KERNEL_TIMEOUT, f"{message} (case {case})", case=case)))


def _take(event: dict[str, Any], state: _State) -> None:
    for kind, value in event.items():
        if kind == "start":
            state.running = value
        elif kind == "outcome":
            if state.running == RACE:
                state.race_over = True
            state.outcome(decode(Outcome, value, "outcome"))
        elif kind == "race":
            race = decode(Race, value, "race")
            state.races[race.baseline] = race
            state.race_over = True
            state.save()
        elif kind == "error":
            raise getattr(errors, value["type"], errors.GraderError)(value["message"])
