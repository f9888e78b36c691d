"""Grades a made-up class with the real command and records time, memory, and that nothing is lost.

    PYTHONPATH=src:. python -m benchmarks.class_run --out benchmarks/results/class_cpu.json --count 300 --cores 2
    PYTHONPATH=src:. python -m benchmarks.class_run --out benchmarks/results/class_killed.json --count 40 --kills 20 \
        --slurm
    PYTHONPATH=src:. python -m benchmarks.class_run --out benchmarks/results/class_gpu.json --count 100 --jobs 8

With `--kills` the class is graded twice: undisturbed, and by a run that is killed (SIGKILL, all its processes) at
random moments and started again as often; with `--slurm` once more, as jobs of a Slurm of this machine's own. All
tables must be the same, verdict by verdict, and nothing may be graded twice. The exit status is the number of
surprises.

The record of 300 wants a quiet machine and an hour or two of it. Look at `uptime` before: the load average is in the
record, and above 2 its times say little. `--most-s 3000` stops in time and records what is graded. Smaller runs are
recorded under names that say so, e.g. `class_cpu_40.json`.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from autograder.result import Result, Status
from autograder.store import Store
from benchmarks import record
from benchmarks.made_up_class import LAB, SHARES, Made, build

SEED = 20261128
COMMAND = "PYTHONPATH=src:. python -m benchmarks.class_run {}"
LOOK_S = 0.5


@dataclass
class Run:
    """One life of the command, watched.

    Attributes:
        seconds: From start to end.
        status: Its exit status.
        peak_bytes: Most memory of all its processes together, shared pages shared out.
        left: Processes that were still there a moment after it ended.
    """

    seconds: float = 0.0
    status: int | None = None
    peak_bytes: int = 0
    left: list[str] = field(default_factory=list)


def main() -> int:
    """Builds, grades, records; returns the number of surprises."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--cores", type=int, help="use so many cores of this machine")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--slurm", action="store_true", help="grade the class on a small Slurm, too")
    parser.add_argument("--most-s", type=float, default=1e9, help="then stop, and record what is graded")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.cores:
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: options.cores]))
    with tempfile.TemporaryDirectory(prefix="gpulabs-class-") as scratch:
        work = Path(scratch)
        made = build(work / "submitted", options.count, options.seed)
        run = grade(work, "results", options, options.most_s)
        if run.status != 0:
            print((work / "log.txt").read_text("utf-8", "replace")[-4000:], file=sys.stderr)
        results = Store(work / "results").newest_of_all(LAB)
        if not results:
            return 100
        found = summary(made, results, run)
        found |= {"cores": len(os.sched_getaffinity(0)), "jobs": options.jobs, "seed": options.seed}
        _write(options.out, found)
        if options.kills:
            found["killed"] = killed(work, options, run.seconds, results)
            _write(options.out, found)
        if options.slurm:
            found["slurm"] = on_slurm(work, options, results)
            _write(options.out, found)
    _print(found)
    return min(len(_surprises(found)), 100)


def _write(out: Path, found: dict[str, Any]) -> None:
    record.write(out, record.record("class_run", COMMAND.format(" ".join(sys.argv[1:])), found))


def _surprises(found: dict[str, Any]) -> list[str]:
    parts = (found, found.get("killed", {}), found.get("slurm", {}))
    return [text for part in parts for text in part.get("surprises", [])]


def command(work: Path, out: str, options: argparse.Namespace) -> list[str]:
    """The command line of a run."""
    line = [sys.executable, "-m", "autograder.cli", "grade", LAB, "--submissions", str(work / "submitted")]
    line += ["--out", str(work / out), "--seed", str(options.seed)]
    return line + (["--jobs", str(options.jobs)] if options.jobs else [])


