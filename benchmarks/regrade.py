"""Grades one submission again and again on a GPU: same grade each time? how long, and how much of it is the kernel?

    PYTHONPATH=src:. python -m benchmarks.regrade --times 100 --out benchmarks/results/regrade.json

The path is that of `autograder grade`: a folder of copies, `classroom.grade_all`, a results folder; fresh secret
cases and a fresh process on the GPU each time, the oracle resident as in a class. Only the task with the race is
graded. Gradings run `--jobs` at a time: planning and simulation overlap, races take turns on the GPU, so that
the GPU's own stage sets the pace. No points depend on cuDNN's time, which is measured after the race and takes
over a second: it is left out unless `--cudnn` asks for it. `--budget-s` stops handing out more when time is up;
the record is written after each grading, and a run with the same `--out` goes on from it.

Overhead has two meanings, and both are recorded: the whole grading beside the GPU time of its timed runs, and
the kernel's time in the race beside the same kernel launched by Numba itself.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder import classroom, launch, path, rubric
from autograder.decision import decide
from autograder.evidence import Measurement, Race
from autograder.result import Result
from autograder.rubric import Item, Task
from autograder.store import Store
from benchmarks import record
from benchmarks.grading import ROOT, _notebook
from benchmarks.overhead import Witness, bare_ms

LAB, TASK = "lab1_conv_kernel", "conv_coalesced"
SUBMISSION = ROOT / "tests/submissions/correct" / LAB / "plain.py"
COMMAND = "PYTHONPATH=src:. python -m benchmarks.regrade --times 100 --out benchmarks/results/regrade.json"
DIGITS = 5


def main() -> int:
    """Grades, records, prints; the exit status says whether 99 % of the gradings agree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--budget-s", type=float, default=270.0)
    parser.add_argument("--submission", type=Path, default=SUBMISSION, help="an example of tests/submissions")
    parser.add_argument("--task", default=TASK, help="the task to grade")
    parser.add_argument("--device", default="gpu", help="simulator: a rehearsal without races")
    parser.add_argument("--cudnn", action="store_true", help="measure cuDNN's time, too, as a plain grading does")
    options = parser.parse_args()
    task_stage = Witness(path.measure_task)
    child = Witness(launch.measure if options.cudnn else without_cudnn(launch.measure))
    path.measure_task, launch.measure = task_stage, child
    task = rubric.load(LAB).task(options.task)
    what = {"lab": LAB, "task": options.task, "submission": options.submission.stem, "cudnn": options.cudnn}
    before = earlier(options.out, what)
    runs, races, stage_s = before.runs, before.races, before.stage_s
    left = max(options.times - len(runs), 0)
    with tempfile.TemporaryDirectory(prefix="gpulabs-regrade-") as folder:
        notebook = _notebook(LAB, options.submission, Path(folder))
        bare = before.bare_ms
        if bare is None and options.device == "gpu":
            bare = bare_ms(notebook, LAB, options.task)
        began = time.monotonic()
        for result in _grade(options, left, Path(folder), began + options.budget_s) if left else ():
            runs = [*runs, run_of(result)]
            # Each time, for a run may be stopped from outside.
            found = summary(task, runs, [*races, *task_stage.races], [*stage_s, *child.seconds])
            found |= {**what, "jobs": options.jobs}
            found["seconds"] |= {"all": round(before.all_s + time.monotonic() - began, 1)}
            found["kernel_ms"]["bare"] = bare
            record.write(options.out, record.record("regrade", COMMAND, found))
    found = json.loads(options.out.read_text(encoding="utf-8"))
    _print(found)
    return int(found["same"] < 0.99 * found["gradings"])


