"""Grades a lab's solution, release and corpus, and records points and times.

    PYTHONPATH=src:. python -m benchmarks.grading lab1 --out benchmarks/results/lab1_grading.json [--jobs 4]

What a GPU has to show of a lab: the solution earns all, the release nothing, each right submission everything,
each wrong one loses exactly the named points; and how long one `gpulabs check` takes from start to verdict. That is
the order, too: the solution first, then the right ones, then the wrong ones. With `--jobs` submissions are graded
side by side; races take turns all the same.

The record is written after each grading. Started again with the same `--out`, a run goes on: what it holds of the same
notebooks on the same device is kept, but for what the grader failed at. `--budget-s` stops handing out more when time
is up; the record then names what is left. The exit status is the number of surprises.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from autograder import path, rubric
from autograder.examples import example_notebook, read_example, task_cells
from autograder.result import Result, Status
from benchmarks import record
from benchmarks.solution_notebook import build
from gpulabs.errors import BusyError, GpulabsError

ROOT = Path(__file__).parents[1]
COMMAND = "PYTHONPATH=src:. python -m benchmarks.grading {0} --out benchmarks/results/{0}_grading.json"
Entry = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all, writes the record, returns the number of surprises."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lab", help="its short name, e.g. lab1")
    parser.add_argument("--out", type=Path, required=True, help="the record; one that is there goes on")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeat", type=int, default=5, help="`gpulabs check` of the solution, so many times")
    parser.add_argument("--solution", type=Path, help="its notebook, where jupytext is missing; otherwise it is built")
    parser.add_argument("--jobs", type=int, default=1, help="submissions graded side by side")
    parser.add_argument("--only", default="", help="comma-separated names of the corpus; then nothing else is done")
    parser.add_argument("--budget-s", type=float, default=1e9, help="hand out no more after so many seconds")
    options = parser.parse_args(arguments)
    lab, began = rubric.load(options.lab).id, time.monotonic()
    chosen = [file for file in _corpus(lab) if not options.only or file.stem in options.only.split(",")]
    found = _earlier(options.out)
    found |= {"jobs": options.jobs}

    def keep() -> None:
        record.write(options.out, record.record(f"{options.lab}_grading", COMMAND.format(options.lab), found))

    def in_time() -> bool:
        return time.monotonic() - began < options.budget_s

    with tempfile.TemporaryDirectory() as folder:
        notebooks = {_name(file): _notebook(lab, file, Path(folder)) for file in chosen}
        hashes = {_name(file): _sha256(file, notebooks[_name(file)]) for file in chosen}
        kept = {each["name"]: each for each in found["corpus"] if each.get("sha256") == hashes.get(each["name"], "")}
        if not options.only:
            _whole_lab(lab, Path(folder), options, found, keep, in_time)
        todo = [file for file in chosen if _name(file) not in kept]
        for entry in _examine_all(lab, todo, notebooks, options, in_time):
            kept[entry["name"]] = entry | {"sha256": hashes[entry["name"]]}
            found |= sorted_out(kept, list(notebooks))
            keep()
    found |= sorted_out(kept, list(notebooks))
    whole = found.get("whole", {})
    if whole and (
        any(whole[name][status] for name, status in (("solution", "lost"), ("solution", "withheld")) if name in whole)
        or whole.get("release", {}).get("points")
    ):
        found["surprises"] = [*found["surprises"], "solution or release"]
    keep()
    _print(options.lab, found)
    return len(found["surprises"])


def sorted_out(kept: Mapping[str, Entry], names: Sequence[str]) -> dict[str, Any]:
    """What is graded so far, in the corpus's order, which of it is a surprise, and what has no verdict yet."""
    corpus = [kept[name] for name in names if name in kept]
    return {
        "corpus": corpus,
        "surprises": [entry["name"] for entry in corpus if not entry["as_expected"]],
        "not_run": [name for name in names if name not in kept],
    }


