"""The child of stage 4: `python -m autograder.launch REQUEST.json`. Trusted code only; may be killed at any time."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from autograder.evidence import Outcome, Race, encode
from autograder.launch.gpu import CudaGpu, Gpu, GpuFault
from autograder.launch.race import Contender, Track, run_race
from autograder.launch.request import RACE, STICKY_EXIT, Events, RaceRequest, Request, load_request
from autograder.launch.runner import Array, KernelFault, Loaded, run_case
from autograder.launch.trouble import throttled
from gpulabs.errors import GpulabsError, GraderError

CUDNN_BUDGET_S = 1.0
"""cuDNN's heuristics give the likeliest plans first; a benchmark may take longer, a check should not."""


def main(arguments: list[str], open_gpu: Callable[[int], Gpu] = CudaGpu) -> int:
    """Runs a request on a GPU, or in tests on a stand-in; returns the exit status."""
    _die_with_parent()
    # Libraries that print must not write into the events: they get stderr for stdout.
    events = Events(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    try:
        request = load_request(Path(arguments[0]))
        _load_libraries(request)
        events.wait_for_turn(alone=False)
        gpu = open_gpu(request.device)
        events.send("gpu", gpu.name)
        return serve(gpu, request, events)
    except GpulabsError as error:
        events.send("error", {"type": type(error).__name__, "message": str(error)})
        return int(error.exit_code)


def serve(gpu: Gpu, request: Request, events: Events) -> int:
    """Runs all cases, then the race; reports each as it ends."""
    kernels = load_kernels(gpu, request)
    failed: set[str] = set()
    for plan in request.plans:
        events.send("start", plan.case)
        try:
            x, w = inputs(request, plan.case)
            outcome = run_case(gpu, plan, kernels, x, w, Path(request.work_dir) / f"{plan.case}.npy")
        except KernelFault as error:
            events.send("outcome", encode(Outcome(plan.case, error.fault)))
            if error.sticky:
                return STICKY_EXIT
            failed.add(plan.case)
            continue
        events.send("outcome", encode(outcome))
    if request.race is not None and request.race.case not in failed:
        return serve_race(gpu, request, request.race, kernels, events)
    return 0


def serve_race(gpu: Gpu, request: Request, asked: RaceRequest, kernels: dict[str, Loaded], events: Events) -> int:
    """Runs the race; a fault of the candidate becomes an outcome of its case."""
    trouble = events.wait_for_turn(alone=True)
    events.send("start", RACE)
    asked = replace(asked, race=replace(asked.race, trouble=trouble))
    plan = asked.plan
    x, w = inputs(request, asked.case)
    judged = np.load(Path(request.work_dir) / f"{asked.case}.npy", allow_pickle=False)
    contenders = [Contender("candidate", plan, kernels)]
    contenders += [Contender(name, rung, kernels) for name, rung in asked.rungs.items()]
    try:
        track = Track(gpu, contenders, x, w)
        names = [each.name for each in contenders]
        race = run_race(
            asked.race,
            asked.threshold,
            track,
            names,
            judged,
            asked.seed,
            lambda: events.send("tick", RACE),
            lambda: throttled(request.device),
            asked.curve,
        )
        track.close()
    except KernelFault as error:
        if error.who != "candidate":
            raise GraderError(f"race: the ladder's {error.who} failed: {error}") from error
        events.send("outcome", encode(Outcome(asked.case, error.fault)))
        return STICKY_EXIT if error.sticky else 0
    except GpuFault as error:
        events.send("race", encode(replace(asked.race, trouble=(f"the race could not run: {error.name}",))))
        return 0
    events.send("race", encode(race))
    if asked.cudnn and isinstance(gpu, CudaGpu):
        events.send("race", encode(with_cudnn(gpu, race, x, w, judged, asked)))
    return 0


def with_cudnn(gpu: CudaGpu, race: Race, x: Array, w: Array, judged: Array, asked: RaceRequest) -> Race:
    """Adds cuDNN's median to the race's peers; says why on stderr when there is none."""
    from autograder.launch.cudnn import convolution, time_convolution

    baseline = asked.rungs[asked.race.baseline]
    stride = next((a.scalar for a in baseline.launches[0].arguments if a.array is None), 1)
    what = convolution(x.shape, w.shape, judged.shape, int(stride or 1))
    timing = time_convolution(gpu, what, x, w, judged, budget_s=CUDNN_BUDGET_S)
    if not timing.times_ms:
        print(timing.note, file=sys.stderr)
        return race
    return replace(race, peers=race.peers | {"cudnn": timing.median_ms})


def load_kernels(gpu: Gpu, request: Request) -> dict[str, Loaded]:
    """Loads all machine code."""
    loaded: dict[str, Loaded] = {}
    for key, kernel in request.kernels.items():
        try:
            loaded[key] = Loaded(kernel, gpu.load(Path(request.cubins[key]).read_bytes(), kernel.entry))
        except GpuFault as error:
            raise GraderError(f"launch: the GPU does not load {kernel.name}: {error.name}") from error
    return loaded


def inputs(request: Request, case: str) -> tuple[Array, Array]:
    """Reads a case's x and w."""
    folder = Path(request.arrays_dir)
    x, w = (np.load(folder / f"{case}.{name}.npy", allow_pickle=False) for name in "xw")
    return x, w


def _load_libraries(request: Request) -> None:
    """Loads what takes long to load before the GPU is anyone's; what is missing is told where it is used."""
    with contextlib.suppress(Exception):
        import cuda.core  # noqa: F401
        from cuda.bindings import driver  # noqa: F401
    if request.race and request.race.cudnn:
        with contextlib.suppress(Exception):
            from autograder.launch.cudnn import frontend

            frontend()


def _die_with_parent() -> None:
    """Asks Linux to kill this process when its parent goes, so that no endless kernel outlives the grader."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    # Past all destructors: in a context that a kernel has ruined they can only fail.
    sys.stderr.flush()
    os._exit(status)