@dataclass(frozen=True)
class Earlier:
    """What an earlier run with the same record has kept."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    races: list[Race] = field(default_factory=list)
    stage_s: list[float] = field(default_factory=list)
    all_s: float = 0.0
    bare_ms: float | None = None


def earlier(out: Path, what: Mapping[str, Any]) -> Earlier:
    """Reads the record that a run goes on from; nothing where there is none, or it is about something else."""
    if not out.is_file():
        return Earlier()
    kept = json.loads(out.read_text(encoding="utf-8"))
    if "runs" not in kept or any(kept[key] != value for key, value in what.items()):
        return Earlier()
    races = [
        Race(
            kept["task"], "", "", tuple((mine, theirs) for mine, theirs in one["pairs"]), peers=one["peers"],
            trouble=tuple(one["trouble"]), discarded=tuple(one["discarded"]),
        )
        for one in kept["races"]
    ]  # fmt: skip
    seconds = kept["seconds"]
    return Earlier(kept["runs"], races, seconds["gpu_stage_each"], seconds["all"], kept["kernel_ms"]["bare"])


def without_cudnn(measure: Callable[..., Measurement]) -> Callable[..., Measurement]:
    """`launch.measure` whose races leave cuDNN out."""

    def measured(*arguments: Any, race: launch.RaceSpec | None = None, **options: Any) -> Measurement:
        asked = None if race is None else dataclasses.replace(race, cudnn=False)
        return measure(*arguments, race=asked, **options)

    return measured


def _grade(options: argparse.Namespace, times: int, folder: Path, until: float) -> Iterator[Result]:
    """Grades copies of the submission as a class, until the time is up."""
    handed_in = folder / "submissions"
    handed_in.mkdir()
    notebook = _notebook(LAB, options.submission, folder).read_bytes()
    for number in range(times):
        (handed_in / f"copy-{number:03}.ipynb").write_bytes(notebook)
    choices = {"tasks": (options.task,), "device": options.device, "pictures": False}
    with Store.writing(folder / "results") as store:
        session = classroom.Session(LAB, store=store, jobs=options.jobs, options=choices)
        stream = classroom.grade_all(classroom.find(handed_in, LAB), session)
        for number, done in enumerate(stream, 1):
            print(classroom.line(done), file=sys.stderr)
            yield done.result
            if time.monotonic() > until:
                print(f"stopped after {number} gradings: the time is up", file=sys.stderr)
                stream.close()
                break


def run_of(result: Result) -> dict[str, Any]:
    """What is kept of one grading."""
    lost = {f"{item.task}.{item.item}": item.reason for item in result.items if item.status.value != "earned"}
    kept = {"grade": grade(result), "seconds": result.duration_s, "seed": str(result.seed)}
    return kept | ({"reasons": lost} if lost else {}) | ({"notes": list(result.notes)} if result.notes else {})


def summary(
    task: Task, runs: Sequence[Mapping[str, Any]], races: Sequence[Race], stage_s: Sequence[float]
) -> dict[str, Any]:
    """What the gradings say: a pure function.

    Args:
        task: With the speed item.
        runs: Of all gradings, as `run_of` keeps them.
        races: Of all gradings.
        stage_s: Wall times of the GPU's own stage: is it busy? start of a process, cases, race; no waiting for a turn.
    """
    grades = collections.Counter(json.dumps(run["grade"], sort_keys=True) for run in runs)
    common, same = grades.most_common(1)[0]
    speed: Item | None = next((item for item in task.items if item.kind == "speedup"), None)
    decided = [decide(race.pairs, speed.threshold, final=True) for race in races if speed and speed.threshold]
    times = sorted(run["seconds"] for run in runs)
    timed = [sum(mine + theirs for mine, theirs in race.pairs) for race in races]
    medians = [statistics.median(mine for mine, _ in race.pairs) for race in races]
    return {
        "gradings": len(runs),
        "same": same,
        "grades": [{"grade": json.loads(text), "times": count} for text, count in grades.most_common()],
        "points": sum(points for _, points in json.loads(common).values()),
        "max_points": sum(item.points for item in task.items),
        "others": [dict(run) for run in runs if run["grade"] != json.loads(common)],
        "decisions": dict(collections.Counter(str(each.verdict) for each in decided)),
        "pairs": {
            "mean": statistics.fmean(each.pairs for each in decided) if decided else 0.0,
            "most": max((each.pairs for each in decided), default=0),
        },
        "speedup": {
            "least": min((each.speedup for each in decided), default=0.0),
            "median": statistics.median(each.speedup for each in decided) if decided else 0.0,
            "most": max((each.speedup for each in decided), default=0.0),
        },
        "measured_again": sum(len(race.discarded) for race in races),
        "troubled": collections.Counter(sign for race in races for sign in (*race.trouble, *race.discarded)),
        "seconds": {
            "median": statistics.median(times),
            "least": times[0],
            "most": times[-1],
            "gpu_stage_median": round(statistics.median(stage_s), 3) if stage_s else None,
            "gpu_stage_each": [round(seconds, 3) for seconds in stage_s],
        },
        "kernel_ms": {
            "race": statistics.median(medians) if medians else 0.0,
            "race_least": min(medians, default=0.0),
            "race_most": max(medians, default=0.0),
            "timed": statistics.median(timed) if timed else 0.0,
        },
        "runs": [dict(run) for run in runs],
        "races": [
            {
                "peers": race.peers,
                "trouble": list(race.trouble),
                "discarded": list(race.discarded),
                "pairs": [[_digits(mine), _digits(theirs)] for mine, theirs in race.pairs],
            }
            for race in races
        ],
    }


def grade(result: Result) -> dict[str, Any]:
    """What has to be the same: each item's status and points."""
    return {f"{item.task}.{item.item}": [item.status.value, item.points] for item in result.items}


def _digits(time_ms: float) -> float:
    return float(f"{time_ms:.{DIGITS}g}")


def _print(found: dict[str, Any]) -> None:
    seconds, kernel = found["seconds"], found["kernel_ms"]
    print(
        f"{found['same']} of {found['gradings']} gradings agree: {found['points']:g} of {found['max_points']:g} points"
    )
    print(f"decisions {found['decisions']}, pairs {found['pairs']}, speedup {found['speedup']}")
    print(f"one grading {seconds['median']} s (GPU stage {seconds['gpu_stage_median']} s), all {seconds['all']} s")
    print(f"kernel {kernel['race']:.4g} ms in the race, {kernel['bare']} ms bare; timed runs {kernel['timed']:.4g} ms")
    for other in found["others"]:
        print(f"other grade: {json.dumps(other)}")


if __name__ == "__main__":
    sys.exit(main())
