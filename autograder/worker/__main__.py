"""The process that runs what a submission holds: `python -m autograder.worker FOLDER`.

Reads FOLDER/request.json and appends one JSON line an event to FOLDER/events.jsonl. It sees no GPU, no
rubric, no expected output, no score. Asked to *plan* it runs student Python; asked to *simulate*, in
another process, kernels alone, and leaves outputs as FOLDER/<case>.npy. Whatever it writes is untrusted;
`autograder.planning` reads it back strictly.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from autograder.evidence import Case, Fault, FaultKind, decode, encode


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
    if request["mode"] == "simulate":
        simulate(folder, request, events)
    elif not plan(request, events):
        return
    events.write("end", "")


def simulate(folder: Path, request: dict[str, Any], events: Events) -> None:
    """Replays recorded launches in the simulator; no student Python but checked kernels is in this process."""
    os.environ["NUMBA_ENABLE_CUDASIM"] = "1"
    from autograder.worker.replay import replay_task
    from gpulabs import simulator

    simulator.install()
    events.write("compiler", "", compiled=False)
    for task in request["tasks"]:
        replay_task(folder, events, task, request["limits"]["kernel_s"])
        events.write("done", task["id"])


def plan(request: dict[str, Any], events: Events) -> bool:
    """Runs student Python: what its host functions launch is recorded and compiled.

    Returns:
        Whether it came to the end; False when a task left this process unfit for the next.
    """
    # All of the grader's own imports come before any student code: what fails here is not theirs.
    with _hidden("scipy"):
        from autograder.worker.cells import find_function, run_cells
        from autograder.worker.channel import Channel
        from autograder.worker.compiling import Compiler, has_compiler
        from autograder.worker.offered import restrict
        from autograder.worker.planning import plan_kernel_case, plan_value_case  # noqa: F401 (after student code ran)
        from autograder.worker.recorder import Recorder

        compiled = has_compiler()
    channel = Channel() if request.get("rigs") else None
    cc = (int(request["compute_capability"][0]), int(request["compute_capability"][1]))
    compiler = Compiler(cc, enabled=compiled)
    recorder = Recorder(cc, compiler.key)
    events.write("compiler", "", compiled=compiled)
    limits = request["limits"]
    restrict()
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
            _run_cases(events, task, chosen, function, recorder, compiler, channel, limits)
        events.write("done", name)
        if channel and channel.broken:
            return False
    return True


@contextlib.contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Imports of a package fail inside, as if it were not installed.

    Numba looks whether SciPy has a BLAS for linear algebra, which no kernel has; that look is a seventh of a
    worker's whole work. A student's cells may import it all the same.
    """
    there = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]
        if there is not None:
            sys.modules[package] = there


def _run_cases(
    events: Events,
    task: dict[str, Any],
    cases: Sequence[Case],
    function: Any,
    recorder: Any,
    compiler: Any,
    channel: Any,
    limits: dict[str, float],
) -> None:
    from autograder.worker.planning import plan_kernel_case, plan_value_case

    name = task["id"]
    told: set[str] = set()
    for case in cases:
        events.write("enter", name, case=case.id, stage="host")
        compiler.sign = functools.partial(events.write, "enter", name, case=case.id, stage="host")
        if task["kind"] == "function":
            plan = plan_value_case(function, case, limits["host_s"], channel)
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
