"""Grades hostile submissions on a GPU, each followed by the same honest one, and records what became of both.

    PYTHONPATH=src:. python -m benchmarks.hostile_gpu --out benchmarks/results/hostile_gpu.json

Two questions. Does each attack end as its header says, where only a GPU can tell: clocks, hints, traps, races,
memory? And is the honest submission after it graded as if the attack had never run: the same statuses, and a
speedup within 5 % of the median of the honest gradings before any attack? GPU memory in use and clocks are read
before and after each attack, so that something left behind is seen even where it changes no grade.

The exit status is the number of surprises. `--only` takes a pattern of names, `--part 2/3` every third attack,
`--budget-s` stops handing out more (a later run goes on from the record, with what surprised once more), `--jobs`
lets several attackers work side by side, each with an honest submission behind it: races still run alone, so that
the honest one is disturbed by whatever the others do between. cuDNN's time, on which no points depend, is left out.
Submissions mean what they do: where nothing isolates them the command refuses, unless `--allow-untrusted` says that
this machine is for throwing away.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder import launch, path
from autograder.classroom import require_isolation
from autograder.examples import Example, read_example
from autograder.result import Result, Status
from benchmarks import record
from benchmarks.grading import ROOT, _notebook
from benchmarks.regrade import without_cudnn
from gpulabs.errors import GpulabsError

COMMAND = "PYTHONPATH=src:. python -m benchmarks.hostile_gpu --out benchmarks/results/hostile_gpu.json"
LAB = "lab1_conv_kernel"
CORPUS = ROOT / "tests/submissions/hostile"
HONEST = ROOT / "tests/submissions/correct" / LAB / "plain.py"
TASK = "conv_coalesced"
UNDISTURBED = 3
"""Honest gradings before any attack: their median is what later ones are held against."""
AS_EXPECTED = "as expected"
TOLERANCE = 0.05
"""Of the speedup: repeated races of one kernel on an undisturbed GPU stay well within it."""


@dataclass(frozen=True)
class Gpu:
    """What NVML says of the GPU; None where it says nothing."""

    used_mib: int | None = None
    sm_clock_limit_mhz: int | None = None
    processes: int | None = None


def main() -> int:
    """Grades, records, prints; returns the number of surprises."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="gpu", help="simulator: a rehearsal without races")
    parser.add_argument("--only", default="", help="a pattern of names")
    parser.add_argument("--part", default="1/1", help="i/n: every n-th attack, from the i-th")
    parser.add_argument("--budget-s", type=float, default=560.0)
    parser.add_argument("--jobs", type=int, default=1, help="attackers side by side, each with an honest one behind it")
    parser.add_argument("--allow-untrusted", action="store_true")
    options = parser.parse_args()
    require_isolation(options.allow_untrusted)
    launch.measure = without_cudnn(launch.measure)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpulabs-hostile-") as folder:
        for found in _run(options, Path(folder), began):
            found["seconds"] = round(time.monotonic() - began, 1)
            record.write(options.out, record.record("hostile_gpu", COMMAND, found))
    _print(found)
    return len(found["surprises"])


def _run(options: argparse.Namespace, work: Path, began: float) -> Iterator[dict[str, Any]]:
    """Yields all that is known, whenever an attack and the honest submission after it are graded."""
    honest = _notebook(LAB, HONEST, work)
    before = [_graded(honest, LAB, (TASK,), options.device) for _ in range(UNDISTURBED)]
    usual = statistics.median(speeds) if (speeds := [s for one in before if (s := speedup(one))]) else None
    known = {one["name"] for one in earlier(options.out) if one["verdict"] == AS_EXPECTED}
    left, first = [file for file in _chosen(options.only, options.part) if file.stem not in known], _gpu()
    notebooks = {file: _notebook(file.parent.name, file, work) for file in left}
    entries = [one for one in earlier(options.out) if one["name"] not in {file.stem for file in left}]

    def examine(file: Path) -> dict[str, Any] | None:
        if time.monotonic() - began > options.budget_s:
            return None
        example, gpu = read_example(file), _gpu()
        try:
            attack = _graded(notebooks[file], file.parent.name, example.tasks, options.device)
            after = _graded(honest, LAB, (TASK,), options.device)
        except GpulabsError as error:
            return {"name": example.name, "attack": example.attack, "verdict": f"the grader failed: {error}"}
        found = entry(example, attack, after, usual, options.device)
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return found | {"gpu": [vars(gpu), vars(_gpu())], "date": when}

    def found() -> dict[str, Any]:
        surprises = [one["name"] for one in entries if one["verdict"] != AS_EXPECTED]
        if any(statuses(one) != statuses(before[0]) for one in before):
            surprises.append("honest submission before any attack")
        undisturbed = {"speedups": [speedup(one) for one in before], "statuses": statuses(before[0]), "median": usual}
        return {
            "undisturbed": undisturbed,
            "attacks": entries,
            "not_run": [file.stem for file in left],
            "surprises": surprises,
            "isolation": before[0].isolation,
            "where": options.device,
            "jobs": options.jobs,
            "gpu": [vars(first), vars(_gpu())],
        }

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        several = {pool.submit(examine, file): file for file in left}
        for done in concurrent.futures.as_completed(several):
            if one := done.result():
                entries.append(one)
                left.remove(several[done])
                print(f"{one['name']}: {one['verdict']}", file=sys.stderr, flush=True)
                yield found()
    yield found()


