"""Calibrates the GPU: surveys of the labs' speed workloads, each in several launches of its own."""

from __future__ import annotations

import datetime
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autograder import cases, ladder, rubric, turns
from autograder.assemble import assemble, own_environment
from autograder.calibration import summary
from autograder.calibration.record import CUDNN, Calibration, Conditions, Workload, fingerprints
from autograder.evidence import Case, Kernel, Plan, decode, encode
from autograder.launch.request import Request
from autograder.launch.survey import ANSWER, Survey, SurveyRequest
from autograder.launch.trouble import busy
from autograder.rubric import TIMED_KINDS, Item, Task
from gpulabs import convolution, devices
from gpulabs.errors import GraderError

LAUNCHES, ROUNDS = 5, 30
PAIRS = 120
"""As many as a race takes at most."""

SPARE_LAUNCHES = 3
"""Launches with trouble are set aside and repeated, this many for a workload."""

TIMEOUT_S = 180.0

Progress = Callable[[str], None]
Run = Callable[[SurveyRequest], Survey]


@dataclass(frozen=True)
class Target:
    """A speed item's workload.

    Attributes:
        lab: The lab's id.
        task: The task.
        item: The item.
        case: Its drawn case.
    """

    lab: str
    task: Task
    item: Item
    case: Case

    @property
    def baseline(self) -> str:
        """The rung that the item compares with, the lower one of a curve."""
        return self.item.baseline or self.item.low or ""

    @property
    def workload(self) -> str:
        """Shapes, as `Race.workload` has them."""
        x, w = self.case.x_shape, self.case.w_shape
        return f"{'x'.join(map(str, x))} * {'x'.join(map(str, w[:3]))}->{w[3]}"


@dataclass
class _Launches:
    """What the launches of all workloads left to the calibration and to its traces."""

    conditions: list[Conditions] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)
    traces: list[dict[str, object]] = field(default_factory=list)


def targets(lab: str | None = None) -> list[Target]:
    """All workloads that speed is judged on; of one lab, by id or short name."""
    chosen = [rubric.load(lab)] if lab else [rubric.load(name) for name in rubric.labs()]
    found = []
    for each in chosen:
        drawn = cases.draw(each, secrets.randbits(63), "gpu")
        for task in each.tasks:
            for item in task.items:
                if item.kind in TIMED_KINDS:
                    own = (case for case in drawn if (case.task, case.item) == (task.id, item.id))
                    found += [Target(each.id, task, item, case) for case in own]
    return found


def calibrate(
    lab: str | None = None,
    launches: int = LAUNCHES,
    rounds: int = ROUNDS,
    progress: Progress = lambda _: None,
    run: Run | None = None,
) -> tuple[Calibration, list[dict[str, object]]]:
    """Measures everything on this machine's GPU.

    Args:
        lab: Only this lab's workloads.
        launches: Separate processes for each workload.
        rounds: Timed runs of each kernel in a launch.
        progress: Told what is being measured.
        run: Makes a survey of a request; for tests.

    Returns:
        The calibration, and the raw pairs of every launch as records for a trace file.

    Raises:
        MissingGpuError: There is no GPU.
        GraderError: The GPU isn't quiet, or a rung doesn't run.
    """
    architecture = devices.architecture()
    found, kept = [], _Launches()
    for target in targets(lab):
        progress(f"{target.lab} {target.task.id}.{target.item.id}: {target.workload}")
        found.append(_workload(target, launches, rounds, architecture, kept, progress, run or run_child))
    header = devices.header()
    calibration = Calibration(
        gpu=header.gpu or "unknown",
        uuid=devices.identity(),
        driver=header.driver or "",
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        launches=launches,
        rounds=rounds,
        ladder=fingerprints(),
        workloads=tuple(found),
        conditions=tuple(kept.conditions),
        set_aside=tuple(kept.set_aside),
        device=header.as_dict(),
    )
    return calibration, kept.traces


