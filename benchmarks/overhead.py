"""What grading costs beside the kernel: a lab's speed workloads, stage by stage, with the solution as submission.

    PYTHONPATH=src:. python -m benchmarks.overhead --out benchmarks/results/overhead.json

For each task with a race: wall time of its whole grading and of each stage, the GPU's own stage within it, the
GPU time of all timed runs, and the kernel's time in the race beside the same kernel launched by Numba itself, in
a process of its own, timed as in a notebook. So overhead has two meanings, and both are recorded: what the path
adds to a grading, and what the launcher adds to a kernel. `--device simulator` shows the first without a GPU.

The record is written after each task. The exit status says whether a grading lost points.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autograder import launch, path, rubric
from autograder.evidence import Measurement, Race
from autograder.program import program
from autograder.result import Status
from autograder.rubric import TIMED_KINDS, Task
from autograder.submission import read_notebook
from benchmarks import record
from benchmarks.grading import ROOT, _notebook

COMMAND = "PYTHONPATH=src:. python -m benchmarks.overhead --out benchmarks/results/overhead.json"
LABS = ("lab1", "lab2")
BARE_S = 120.0

Event = tuple[float, str]
"""Seconds since the grading began, and the stage that began then."""


class Witness:
    """Stands before a function that measures, passes everything through, and remembers races and times."""

    def __init__(self, measure: Callable[..., Measurement]) -> None:
        self._measure, self._lock = measure, threading.Lock()
        self.races: list[Race] = []
        self.seconds: list[float] = []

    def __call__(self, *arguments: Any, **options: Any) -> Measurement:
        """Measures."""
        began = time.monotonic()
        found = self._measure(*arguments, **options)
        with self._lock:
            self.races += found.races
            self.seconds.append(time.monotonic() - began)
        return found

    def clear(self) -> None:
        """Forgets."""
        with self._lock:
            self.races, self.seconds = [], []


def main() -> int:
    """Grades, records after each task, prints; returns 1 if a grading lost points."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--device", default="gpu", help="simulator: the stages without a race")
    parser.add_argument("--repeat", type=int, default=3, help="gradings of each task")
    parser.add_argument("--labs", nargs="*", default=LABS)
    parser.add_argument("--budget-s", type=float, default=240.0)
    parser.add_argument("--bare", nargs=3, metavar=("NOTEBOOK", "LAB", "TASK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        return bare(*options.bare)
    if options.out is None:
        parser.error("--out is needed")
    began, workloads = time.monotonic(), []
    witness = Witness(launch.measure)
    path.measure_task, launch.measure = (stage := Witness(path.measure_task)), witness
    with tempfile.TemporaryDirectory(prefix="gpulabs-overhead-") as folder:
        for lab in options.labs:
            loaded = rubric.load(lab)
            notebook = solution(loaded.id, Path(folder))
            for task in (task for task in loaded.tasks if any(item.kind in TIMED_KINDS for item in task.items)):
                if time.monotonic() - began > options.budget_s:
                    print(f"not measured for lack of time: {task.id}", file=sys.stderr)
                    continue
                workloads.append(_workload(notebook, loaded.id, task, options, stage, witness))
                found = {"where": options.device, "workloads": workloads}
                record.write(options.out, record.record("overhead", COMMAND, found))
    print(table(workloads))
    return int(any(one["lost"] for one in workloads))


def solution(lab: str, folder: Path) -> Path:
    """Writes a lab's released notebook with the solution's cells."""
    example = folder / "solution" / lab / "solution.py"
    example.parent.mkdir(parents=True)
    example.write_text("# The lab's own solution.\n", encoding="utf-8")
    work = folder / lab
    work.mkdir()
    return _notebook(lab, example, work)


def _workload(
    notebook: Path, lab: str, task: Task, options: argparse.Namespace, stage: Witness, child: Witness
) -> dict[str, Any]:
    stage.clear()
    child.clear()
    graded, timelines = [], []
    for _ in range(1 + options.repeat):  # the first starts TensorFlow, which stays for the class
        began, events = time.monotonic(), []

        def note(name: str, _: str, began: float = began, events: list[Event] = events) -> None:
            events.append((time.monotonic() - began, name))

        graded.append(path.grade(notebook, lab, tasks=(task.id,), device=options.device, pictures=False, progress=note))
        timelines.append(stages(events, time.monotonic() - began))
    bare = bare_ms(notebook, lab, task.id) if options.device == "gpu" else None
    lost = [f"{i.item}: {i.reason}" for one in graded for i in one.items if i.status in (Status.LOST, Status.WITHHELD)]
    found = {"lab": lab, "task": task.id, **summary(timelines, stage.races, child.seconds, bare), "lost": lost}
    print(f"{lab} {task.id}: {found['grading_s']['median']:.1f} s, lost {lost or 'nothing'}", file=sys.stderr)
    return found


def stages(events: Sequence[Event], end_s: float) -> dict[str, float]:
    """Seconds of each stage: from its beginning to the next one's; what comes before the first is `start`."""
    found: dict[str, float] = {}
    for (since, name), (until, _) in zip([(0.0, "start"), *events], [*events, (end_s, "")], strict=True):
        found[name] = found.get(name, 0.0) + until - since
    return found


def summary(
    timelines: Sequence[dict[str, float]], races: Sequence[Race], child_s: Sequence[float], bare: float | None
) -> dict[str, Any]:
    """What several gradings of one task say; the first, with cold caches, stands apart: a pure function.

    Args:
        timelines: Stage -> seconds, of each grading in order.
        races: Of all gradings, the first included.
        child_s: Wall time of the process on the GPU, of each grading.
        bare: Milliseconds of the kernel launched by Numba, or None.
    """
    wholes, warm = [sum(one.values()) for one in timelines], timelines[1:] or timelines
    race_ms = [statistics.median(mine for mine, *_ in race.pairs) for race in races]
    timed_ms = [sum(sum(times) for times in (race.rounds or race.pairs)) for race in races]
    kernel = statistics.median(race_ms) if race_ms else None
    return {
        "workload": races[0].workload if races else None,
        "gradings": len(timelines),
        "grading_s": {"first": round(wholes[0], 3), "median": round(statistics.median(wholes[1:] or wholes), 3)},
        "stages_s": {name: round(statistics.median(one.get(name, 0.0) for one in warm), 3) for name in warm[0]},
        "gpu_process_s": round(statistics.median(child_s), 3) if child_s else None,
        "rounds": statistics.median(len(race.pairs) for race in races) if races else None,
        "timed_ms": statistics.median(timed_ms) if timed_ms else None,
        "kernel_ms": {"race": kernel, "numba": bare, "race_over_numba": kernel / bare if kernel and bare else None},
    }


def bare_ms(notebook: Path, lab: str, task: str) -> float | None:
    """The task's kernels on the race's workload, launched by Numba in a process of its own, median ms."""
    command = [sys.executable, "-m", "benchmarks.overhead", "--bare", str(notebook), lab, task]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BARE_S, check=False, cwd=ROOT)
        return float(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        print(f"no bare time of {task} within {BARE_S:.0f} s", file=sys.stderr)
    except (IndexError, ValueError):
        print(f"no bare time of {task}: {done.stderr.strip()[-300:]}", file=sys.stderr)
    return None


def bare(notebook: str, lab: str, task: str) -> int:
    """Runs code of ours, which is trusted, as a student would in a notebook, and prints its time."""
    import numpy as np
    from numba import cuda

    from gpulabs.timing import time_gpu

    asked = rubric.load(lab).task(task)
    load = next(item.workloads[0] for item in asked.items if item.kind in TIMED_KINDS and item.workloads)
    names: dict[str, Any] = {}
    for name, source in program(read_notebook(Path(notebook), rubric.load(lab).id).cells, task).cells:
        exec(compile(source, name, "exec"), names)
    function = names[asked.function]
    rng = np.random.default_rng(1)
    x = cuda.to_device(rng.integers(-15, 16, (load.n, load.h, load.w, load.c)).astype(np.float32))
    w = cuda.to_device(rng.integers(-3, 4, (load.r, load.s, load.c, load.k)).astype(np.float32))
    timed = dataclasses.asdict(time_gpu(lambda: function(x, w, load.stride, load.padding)))
    print(timed["median_ms"])
    return 0


def table(workloads: Sequence[dict[str, Any]]) -> str:
    """A row for each task."""
    columns = ("task", "kernel ms, Numba", "in the race", "timed runs ms", "GPU process s", "grading s", "first s")
    rows = [
        (
            one["task"],
            one["kernel_ms"]["numba"],
            one["kernel_ms"]["race"],
            one["timed_ms"],
            one["gpu_process_s"],
            one["grading_s"]["median"],
            one["grading_s"]["first"],
        )
        for one in workloads
    ]
    return record.table(columns, rows)


if __name__ == "__main__":
    sys.exit(main())
