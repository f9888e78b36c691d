"""The process that runs student Python: `python -m autograder.worker FOLDER`.

Reads FOLDER/request.json, appends one JSON line an event to FOLDER/events.jsonl, and leaves
simulated outputs as FOLDER/<case>.npy. It sees no GPU, no rubric, no expected output, no score.
Whatever it writes is untrusted; `autograder.planning` reads it back strictly.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.evidence import Case, Fault, FaultKind, Plan, decode, encode


class Events:
    """Writes events at once, so that nothing is lost when the process is killed."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, event: str, task: str, **more: Any) -> None:
        """Appends one event."""
        print(json.dumps({"event": event, "task": task, **more}), file=self._file, flush=True)

    def fault(self, task: str, fault: Fault) -> None:
        """Appends a fault."""
        self.write("fault", task, fault=encode(fault))


def main(folder: Path) -> None:
    """Works through the request's tasks."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    events = Events(folder / "events.jsonl")
    events.write("enter", "", case=None, stage="start")
    simulate = request["mode"] == "simulate"
    if simulate:
        os.environ["NUMBA_ENABLE_CUDASIM"] = "1"

    # All of the grader's own imports come before any student code: what fails here is not theirs.
    from autograder.worker.cells import find_function, run_cells
    from autograder.worker.compiling import Compiler, has_compiler
    from autograder.worker.recorder import Recorder

    if simulate:
        from autograder.worker import simulation

        simulation.install()
    cc = (int(request["compute_capability"][0]), int(request["compute_capability"][1]))
    compiled = not simulate and has_compiler()
    compiler = Compiler(cc, enabled=compiled)
    recorder = Recorder(cc, compiler.key)
    events.write("compiler", "", compiled=compiled)
    limits = request["limits"]
    for task in request["tasks"]:
        name = task["id"]
        events.write("enter", name, case=None, stage="host")
        compiler.lines = bool(task.get("lines"))
        cells = [(str(cell[0]), str(cell[1])) for cell in task["cells"]]
        namespace = run_cells(name, cells, limits["host_s"])
        if isinstance(namespace, Fault):
            events.fault(name, namespace)
            continue
        cases = [decode(Case, case) for case in task["cases"]]
        for function_name, signature in task["functions"].items():
            function = find_function(namespace, name, function_name, signature)
            if isinstance(function, Fault):
                events.fault(name, function)
                continue
            chosen = [case for case in cases if case.function == function_name]
            _run_cases(folder, events, task, chosen, function, recorder, compiler, limits, simulate)
        events.write("done", name)
    events.write("end", "")


def _run_cases(
    folder: Path,
    events: Events,
    task: dict[str, Any],
    cases: Sequence[Case],
    function: Any,
    recorder: Any,
    compiler: Any,
    limits: dict[str, float],
    simulate: bool,
) -> None:
    from autograder.worker.planning import plan_kernel_case, plan_value_case

    name = task["id"]
    told: set[str] = set()
    for case in cases:
        events.write("enter", name, case=case.id, stage="host")
        compiler.sign = functools.partial(events.write, "enter", name, case=case.id, stage="host")
        if task["kind"] == "function":
            plan = plan_value_case(function, case, limits["host_s"])
        else:
            plan = plan_kernel_case(function, case, recorder, limits["host_s"])
        if isinstance(plan, Fault):
            # One endless loop is enough: the other cases would only wait for the same.
            whole = plan.kind is FaultKind.HOST_TIMEOUT
            events.fault(name, dataclasses.replace(plan, case=None) if whole else plan)
            if whole or plan.case is None:
                return
            continue
        for key in {launch.kernel for launch in plan.launches} - told:
            events.write("kernel", name, key=key, kernel=encode(compiler.kernels[key]))
            told.add(key)
        events.write("plan", name, plan=encode(plan))
        if simulate and task["kind"] == "kernel":
            events.write("enter", name, case=case.id, stage="kernel")
            _simulate(folder, events, name, case, plan, recorder, case.id in task["trace"], limits["kernel_s"])


def _simulate(
    folder: Path, events: Events, task: str, case: Case, plan: Plan, recorder: Any, trace: bool, seconds: float
) -> None:
    import numpy as np

    from autograder.worker import simulation

    x, w = (np.load(folder / f"{case.id}.{role}.npy", allow_pickle=False) for role in ("x", "w"))
    outcome, y = simulation.run_plan(plan, recorder.replay, case, x, w, trace=trace, seconds=seconds)
    if y is not None:
        np.save(folder / f"{case.id}.npy", y, allow_pickle=False)
    events.write("outcome", task, outcome=encode(outcome))
    if outcome.fault and outcome.fault.kind is FaultKind.KERNEL_TIMEOUT:
        # The simulated threads can't be stopped; a fresh process goes on with the rest.
        os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
