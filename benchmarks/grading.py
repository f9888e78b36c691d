"""Grades a lab's solution, release and corpus, and records points and times.

    PYTHONPATH=src:. python -m benchmarks.grading lab1 --out benchmarks/results/lab1_grading.json [--jobs 4]

What a GPU has to show of a lab: the solution earns all, the release nothing, each right submission everything,
each wrong one loses exactly the named points; and how long one `gpulabs check` takes from start to verdict. With
`--jobs` submissions are graded side by side; races take turns all the same. The exit status is the number of
surprises.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from autograder import path, rubric
from autograder.examples import example_notebook, read_example, task_cells
from autograder.result import Result, Status
from benchmarks import record
from benchmarks.solution_notebook import build

ROOT = Path(__file__).parents[1]
COMMAND = "PYTHONPATH=src:. python -m benchmarks.grading {0} --out benchmarks/results/{0}_grading.json"


def main() -> int:
    """Runs all, writes the record, returns the number of surprises."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lab", help="its short name, e.g. lab1")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--solution", type=Path, help="its notebook, where jupytext is missing; otherwise it is built")
    parser.add_argument("--jobs", type=int, default=1, help="submissions graded side by side")
    parser.add_argument("--only", default="", help="comma-separated names of the corpus; then nothing else is done")
    options = parser.parse_args()
    lab = rubric.load(options.lab).id
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        chosen = [path for path in _corpus(lab) if not options.only or path.stem in options.only.split(",")]
        found = {} if options.only else _whole_lab(lab, work, options)
        found["jobs"] = options.jobs
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            several = [pool.submit(_examine, lab, example, work, options.device) for example in chosen]
            found["corpus"] = [each.result() for each in several]
    surprises = [entry["name"] for entry in found["corpus"] if not entry["as_expected"]]
    if "whole" in found:
        solution, released = found["whole"]["solution"], found["whole"]["release"]
        if solution["lost"] or solution["withheld"] or released["points"]:
            surprises.append("solution or release")
    found["surprises"] = surprises
    record.write(options.out, record.record(f"{options.lab}_grading", COMMAND.format(options.lab), found))
    _print(options.lab, found)
    return len(surprises)


def _whole_lab(lab: str, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    solution = options.solution or work / "solution.ipynb"
    if options.solution is None:
        build(lab, solution)
    release = ROOT / "labs" / lab / f"{lab}.ipynb"
    return {
        "check": _time_check(options.lab, solution, options.device, options.repeat),
        "whole": {"solution": _staged(lab, solution, options.device), "release": _staged(lab, release, options.device)},
    }


def _corpus(lab: str) -> list[Path]:
    return [
        *sorted((ROOT / "tests/submissions/correct" / lab).glob("*.py")),
        *sorted((ROOT / "tests/submissions/wrong" / lab).glob("*.py")),
    ]


def _notebook(lab: str, example: Path, work: Path) -> Path:
    released = json.loads((ROOT / "labs" / lab / f"{lab}.ipynb").read_text())
    solution = task_cells((ROOT / "solutions" / lab / f"{lab}.py").read_text())
    notebook = work / f"{example.parent.parent.name}-{example.stem}.ipynb"
    notebook.write_text(json.dumps(example_notebook(example, released, solution)))
    return notebook


def _time_check(lab: str, notebook: Path, device: str, repeat: int) -> dict[str, Any]:
    """Wall time of the command, the first one with cold caches."""
    times, codes = [], []
    command = [sys.executable, "-m", "gpulabs", "check", lab, "--notebook", str(notebook), "--device", device]
    for _ in range(repeat):
        began = time.monotonic()
        codes.append(subprocess.run(command, capture_output=True, text=True, check=False).returncode)
        times.append(round(time.monotonic() - began, 2))
    return {
        "command": f"gpulabs check {lab}",
        "first_s": times[0],
        "median_s": statistics.median(times),
        "all_s": times,
        "exit_codes": codes,
    }


def _staged(lab: str, notebook: Path, device: str) -> dict[str, Any]:
    """Grades a whole notebook and notes when each stage began."""
    began = time.monotonic()
    stages: list[tuple[float, str, str]] = []
    result = path.grade(
        notebook,
        lab,
        device=device,
        pictures=False,
        progress=lambda stage, detail: stages.append((round(time.monotonic() - began, 2), stage, detail)),
    )
    return _summary(result) | {"stages": stages}


def _summary(result: Result) -> dict[str, Any]:
    timed = [item for item in result.items if item.item in ("speed", "cpu")]
    speed = {f"{item.task}.{item.item}": item.evidence for item in timed}
    return {
        "points": result.points,
        "max_points": result.max_points,
        **{status.value: [f"{i.task}.{i.item}" for i in result.items if i.status is status] for status in Status},
        "speed": {name: evidence for name, evidence in speed.items() if evidence},
        "oracle": result.oracle,
        "isolation": result.isolation,
        "notes": list(result.notes),
        "duration_s": result.duration_s,
    }


def _examine(lab: str, example: Path, work: Path, device: str) -> dict[str, Any]:
    header = read_example(example)
    notebook = _notebook(lab, example, work)
    result = path.grade(notebook, lab, tasks=header.cells or None, device=device)
    summary = _summary(result)
    everything = [f"{item.task}.{item.item}" for item in result.items]
    named = (*header.loses, *(header.loses_on_gpu if path.where_of(device) == "gpu" else ()))
    expected = set(everything if "everything" in named else named)
    lost = set(summary["lost"])
    clean = not summary["withheld"] and not (summary["pending"] and path.where_of(device) == "gpu")
    reasons = {f"{i.task}.{i.item}": i.reason for i in result.items if i.status is not Status.EARNED}
    return {
        "name": f"{example.parent.parent.name}/{example.stem}",
        "as_expected": lost == expected - set(summary["pending"]) and clean,
        "expected": sorted(expected),
        "lost": sorted(lost),
        "reasons": reasons,
        "speed": summary["speed"],
        "duration_s": summary["duration_s"],
    }


def _print(lab: str, found: dict[str, Any]) -> None:
    if check := found.get("check"):
        print(f"gpulabs check {lab}: first {check['first_s']} s, median {check['median_s']} s of {len(check['all_s'])}")
    for name, summary in found.get("whole", {}).items():
        points = f"{summary['points']:g} of {summary['max_points']:g}"
        print(f"{name}: {points} in {summary['duration_s']} s, {summary['oracle']}")
        for began, stage, detail in summary["stages"]:
            print(f"  {began:6.2f} s  {stage}  {detail}")
    rows = [
        (entry["name"], "yes" if entry["as_expected"] else "NO", " ".join(entry["lost"]) or "-", entry["duration_s"])
        for entry in found["corpus"]
    ]
    print(record.table(("submission", "as expected", "lost", "seconds"), rows))
    for entry in found["corpus"]:
        if not entry["as_expected"]:
            print(entry["name"], json.dumps(entry["reasons"], indent=1))
    print(f"surprises: {found['surprises'] or 'none'}")


if __name__ == "__main__":
    sys.exit(main())