def grade(
    work: Path, out: str, options: argparse.Namespace, kill_after_s: float = 1e9, more: Sequence[str] = ()
) -> Run:
    """Runs the command to its end, or kills it, and watches its memory."""
    run, began = Run(), time.monotonic()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)}
    with (work / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [*command(work, out, options), *more],
            stdout=log,
            stderr=log,
            env=environment,
            cwd=work,
            start_new_session=True,
        )
        try:
            while True:
                try:
                    run.status = process.wait(min(LOOK_S, max(0.01, began + kill_after_s - time.monotonic())))
                    break
                except subprocess.TimeoutExpired:
                    run.peak_bytes = max(run.peak_bytes, memory(process.pid))
                if time.monotonic() - began > kill_after_s:
                    break
        finally:
            family = _family(process.pid)
            if run.status is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            run.seconds = time.monotonic() - began
    _, alive = psutil.wait_procs(family, timeout=10)
    commands = [each.cmdline() for each in alive if each.is_running()]
    run.left = [" ".join([Path(words[0]).name, *words[1:]])[:120] for words in commands if words]
    return run


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def memory(pid: int) -> int:
    """Bytes of a process and all that it started; pages that several share are counted once."""
    total = 0
    for each in [psutil.Process(pid), *_family(pid)]:
        try:
            about = each.memory_full_info()
            total += getattr(about, "pss", about.rss)
        except (psutil.Error, OSError):
            continue
    return total


def summary(made: Sequence[Made], results: Sequence[Result], run: Run) -> dict[str, Any]:
    """What a run took, and whether everyone has the score that was to be expected."""
    by_student = {result.student: result for result in results}
    if run.status is None:  # time was up: of what was not reached nothing is known
        made = [one for one in made if one.student in by_student]
    seconds = sorted(result.duration_s for result in results if result.duration_s) or [0.0]
    surprises = [
        f"{one.student} ({one.source}): {why}" for one in made if (why := surprise(one, by_student.get(one.student)))
    ]
    kinds: dict[str, Any] = {}
    for kind in SHARES:
        own = [by_student[one.student] for one in made if one.kind == kind and one.student in by_student]
        points = [result.points for result in own]
        kinds[kind] = {"submissions": len(own), "median points": statistics.median(points) if points else None}
        kinds[kind]["median s"] = statistics.median(result.duration_s for result in own) if own else None
    return {
        "submissions": len(made),
        "graded": len(results),
        "seconds": round(run.seconds, 1),
        "seconds_a_submission": round(run.seconds / max(len(results), 1), 2),
        "start_to_verdict_s": {
            "median": statistics.median(seconds),
            "p90": seconds[int(0.9 * len(seconds))],
            "most": seconds[-1],
        },
        "peak_memory_gb": round(run.peak_bytes / 1e9, 2),
        "load_average": round(os.getloadavg()[1], 1),
        "exit_status": run.status,
        "processes_left": run.left,
        "kinds": kinds,
        "where": dict(collections.Counter(str(result.device.get("where", "not run")) for result in results)),
        "isolation": sorted({result.isolation for result in results if result.isolation}),
        "surprises": surprises,
    }


def surprise(one: Made, result: Result | None) -> str:
    """Says why a result is not what it must be, or nothing."""
    if result is None:
        return "lost"
    if any(not item.reason for item in result.items):
        return "an item without a reason"
    if result.points_with(Status.WITHHELD):
        return "withheld: " + next(item.reason for item in result.items if item.status is Status.WITHHELD)
    lost = {f"{item.task}.{item.item}" for item in result.items if item.status is Status.LOST}
    if one.loses is None:
        return ""
    undecided = {f"{item.task}.{item.item}" for item in result.items if item.status is Status.PENDING}
    whole = {f"{item.task}.{item.item}" for item in result.items}
    wanted = whole if "everything" in one.loses else set(one.loses)
    missing, more = wanted - lost - undecided, lost - wanted
    on_gpu = result.device.get("where") == "gpu"  # where speed is judged, a wrong kernel may lose that, too
    more = {item for item in more if not (on_gpu and item.endswith((".speed", ".cpu")))}
    return f"lost {sorted(more)} besides, not {sorted(missing)}" if missing or more else ""


