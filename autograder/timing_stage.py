"""Stage 4 for one task: its cases on the GPU, and its race against the ladder."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from autograder import assemble, calibration, ladder, launch, turns
from autograder.calibration import trust
from autograder.evidence import Case, Kernel, Measurement, PlanSet
from autograder.rubric import TIMED_KINDS, Task
from gpulabs import convolution, devices
from gpulabs.errors import GraderError

Progress = Callable[[str, str], None]
"""Called with (stage, detail) as work goes on."""


def measure_task(
    task: Task,
    plans: PlanSet,
    cubins: Mapping[str, bytes],
    cases: Sequence[Case],
    arrays: Path,
    work: Path,
    architecture: str,
    progress: Progress = lambda *_: None,
    *,
    gpu: int = 0,
    stop: threading.Event | None = None,
) -> Measurement:
    """Runs a task's cases on the GPU, and its race if it has a speed item; a race has the GPU to itself.

    A race with trusted signs of trouble is measured again; see `autograder.calibration.trust`.

    Args:
        task: The rubric's task.
        plans: Validated plans.
        cubins: Their machine code.
        cases: Those that may run.
        arrays: Folder of the inputs.
        work: Folder for outputs.
        architecture: Of the GPU, e.g. `sm_90`.
        progress: Told when another grading has to be waited for.
        gpu: Its number.
        stop: Ends waiting for a turn when another thread sets it.

    Raises:
        GraderError: The launcher failed for a reason that is not the submission's.
    """
    race, rungs = _race(task, cases, architecture), {}
    if race:
        names = (race.baseline, *filter(None, [race.high]), *race.peers)
        rungs = _machine_code(names, _case(cases, race.case), architecture)

    def turn(alone: bool) -> contextlib.AbstractContextManager[None]:
        def waiting() -> None:
            progress("launch", f"{task.id}: waiting for another grading's turn on the GPU")

        return turns.turn(devices.identity(gpu), alone=alone, waiting=waiting, stop=stop)

    launched = functools.partial(launch.measure, plans, cubins, arrays_dir=arrays, work_dir=work, turn=turn, device=gpu)
    measured = launched(cases=cases, race=race, ladder_cubins=rungs)
    if race is None:
        return measured
    raced = [case for case in cases if case.id == race.case]

    def again() -> Measurement:
        progress("launch", f"{task.id}: measuring again, the first timing can't be trusted")
        return launched(cases=raced, race=race, ladder_cubins=rungs)

    return trust.until_trusted(measured, again, calibration.current(gpu)[0])


def alone_on(gpu: int, progress: Progress, stop: threading.Event) -> contextlib.AbstractContextManager[None]:
    """The GPU for a rig that measures, alone as a race.

    Args:
        gpu: Its number.
        progress: Told when another grading has to be waited for.
        stop: Ends the waiting when another thread sets it.
    """

    def waiting() -> None:
        progress("plan", "waiting for another grading's turn on the GPU")

    return turns.turn(devices.identity(gpu), alone=True, waiting=waiting, stop=stop)


_assembled: dict[tuple[str, str], bytes] = {}
_assembling = threading.Lock()


def _machine_code(names: Sequence[str], case: Case, architecture: str) -> dict[str, bytes]:
    """Machine code of the ladder's kernels, assembled once: they are the grader's own, the same for everyone."""
    kernels: dict[str, Kernel] = {}
    for name in names:
        kernels |= ladder.plan_for(ladder.rung(name), case)[1]
    with _assembling:
        missing = {key: kernel for key, kernel in kernels.items() if (architecture, kernel.ptx) not in _assembled}
        assembled = assemble.assemble(missing, architecture) if missing else None
        if assembled and assembled.faults:
            first = next(iter(assembled.faults.values()))
            raise GraderError(f"the ladder does not assemble for {architecture}: {first.message}")
        for key, code in (assembled.code() if assembled else {}).items():
            _assembled[architecture, kernels[key].ptx] = code
    return {key: _assembled[architecture, kernel.ptx] for key, kernel in kernels.items()}


def _case(cases: Sequence[Case], name: str) -> Case:
    return next(case for case in cases if case.id == name)


def _race(task: Task, cases: Sequence[Case], architecture: str) -> launch.RaceSpec | None:
    for item in task.items:
        case = next((case for case in cases if case.item == item.id), None)
        low = item.baseline if item.kind == "speedup" else item.low
        if item.kind not in TIMED_KINDS or case is None or low is None:
            continue
        if not all(ladder.runs_on(name, architecture) for name in (low, item.high) if name):
            return None  # the item is withheld, its task's others are judged
        y_shape = convolution.output_shape(case.x_shape, case.w_shape, case.stride, case.padding)
        raced = (low, item.high)
        return launch.RaceSpec(
            case=case.id,
            baseline=low,
            threshold=item.threshold or 0.0,
            workload=f"{'x'.join(map(str, case.x_shape))} * {'x'.join(map(str, case.w_shape[:3]))}->{case.w_shape[3]}",
            flops=float(convolution.flops(y_shape, case.w_shape)),
            bytes=float(convolution.min_bytes(case.x_shape, case.w_shape, y_shape)),
            peers=tuple(
                name for name in ladder.ALL if name not in raced and not ladder.obstacle(name, case, architecture)
            ),
            high=item.high or "",
            curve=item.curve,
        )
    return None
