"""The stage that trains what a submission declares: reads it strictly, starts a disposable process, counts its answers.

    declared network + plan -> small run on digits, and on a GPU with CIFAR-10 the whole plan, several seeds -> Training

On the digits the plan is followed in small: few epochs, small batches, in float32, nothing mirrored (a digit is no
longer one then). It shows whether the network learns by this plan, on any machine, in seconds. What it is worth shows
on CIFAR-10, beside the plan as given, trained in the same process: accuracies and times are compared, never taken for
themselves.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder import questions, turns
from autograder.assemble import own_environment
from autograder.evidence import Case, Fault, FaultKind, PlanSet, Run, Trained, Training
from autograder.rubric import TRAINED_KINDS, Task
from gpulabs import data, devices
from gpulabs.data.registry import is_official
from gpulabs.declared import LAB_NETWORK, Network, Plan, read_network, read_plan
from gpulabs.errors import BadInputError, GraderError
from gpulabs.networks import PARAMETERS
from gpulabs.trial import image_set, small

SEEDS = {"digits": 1, "cifar10": 3}
BASELINE_SEEDS = 2
BASELINE = Plan()
"""The plan as given: Adam at 1e-3 throughout, 20 epochs, images as they are."""

LIMIT_S = {"digits": 300.0, "cifar10": 1500.0}
"""An untroubled machine needs a tenth; past it the process is ended."""
WAIT_S = 3600.0
_LOG_TAIL = 300
NO_GPU = "Needs a GPU: there the plan is followed in full, on CIFAR-10."
NO_DATA = "Needs CIFAR-10, which is not on this machine: `gpulabs data fetch cifar10` gets it."
OPEN_DATA = (
    "CIFAR-10 is not used: others than the grader can change {}. Set GPULABS_DATA to a folder that only the grader's "
    "account can write to."
)
_DESCRIPTIONS = {"digits": "handwritten digits, enlarged to 16 x 16", "cifar10": "CIFAR-10"}


def wanted(task: Task) -> tuple[str, ...]:
    """The data sets that a task's items are trained on."""
    return tuple(dict.fromkeys(TRAINED_KINDS[item.kind] for item in task.items if item.kind in TRAINED_KINDS))


def train_task(
    task: Task, cases: Sequence[Case], plans: PlanSet, folder: Path, where: str, seed: int,
    *, gpu: int = 0, stop: threading.Event | None = None,
) -> Trained:  # fmt: skip
    """Trains what a task declares.

    Args:
        task: With items of `TRAINED_KINDS`.
        cases: Its cases; those of `questions.DECLARED` hold the declarations.
        plans: What its functions returned.
        folder: An empty one, out of a student's reach.
        where: `gpu` or `simulator`, which trains on the CPU.
        seed: From which the seeds of the trainings are drawn.
        gpu: Number of the GPU.
        stop: Ends the training when another thread sets it.
    """
    refused, network, plan = declared(cases, plans)
    pending = {name: why for name in wanted(task) if (why := obstacle(name, where))}
    if refused or network is None or plan is None:
        return Trained(refused=refused, pending=pending)
    trainings: dict[str, Training] = {}
    failures: dict[str, str] = {}
    turn: Any = contextlib.nullcontext()
    if where == "gpu":
        turn = turns.turn(devices.identity(gpu), alone=True, wait_s=WAIT_S, stop=stop)
    try:
        with turn:
            for name in wanted(task):
                if name not in pending:
                    work = folder / name
                    work.mkdir(parents=True)
                    trainings[name] = _train_on(name, network, plan, work, seed, gpu if where == "gpu" else None, stop)
    except GraderError as error:
        failures = {name: str(error) for name in wanted(task) if name not in trainings}
    return Trained(trainings, None, pending, failures)


def obstacle(name: str, where: str) -> str:
    """Says why a data set can't be trained on here, or nothing."""
    if name == "digits":
        return ""
    if where != "gpu":
        return NO_GPU
    if not data.is_here(name):
        return NO_DATA
    loose = open_to_others(data.registry.path(name))
    return OPEN_DATA.format(loose) if loose is not None else ""


def open_to_others(path: Path) -> Path | None:
    """Returns the file, or the folder above it, that an account other than the grader's and root's could change.

    What is trained on and measured with must come from no one who is graded. A worker's walls keep it from writing
    outside its folder; this keeps out those who log in.
    """
    if os.name != "posix":
        return None
    for one in (path.resolve(), *path.resolve().parents):
        try:
            facts = one.stat()
        except FileNotFoundError:
            continue
        others = facts.st_mode & stat.S_IWOTH and not facts.st_mode & stat.S_ISVTX
        if others or facts.st_uid not in (0, os.geteuid()):
            return one
    return None