def table(results: Sequence[Result]) -> dict[str, Any]:
    """Everything that was decided, without times."""
    return {
        result.student: [
            result.sha256,
            result.source,
            *([item.task, item.item, item.status.value, item.points, item.reason, item.hint] for item in result.items),
        ]
        for result in results
    }


def killed(work: Path, options: argparse.Namespace, usual_s: float, undisturbed: Sequence[Result]) -> dict[str, Any]:
    """Grades the class again, killed at random moments, and compares."""
    rng = random.Random(options.seed)
    moments, left, graded = [], [], []
    for _ in range(options.kills):
        # From the first imports to some submissions further: a share of what the whole run takes.
        moments.append(round(rng.uniform(0.2, max(2.0, 2.2 * usual_s / options.kills)), 2))
        left += grade(work, "killed", options, moments[-1]).left
        graded.append(len(list((work / "killed").glob(f"{LAB}/*.json"))))
        print(f"killed after {moments[-1]} s: {graded[-1]} are graded", file=sys.stderr)
    left += grade(work, "killed", options).left
    about = {"kills": options.kills, "after_s": moments, "graded_at_each": graded}
    return about | compared(work / "killed", undisturbed, left)


SLURM = ("--executor", "slurm", "--jobs", "2", "--sbatch", "cpus-per-task=1")
"""Two jobs at a time, a core each; Slurm believes that there is a GPU for each, too."""


def on_slurm(work: Path, options: argparse.Namespace, undisturbed: Sequence[Result]) -> dict[str, Any]:
    """Grades the class again as jobs of real daemons on this machine, and compares."""
    from tests.autograder import small_cluster

    with small_cluster.running(work / "cluster") as cluster:
        run = grade(work, "slurm", options, more=SLURM)
        left = [str(each) for each in small_cluster.job_processes(cluster.folder)]
    about = {"options": " ".join(SLURM), "seconds": round(run.seconds, 1), "exit_status": run.status}
    return about | compared(work / "slurm", undisturbed, left + run.left)


def compared(out: Path, undisturbed: Sequence[Result], left: Sequence[str]) -> dict[str, Any]:
    """Holds a results folder against the undisturbed one, verdict by verdict."""
    store = Store(out)
    one, other = table(undisturbed), table(store.newest_of_all(LAB))
    surprises = [f"{student}: {difference(one[student], other.get(student))}" for student in one]
    surprises = [text for text in surprises if not text.endswith(": ")]
    surprises += [f"left behind: {words}" for words in left]
    twice = [student for student in other if len(store.history(LAB, student)) > 1]
    surprises += [f"{student}: graded twice" for student in twice]
    surprises += [f"half-written: {path.name}" for path in out.rglob("*.tmp")]
    return {"same_table": one == other, "graded_twice": len(twice), "surprises": surprises}


def difference(one: Sequence[Any], other: Sequence[Any] | None) -> str:
    """The first verdict in which two gradings of a student differ, or nothing."""
    if other is None:
        return "lost"
    pairs = itertools.zip_longest(one, other)
    return next((f"{left} in one, {right} in the other" for left, right in pairs if left != right), "")


def _print(found: dict[str, Any]) -> None:
    rows = [(kind, *values.values()) for kind, values in found["kinds"].items()]
    print(record.table(("kind", "submissions", "median points", "median s"), rows))
    verdict = found["start_to_verdict_s"]
    print(
        f"{found['graded']} of {found['submissions']} graded in {found['seconds']} s, "
        f"{found['seconds_a_submission']} s each; start to verdict {verdict['median']} s (median), "
        f"{verdict['p90']} s (90 %), {verdict['most']} s (most); {found['peak_memory_gb']} GB"
    )
    if again := found.get("killed"):
        print(f"killed {again['kills']} times: same table {again['same_table']}, {again['graded_twice']} graded twice")
    if again := found.get("slurm"):
        print(f"on Slurm: same table {again['same_table']}, {again['graded_twice']} graded twice")
    for each in _surprises(found):
        print(f"surprise: {each}")


if __name__ == "__main__":
    sys.exit(main())
