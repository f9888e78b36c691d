"""Runs recorded launches in the simulator, in a process that holds nothing of the submission but kernel code.

Plans and kernels come from a process that ran student Python, and travelled as data. Kernels are built
anew from checked text (`autograder.worker.kernel_code`); no cell, host function or object of the student's
is here, so what this process says of outputs and memory traffic is what the kernels did.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from autograder.evidence import Case, FaultKind, Function, Outcome, Plan, decode, encode
from autograder.worker import simulation
from autograder.worker.kernel_code import KernelCodeError, build


def replay_task(folder: Path, events: Any, task: dict[str, Any], seconds: float) -> None:
    """Runs all plans of a task and reports an outcome for each.

    Args:
        folder: Holds `<case>.x.npy` and `<case>.w.npy`, gets `<case>.npy`.
        events: Where outcomes are written.
        task: As `autograder.planning` asked.
        seconds: Limit for one case.
    """
    name = task["id"]
    cases = {case.id: case for case in (decode(Case, case) for case in task["cases"])}
    sources = {
        key: tuple(decode(Function, part) for part in kernel["source"]) for key, kernel in task["kernels"].items()
    }
    names = {key: str(kernel["name"]) for key, kernel in task["kernels"].items()}
    built: dict[str, Any] = {}
    for plan in (decode(Plan, plan) for plan in task["plans"]):
        events.write("enter", name, case=plan.case, stage="kernel")
        key = ""
        try:
            for key in {launch.kernel for launch in plan.launches} - set(built):
                built[key] = build(sources[key])
        except KernelCodeError as error:
            why = (
                f"Needs a GPU: kernel {names[key]} {error}, which is not replayed in the simulator. "
                "Use numbers, arrays, cuda.* and math.* to have it judged here."
            )
            events.write("outcome", name, outcome=encode(Outcome(plan.case, pending=why)))
            continue
        _run(folder, events, name, cases[plan.case], plan, built, plan.case in task["trace"], seconds)


def _run(
    folder: Path, events: Any, task: str, case: Case, plan: Plan, built: dict[str, Any], trace: bool, seconds: float
) -> None:
    x, w = (np.load(folder / f"{case.id}.{role}.npy", allow_pickle=False) for role in ("x", "w"))
    replay = [(built[launch.kernel], launch) for launch in plan.launches]
    outcome, y = simulation.run_plan(plan, replay, case, x, w, trace=trace, seconds=seconds)
    if y is not None:
        np.save(folder / f"{case.id}.npy", y, allow_pickle=False)
    events.write("outcome", task, outcome=encode(outcome))
    if outcome.fault and outcome.fault.kind is FaultKind.KERNEL_TIMEOUT:
        # The simulated threads can't be stopped; a fresh process goes on with the rest.
        os._exit(0)