def declared(cases: Sequence[Case], plans: PlanSet) -> tuple[Fault | None, Network | None, Plan | None]:
    """Reads what a task's functions declared.

    Returns:
        A fault, or the network and the plan. Neither, where a function returned nothing: its own fault says why.
    """
    answers = {plan.case: plan.value for plan in plans.plans}
    names = {case.values: case.function for case in cases if case.values in questions.DECLARED}
    found: dict[str, Any] = {}
    for case in cases:
        if case.function not in names.values():
            continue
        if case.id not in answers:
            return None, None, None
        first = found.setdefault(case.function, answers[case.id])
        if not _same(first, answers[case.id]):
            text = f"{case.function} returned another value when it was called again: what is trained has to be one."
            return Fault(FaultKind.REJECTED, text, case.task), None, None
    task = cases[0].task
    try:
        network = read_network(found[names["network"]], where=names["network"])
        plan = read_plan(found[names["plan"]], names["plan"])
    except BadInputError as error:
        return Fault(FaultKind.REJECTED, f"Nothing is trained: {error}.", task), None, None
    if network.parameters != PARAMETERS:
        text = f"Nothing is trained: the network has {network.parameters:,} parameters, expected {PARAMETERS:,}."
        return Fault(FaultKind.WRONG_VALUES, text, task), None, None
    if plan.epochs > BASELINE.epochs:
        text = f"Nothing is trained: the plan asks for {plan.epochs} epochs, there are {BASELINE.epochs}."
        return Fault(FaultKind.WRONG_VALUES, text, task), None, None
    return None, network, plan


def _train_on(
    name: str, network: Network, plan: Plan, work: Path, seed: int, gpu: int | None, stop: threading.Event | None
) -> Training:
    images = image_set(full=name == "cifar10")
    if images.is_small:
        try:
            network, plan = small(network, plan)
        except BadInputError as error:
            raise GraderError(f"the small run on digits has no room for this network: {error}") from error
    for part in ("x_train", "y_train", "x_test"):
        np.save(work / f"{name}.{part}.npy", getattr(images, part))
    drawn = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(6,)))
    seeds = [int(one) for one in drawn.integers(2**20, size=SEEDS[name])]
    jobs = [_job(f"mine-{one}", name, network, plan, one) for one in seeds]
    if name != "digits":  # the plan as given first: who is late after it is late by its measure
        given = [_job(f"given-{one}", name, LAB_NETWORK, BASELINE, one) for one in seeds[:BASELINE_SEEDS]]
        jobs = [*given, *jobs]
    (work / "request.json").write_text(json.dumps({"gpu": gpu, "jobs": jobs}), encoding="utf-8")
    late = _work(work, LIMIT_S[name], stop)
    runs = {job["name"]: _run(work, job, images.y_train, images.y_test) for job in _done(work, jobs)}
    mine, baseline = (tuple(run for key, run in runs.items() if key.startswith(kind)) for kind in ("mine-", "given-"))
    fault = None
    if late and (name == "digits" or len(baseline) < BASELINE_SEEDS):
        raise GraderError(f"training on {_DESCRIPTIONS[name]} did not end within {LIMIT_S[name]:.0f} s")
    if late:
        text = f"Training by your plan did not end within {LIMIT_S[name]:.0f} s, in which the plan as given did."
        fault = Fault(FaultKind.HOST_TIMEOUT, text)
    return Training(name, _describe(name), len(images.x_test), mine, baseline, fault)


def _job(name: str, data_set: str, network: Network, plan: Plan, seed: int) -> dict[str, Any]:
    return {"name": name, "data": data_set, "network": network.plain(), "plan": plan.plain(), "seed": seed}


def _work(work: Path, limit_s: float, stop: threading.Event | None) -> bool:
    """Runs the process in a folder; returns whether it was ended for being late.

    Raises:
        GraderError: It failed, or the work was stopped.
    """
    environment = own_environment() | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    command = [sys.executable, "-P", "-m", "autograder.training_process", str(work)]
    with (work / "log").open("w+b") as log:
        child = subprocess.Popen(
            command, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        ends = time.monotonic() + limit_s
        try:
            while child.poll() is None and time.monotonic() < ends and not (stop and stop.is_set()):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(0.2)
            late = child.poll() is None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if stop and stop.is_set():
            raise GraderError("the training was stopped")
        if not late and child.returncode:
            log.seek(0)
            said = " | ".join(log.read().decode("utf-8", "replace").strip().splitlines()[-3:])[-_LOG_TAIL:]
            raise GraderError(f"the training process ended with code {child.returncode}: {said or 'it said nothing'}")
    return late


def _done(work: Path, jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The jobs that came to their end, with what the process said of them."""
    with contextlib.suppress(FileNotFoundError):
        text = (work / "done.jsonl").read_text(encoding="utf-8")
        said = {line["name"]: line for line in map(json.loads, text.splitlines())}
        return [{**job, **said[job["name"]]} for job in jobs if job["name"] in said]
    return []


def _run(work: Path, job: Mapping[str, Any], y_train: NDArray[Any], y_test: NDArray[Any]) -> Run:
    """Counts what a training got right: here, and only here, are its predictions and the labels together."""
    test, train = (np.load(work / f"{job['name']}.{part}.npy") for part in ("test", "train"))
    return Run(
        seed=job["seed"],
        accuracy=float(np.mean(test == y_test)),
        train_accuracy=float(np.mean(train == y_train[: len(train)])),
        losses=tuple(job["losses"]),
        epoch_s=tuple(job["epoch_s"]),
    )


def _describe(name: str) -> str:
    if name == "digits":
        return _DESCRIPTIONS[name]
    identity = data.identity(name)
    return f"CIFAR-10, {'the official archive' if is_official(name, identity) else f'archive {identity[:8]}'}"


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
