"""Grades Lab 1's solution, release and corpus, and records points and times.

    PYTHONPATH=src:. python -m benchmarks.lab1_grading --out lab1_grading.json [--device auto] [--repeat 5]

On a GPU this is the recorded run of the foundation: the solution earns all, the release nothing,
each right submission everything, each wrong one loses exactly the named points; and how long one
`gpulabs check lab1` takes from start to verdict. The exit status is the number of surprises.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from autograder import path
from autograder.examples import example_notebook, read_example, task_cells
from autograder.result import Result, Status
from benchmarks import record

LAB = "lab1_conv_kernel"
ROOT = Path(__file__).parents[1]
COMMAND = "PYTHONPATH=src:. python -m benchmarks.lab1_grading --out benchmarks/results/lab1_grading.json"


def main() -> int:
    """Runs all, writes the record, returns the number of surprises."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", default="", help="comma-separated names of the corpus; then nothing else is done")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        chosen = [path for path in _corpus() if not options.only or path.stem in options.only.split(",")]
        found = {} if options.only else _whole_lab(work, options.device, options.repeat)
        found["corpus"] = [_examine(example, work, options.device) for example in chosen]
    surprises = [entry["name"] for entry in found["corpus"] if not entry["as_expected"]]
    if "whole" in found:
        solution, released = found["whole"]["solution"], found["whole"]["release"]
        if solution["lost"] or solution["withheld"] or released["points"]:
            surprises.append("solution or release")
    found["surprises"] = surprises
    record.write(options.out, record.record("lab1_grading", COMMAND, found))
    _print(found)
    return len(surprises)


def _whole_lab(work: Path, device: str, repeat: int) -> dict[str, Any]:
    right = _notebook(ROOT / "tests/submissions/correct" / LAB / "right.py", work)
    release = ROOT / "labs" / LAB / f"{LAB}.ipynb"
    return {
        "check": _time_check(right, device, repeat),
        "whole": {"solution": _staged(right, device), "release": _staged(release, device)},
    }


def _corpus() -> list[Path]:
    return [
        *sorted((ROOT / "tests/submissions/correct" / LAB).glob("*.py")),
        *sorted((ROOT / "tests/submissions/wrong" / LAB).glob("*.py")),
    ]


def _notebook(example: Path, work: Path) -> Path:
    released = json.loads((ROOT / "labs" / LAB / f"{LAB}.ipynb").read_text())
    solution = task_cells((ROOT / "solutions" / LAB / f"{LAB}.py").read_text())
    notebook = work / f"{example.parent.parent.name}-{example.stem}.ipynb"
    notebook.write_text(json.dumps(example_notebook(example, released, solution)))
    return notebook


def _time_check(notebook: Path, device: str, repeat: int) -> dict[str, Any]:
    """Wall time of the command, the first one with cold caches."""
    times, codes = [], []
    command = [sys.executable, "-m", "gpulabs", "check", "lab1", "--notebook", str(notebook), "--device", device]
    for _ in range(repeat):
        began = time.monotonic()
        codes.append(subprocess.run(command, capture_output=True, text=True, check=False).returncode)
        times.append(round(time.monotonic() - began, 2))
    return {
        "command": "gpulabs check lab1",
        "first_s": times[0],
        "median_s": statistics.median(times),
        "all_s": times,
        "exit_codes": codes,
    }


def _staged(notebook: Path, device: str) -> dict[str, Any]:
    """Grades a whole notebook and notes when each stage began."""
    began = time.monotonic()
    stages: list[tuple[float, str, str]] = []
    result = path.grade(
        notebook,
        LAB,
        device=device,
        pictures=False,
        progress=lambda stage, detail: stages.append((round(time.monotonic() - began, 2), stage, detail)),
    )
    return _summary(result) | {"stages": stages}


def _summary(result: Result) -> dict[str, Any]:
    speed = {item.item: item.evidence for item in result.items if item.item in ("speed", "cpu")}
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


def _examine(example: Path, work: Path, device: str) -> dict[str, Any]:
    text = example.read_text()
    named = re.search(r"^# loses: (.+)$", text, re.MULTILINE)
    notebook = _notebook(example, work)
    result = path.grade(notebook, LAB, tasks=read_example(example).cells or None, device=device)
    summary = _summary(result)
    everything = [f"{item.task}.{item.item}" for item in result.items]
    expected = set((named.group(1).split() if named else []) if "everything" not in text else everything)
    lost = set(summary["lost"])
    clean = not summary["withheld"] and not (summary["pending"] and path._where(device) == "gpu")
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


def _print(found: dict[str, Any]) -> None:
    if check := found.get("check"):
        print(f"gpulabs check lab1: first {check['first_s']} s, median {check['median_s']} s of {len(check['all_s'])}")
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
