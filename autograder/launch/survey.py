"""Times all rungs and cuDNN on one workload: `python -m autograder.launch.survey REQUEST.json`.

The child of `autograder.calibration.survey`: the race's own track (same buffers, poison, rotation, flushed
L2), but no candidate and no verdict. Kernels take turns in random order; then each rung runs in pairs
against the baseline, the baseline itself among them, which shows the noise of two equal kernels. The
answer goes to `survey.json` in the work folder.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autograder.evidence import Plan, decode, encode
from autograder.launch.__main__ import inputs, load_kernels
from autograder.launch.cudnn import convolution, time_convolution
from autograder.launch.gpu import CudaGpu, Gpu
from autograder.launch.race import SETS, WARM_UPS, Contender, Track
from autograder.launch.request import Request
from autograder.launch.runner import Array
from autograder.launch.trouble import throttled
from gpulabs.devices import nvml_device
from gpulabs.errors import GpulabsError, GraderError

ANSWER = "survey.json"
CUDNN_BUDGET_S = 3.0

MUCH_SLOWER = 4
"""Rungs that take this many times as long as the baseline get no pairs with it: no race is that far apart, and
120 runs of the slowest rung on a large workload alone take several seconds."""

WORST_ERROR = 1e-2
"""Of the largest output: all rungs agree better, those of lowered precision too; a broken one does not."""


@dataclass(frozen=True)
class SurveyRequest:
    """What to time.

    Attributes:
        launch: Kernels, machine code and folders; no plans and no race of its own.
        case: Whose inputs are taken.
        rungs: Name -> plan; the baseline first.
        rounds: Timed runs of each rung.
        pairs: Pairs of each rung with the baseline.
        stride: Of the case, for cuDNN.
        cudnn: Whether cuDNN is timed.
        seed: Of the order of runs.
    """

    launch: Request
    case: str
    rungs: dict[str, Plan]
    rounds: int
    pairs: int
    stride: int
    cudnn: bool
    seed: int


@dataclass(frozen=True)
class Survey:
    """What one launch found.

    Attributes:
        times_ms: Rung, or `cudnn` -> its timed runs.
        pairs: Rung -> (rung_ms, baseline_ms), in the order measured; not of rungs that are much slower.
        conditions: Clocks (MHz), temperature and power right after the timed runs, of those that NVML knows.
        trouble: Trusted signs of trouble during the launch.
        notes: Why cuDNN has no times.
    """

    times_ms: dict[str, tuple[float, ...]]
    pairs: dict[str, tuple[tuple[float, float], ...]]
    conditions: dict[str, float] = field(default_factory=dict)
    trouble: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def main(arguments: list[str]) -> int:
    """Runs a request; returns the exit status."""
    try:
        request = decode(SurveyRequest, json.loads(Path(arguments[0]).read_text(encoding="utf-8")), "survey request")
        found = survey(CudaGpu(request.launch.device), request)
    except GpulabsError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    (Path(request.launch.work_dir) / ANSWER).write_text(json.dumps(encode(found)), encoding="utf-8")
    return 0


def survey(gpu: Gpu, request: SurveyRequest) -> Survey:
    """Times all rungs, in turns and in pairs, then cuDNN.

    Raises:
        GraderError: The rungs disagree about the answer.
    """
    kernels = load_kernels(gpu, request.launch)
    x, w = inputs(request.launch, request.case)
    names, order = list(request.rungs), random.Random(request.seed)
    baseline = names[0]
    track = Track(gpu, [Contender(name, plan, kernels) for name, plan in request.rungs.items()], x, w)
    try:
        for name in names:
            for run in range(WARM_UPS):
                track.run(name, run % SETS)
        answer = _agreed(track, names)
        times: dict[str, list[float]] = {name: [] for name in names}
        signs = set(throttled(request.launch.device))
        for turn in range(request.rounds):
            for name in order.sample(names, len(names)):
                times[name].append(track.run(name, turn % SETS))
        longest = MUCH_SLOWER * statistics.median(times[baseline])
        near = [name for name in names if statistics.median(times[name]) <= longest]
        pairs = {name: _pairs(track, name, baseline, request.pairs, order) for name in near}
        signs.update(throttled(request.launch.device))
        conditions = _conditions(request.launch.device)
    finally:
        track.close()
    found: dict[str, tuple[float, ...]] = {name: tuple(each) for name, each in times.items()}
    notes: tuple[str, ...] = ()
    if request.cudnn and isinstance(gpu, CudaGpu):
        what = convolution(x.shape, w.shape, answer.shape, request.stride)
        timing = time_convolution(gpu, what, x, w, answer, budget_s=CUDNN_BUDGET_S)
        found |= {"cudnn": timing.times_ms} if timing.times_ms else {}
        notes = (timing.note,) if timing.note and not timing.times_ms else ()
    return Survey(found, pairs, conditions, tuple(sorted(signs)), notes)


def _agreed(track: Track, names: list[str]) -> Array:
    """The baseline's answer on set 0, which all others must give within what lowered precision explains."""
    track.run(names[0], 0)
    answer = track.output(names[0])
    scale = float(np.max(np.abs(answer)))
    for name in names[1:]:
        track.run(name, 0)
        worst = float(np.max(np.abs(track.output(name).reshape(answer.shape) - answer)))
        if not worst <= WORST_ERROR * scale:  # NaN compares false
            raise GraderError(f"the ladder's {name} differs from {names[0]} by {worst:g} where outputs reach {scale:g}")
    return answer


def _pairs(track: Track, name: str, baseline: str, count: int, order: random.Random) -> tuple[tuple[float, float], ...]:
    """Pairs in random ABBA order, as in a race."""
    pairs: list[tuple[float, float]] = []
    while len(pairs) < count:
        first = order.random() < 0.5
        for rung_first in (first, not first):
            which = len(pairs) % SETS
            if rung_first:
                mine, theirs = track.run(name, which), track.run(baseline, which)
            else:
                theirs, mine = track.run(baseline, which), track.run(name, which)
            pairs.append((mine, theirs))
    return tuple(pairs)


def _conditions(device: int) -> dict[str, float]:
    """Clocks, temperature and power as NVML gives them now; empty without NVML."""
    try:
        import pynvml
    except ImportError:
        return {}
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return {}
    try:
        handle = nvml_device(pynvml, device)
        asked: dict[str, Any] = {
            "sm_mhz": lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM),
            "memory_mhz": lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM),
            "temperature_c": lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU),
            "power_w": lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000,
        }
        found = {}
        for name, ask in asked.items():
            try:
                found[name] = float(ask())
            except pynvml.NVMLError:  # a value that this board doesn't report
                continue
        return found
    except pynvml.NVMLError:
        return {}
    finally:
        pynvml.nvmlShutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