def _earlier(out: Path) -> dict[str, Any]:
    """What an earlier run with the same record found on this device; else nothing."""
    try:
        found = json.loads(out.read_text(encoding="utf-8"))
        if found["device"]["name"] == record.record("", "", {})["device"]["name"]:
            graded = [each for each in found["corpus"] if "grader" not in each["reasons"]]
            return {key: found[key] for key in ("check", "whole") if key in found} | {"corpus": graded}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {"corpus": []}


def _whole_lab(
    lab: str,
    work: Path,
    options: argparse.Namespace,
    found: dict[str, Any],
    keep: Callable[[], None],
    in_time: Callable[[], bool],
) -> None:
    """The solution, the release and the command itself; what is there already of the same notebooks stays."""
    solution = options.solution or work / "solution.ipynb"
    if options.solution is None:
        build(lab, solution)
    whole = found.setdefault("whole", {})
    for name, notebook in (("solution", solution), ("release", ROOT / "labs" / lab / f"{lab}.ipynb")):
        identity = _sha256(notebook)
        if whole.get(name, {}).get("sha256") != identity and in_time():
            whole[name] = _staged(lab, notebook, options.device) | {"sha256": identity}
            found.pop("check", None)
            keep()
    if "check" not in found and in_time():
        found["check"] = _time_check(options.lab, solution, options.device, options.repeat)
        keep()


def _examine_all(
    lab: str,
    todo: Sequence[Path],
    notebooks: Mapping[str, Path],
    options: argparse.Namespace,
    in_time: Callable[[], bool],
) -> Iterator[Entry]:
    """Grades side by side and yields as they end; what met a machine too busy comes again at the end, alone."""

    def work(example: Path) -> Entry | None:
        return _examine(lab, example, notebooks[_name(example)], options.device) if in_time() else None

    busy = []
    with ThreadPoolExecutor(options.jobs) as pool:
        whose = {pool.submit(work, example): example for example in todo}
        for future in as_completed(whose):
            try:
                entry = future.result()
            except BusyError:
                busy.append(whose[future])
                continue
            except GpulabsError as error:  # the grader's own failure: a surprise, and no end of the others
                entry = _failed(_name(whose[future]), error)
            if entry is not None:
                yield entry
    for example in busy:
        try:
            entry = work(example)
        except GpulabsError as error:
            entry = _failed(_name(example), error)
        if entry is not None:
            yield entry


def _failed(name: str, error: Exception) -> Entry:
    return {"name": name, "as_expected": False, "expected": [], "lost": [], "reasons": {"grader": str(error)}} | {
        "speed": {},
        "duration_s": 0.0,
    }


def _sha256(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _name(example: Path) -> str:
    return f"{example.parent.parent.name}/{example.stem}"


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


def _examine(lab: str, example: Path, notebook: Path, device: str) -> Entry:
    header = read_example(example)
    result = path.grade(notebook, lab, tasks=header.cells or None, device=device)
    summary = _summary(result)
    everything = [f"{item.task}.{item.item}" for item in result.items]
    named = (*header.loses, *(header.loses_on_gpu if path.where_of(device) == "gpu" else ()))
    expected = set(everything if "everything" in named else named)
    lost = set(summary["lost"])
    clean = not summary["withheld"] and not (summary["pending"] and path.where_of(device) == "gpu")
    reasons = {f"{i.task}.{i.item}": i.reason for i in result.items if i.status is not Status.EARNED}
    return {
        "name": _name(example),
        "as_expected": lost == expected - set(summary["pending"]) and clean,
        "expected": sorted(expected),
        "lost": sorted(lost),
        "reasons": reasons,
        "partly": {
            f"{i.task}.{i.item}": f"{i.points:g} of {i.max_points:g}"
            for i in result.items
            if i.status is Status.EARNED and i.points < i.max_points
        },
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
    print(f"surprises: {found['surprises'] or 'none'}; not graded: {len(found['not_run'])}")


if __name__ == "__main__":
    sys.exit(main())