def entry(example: Example, attack: Result, after: Result, usual: float | None, device: str) -> dict[str, Any]:
    """What became of an attack and of the honest submission after it."""
    items = {f"{item.task}.{item.item}": item for item in attack.items}
    named = {*example.loses, *(example.loses_on_gpu if device == "gpu" else ())}
    expected = set(items) if "everything" in named else named
    waits = {name for name, item in items.items() if item.status is Status.PENDING}
    lost = {name for name, item in items.items() if item.status is Status.LOST}
    withheld = {name for name, item in items.items() if item.status is Status.WITHHELD}
    speed = speedup(after)
    ratio = speed / usual if speed and usual else None
    wrong = []
    if lost != expected - waits or withheld or (device == "gpu" and waits):
        wrong.append("the attack did not end as its header says")
    allowed = {Status.EARNED} if device == "gpu" else {Status.EARNED, Status.PENDING}
    if {item.status for item in after.items} - allowed:
        wrong.append("the honest submission after it lost points")
    if ratio is not None and abs(ratio - 1) > TOLERANCE:
        wrong.append(f"the honest submission after it raced at {ratio:.2f} of its usual speedup")
    return {
        "name": example.name,
        "attack": example.attack,
        "lost": sorted(lost),
        "expected": sorted(expected),
        "withheld": sorted(withheld),
        "reasons": list(dict.fromkeys(item.reason[:300] for item in attack.items if item.status is not Status.EARNED)),
        "seconds": attack.duration_s,
        "honest_speedup": speed,
        "honest_ratio": ratio and round(ratio, 4),
        "honest_seconds": after.duration_s,
        "verdict": "; ".join(wrong) or AS_EXPECTED,
    }


def speedup(result: Result) -> float | None:
    """The measured speedup of the race, if there was one."""
    found = [item.evidence.get("speedup") for item in result.items if item.item == "speed"]
    return float(found[0]) if found and found[0] is not None else None


def statuses(result: Result) -> dict[str, str]:
    """Status of each item."""
    return {f"{item.task}.{item.item}": item.status.value for item in result.items}


def earlier(out: Path) -> list[dict[str, Any]]:
    """What a run that was stopped has kept."""
    return list(json.loads(out.read_text(encoding="utf-8"))["attacks"]) if out.is_file() else []


def _chosen(only: str, part: str) -> list[Path]:
    """Files whose attack needs a GPU, what may hang or ruin it first."""
    first, step = (int(number) for number in part.split("/"))
    files = [file for file in CORPUS.glob("*/*.py") if read_example(file).gpu and re.search(only, file.stem)]
    files.sort(key=lambda file: (not file.stem.startswith("availability"), file.stem))
    return files[first - 1 :: step]


def _graded(notebook: Path, lab: str, tasks: tuple[str, ...], device: str) -> Result:
    return path.grade(notebook, lab, tasks=tasks, device=device, pictures=False)


def _gpu() -> Gpu:
    """Reads memory, clock limit and the number of processes; a machine without NVML has none of them."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        return Gpu(
            pynvml.nvmlDeviceGetMemoryInfo(handle).used >> 20,
            pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM),
            len(pynvml.nvmlDeviceGetComputeRunningProcesses(handle)),
        )
    except Exception:  # no package, no driver, no permission: all mean the same here
        return Gpu()


def _print(found: dict[str, Any]) -> None:
    rows = [
        (one["name"], one["verdict"], one.get("honest_ratio"), one.get("seconds"), one.get("honest_seconds"))
        for one in found["attacks"]
    ]
    print(record.table(("attack", "verdict", "honest speedup, of usual", "seconds", "seconds, honest"), rows))
    if found["not_run"]:
        print(f"not run for lack of time: {', '.join(found['not_run'])}")
    print(f"surprises: {found['surprises'] or 'none'}")


if __name__ == "__main__":
    sys.exit(main())