def _workload(
    target: Target, launches: int, rounds: int, architecture: str, kept: _Launches, progress: Progress, run: Run
) -> Workload:
    surveys: list[Survey] = []
    with tempfile.TemporaryDirectory(prefix="gpulabs-calibrate-") as folder:
        plans, request, notes = prepare(target, architecture, Path(folder))
        for number in range(launches + SPARE_LAUNCHES):
            with turns.turn(devices.identity(), alone=True, waiting=lambda: progress("waiting for a grading")):
                asked = SurveyRequest(
                    request, target.case.id, plans, rounds, PAIRS, target.case.stride, True, secrets.randbits(32)
                )
                signs = busy()
                survey = run(asked)
            signs += survey.trouble
            if signs:
                kept.set_aside.append(f"{target.workload}: {', '.join(signs)}")
                progress(f"launch {number + 1} set aside: {', '.join(signs)}")
                continue
            surveys.append(survey)
            kept.conditions.append(Conditions(**survey.conditions))
            kept.traces += _traces(target, len(surveys), survey)
            progress(f"launch {len(surveys)} of {launches} done")
            if len(surveys) == launches:
                break
    if len(surveys) < launches:
        raise GraderError(
            f"calibrate: only {len(surveys)} of {launches + SPARE_LAUNCHES} launches on {target.workload} were "
            f"undisturbed ({kept.set_aside[-1]}); stop what else runs on this GPU, let it cool, calibrate again"
        )
    y_shape = convolution.output_shape(
        target.case.x_shape, target.case.w_shape, target.case.stride, target.case.padding
    )
    timed = [name for name in (*plans, CUDNN) if all(name in survey.times_ms for survey in surveys)]
    paired = [name for name in plans if all(name in survey.pairs for survey in surveys)]
    return Workload(
        lab=target.lab,
        task=target.task.id,
        item=target.item.id,
        workload=target.workload,
        baseline=target.baseline,
        flops=float(convolution.flops(y_shape, target.case.w_shape)),
        bytes=float(convolution.min_bytes(target.case.x_shape, target.case.w_shape, y_shape)),
        kernels={name: summary.kernel_time([survey.times_ms[name] for survey in surveys]) for name in timed},
        ratios={name: summary.ratio_noise([survey.pairs[name] for survey in surveys]) for name in paired},
        notes=tuple(dict.fromkeys([*notes, *(note for survey in surveys for note in survey.notes)])),
    )


def prepare(target: Target, architecture: str, folder: Path) -> tuple[dict[str, Plan], Request, list[str]]:
    """Lays the ladder out over a workload: plans with the baseline first, machine code, inputs on disk.

    Raises:
        GraderError: The baseline doesn't fit the workload, or the ladder doesn't assemble.
    """
    baseline = target.baseline
    plans: dict[str, Plan] = {}
    kernels: dict[str, Kernel] = {}
    notes = []
    for name in dict.fromkeys((baseline, *ladder.NAMES)):
        rung = ladder.rung(name)
        if _number(rung.target) > _number(architecture):
            notes.append(f"{name} needs {rung.target}, this GPU is {architecture}")
            continue
        try:
            plans[name], own = ladder.plan_for(rung, target.case)
        except GraderError as error:
            notes.append(f"{name} doesn't run this workload: {error}")
            continue
        kernels |= own
    if baseline not in plans:
        raise GraderError(f"calibrate: {target.workload}: {notes[0]}, and it is the baseline here")
    assembled = assemble(kernels, architecture)
    if assembled.faults:
        first = next(iter(assembled.faults.values()))
        raise GraderError(f"calibrate: the ladder does not assemble for {architecture}: {first.message}")
    files = {}
    for number, (key, code) in enumerate(assembled.code().items()):
        path = folder / f"kernel-{number}.cubin"
        path.write_bytes(code)
        files[key] = str(path)
    for role, array in zip("xw", cases.inputs(target.case), strict=True):
        np.save(folder / f"{target.case.id}.{role}.npy", array)
    bare = {key: Kernel(kernel.name, kernel.entry, "") for key, kernel in kernels.items()}
    return plans, Request(target.task.id, (), bare, files, str(folder), str(folder)), notes


def _number(architecture: str) -> int:
    return int(architecture.removeprefix("sm_"))


def run_child(request: SurveyRequest) -> Survey:
    """Runs a survey in a process of its own.

    Raises:
        GraderError: It failed or hung.
    """
    folder = Path(request.launch.work_dir)
    path, answer = folder / "survey-request.json", folder / ANSWER
    path.write_text(json.dumps(encode(request)), encoding="utf-8")
    answer.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "autograder.launch.survey", str(path)]
    environment = own_environment() | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise GraderError(f"calibrate: a launch did not end within {TIMEOUT_S:.0f} s") from error
    if done.returncode or not answer.is_file():
        tail = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise GraderError(f"calibrate: a launch ended with status {done.returncode}: {tail[0]}")
    return decode(Survey, json.loads(answer.read_text(encoding="utf-8")), "survey")


def _traces(target: Target, launch: int, survey: Survey) -> Iterator[dict[str, object]]:
    for name, pairs in survey.pairs.items():
        yield {
            "workload": target.workload,
            "candidate": name,
            "baseline": target.baseline,
            "launch": launch,
            "pairs": [[_digits(mine), _digits(theirs)] for mine, theirs in pairs],
        }


def _digits(time_ms: float) -> float:
    return float(f"{time_ms:.6g}")


def widest(workloads: Sequence[Workload]) -> float:
    """The largest run-to-run spread of a baseline: what the 10 % of `trust.OFF` have to stay well above."""
    return max((load.kernels[load.baseline].spread for load in workloads if load.baseline in load.kernels), default=0.0)
