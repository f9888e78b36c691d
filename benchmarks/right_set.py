"""Grades every right submission on many fresh seeds, without a GPU: none may ever lose a point.

    PYTHONPATH=src:. python -m benchmarks.right_set --seeds 50 --out benchmarks/results/right_set.json

A seed decides every case: shapes, values, order of strides. Fifty whole gradings of a submission would mostly start
processes and compile the same kernels again, so that the cases of several seeds (`--together`) are graded at once,
in one run of the path that all grading takes: same draw, worker, replay, oracle and judge, only more cases. What is
lost names the seeds that it may have been, which `--seed` then grades alone. Only speed may be pending.

One submission after the other, the record written after each; a run that was stopped goes on from it. The exit
status is the number of submissions that lost, or waited for, what they should not.
"""

from __future__ import annotations

import argparse
import dataclasses
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from autograder import cases as case_module
from autograder import path, planning
from autograder.evidence import Case
from autograder.examples import Example, read_example
from autograder.isolation import Limits
from autograder.result import Result, Status
from autograder.rubric import TIMED_KINDS, Rubric, load
from benchmarks import record
from benchmarks.grading import ROOT, _notebook

CORPUS = ROOT / "tests/submissions/correct"
COMMAND = "PYTHONPATH=src:. python -m benchmarks.right_set --seeds 50 --out benchmarks/results/right_set.json"

Draw = Callable[[Rubric, int, str, Collection[str] | None], tuple[Case, ...]]


def main() -> int:
    """Grades, records after each submission, prints; returns the number of surprises."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=50, help="fresh seeds for each submission")
    parser.add_argument("--together", type=int, default=10, help="seeds whose cases are graded at once")
    parser.add_argument("--seed", type=int, action="append", help="these seeds, each alone")
    parser.add_argument("--only", default="", help="comma-separated names, e.g. lab1/plain,lab2/plain")
    options = parser.parse_args()
    batches = [(seed,) for seed in options.seed or ()]
    found = _earlier(options.out)
    with tempfile.TemporaryDirectory(prefix="gpulabs-right-") as folder:
        for file in _chosen(options.only):
            name = f"{file.parent.name.partition('_')[0]}/{file.stem}"
            if any(one["name"] == name for one in found):
                continue
            entry = {"name": name, **_examine(file, Path(folder), batches or fresh(options.seeds, options.together))}
            found.append(entry)
            print(f"{name}: {entry['seconds']} s, {entry['lost'] or entry['waits'] or 'nothing lost'}", file=sys.stderr)
            whole = {"submissions": found, "seeds": options.seeds, "together": options.together}
            record.write(options.out, record.record("right_set", COMMAND, whole))
    columns = ("submission", "tasks", "seeds", "cases", "lost", "seconds")
    rows = [(e["name"], " ".join(e["tasks"]), e["seeds"], e["cases"], len(e["lost"]), e["seconds"]) for e in found]
    print(record.table(columns, rows))
    return sum(bool(one["lost"] or one["waits"]) for one in found)


def fresh(count: int, together: int) -> list[tuple[int, ...]]:
    """Draws secret seeds, as many together as asked."""
    seeds = [secrets.randbits(63) for _ in range(count)]
    return [tuple(seeds[at : at + together]) for at in range(0, count, together)]


def all_of(draw: Draw, seeds: Sequence[int]) -> Draw:
    """`cases.draw` that gives the cases of several seeds, each with an id of its own.

    Workloads of races are the same for every seed and never run without a GPU: those of the first are enough.
    """

    def drawn(rubric: Rubric, seed: int, target: str, tasks: Collection[str] | None = None) -> tuple[Case, ...]:
        del seed
        return tuple(
            dataclasses.replace(case, id=f"{case.id}-s{number}") if number else case
            for number, each in enumerate(seeds)
            for case in draw(rubric, each, target, tasks)
            if not number or rubric.task(case.task).item(case.item).kind not in TIMED_KINDS
        )

    return drawn


def patient(limits: type[Limits], factor: int) -> Callable[..., Limits]:
    """A worker's limits with as many times the time as there are seeds in it; all others stay."""
    return lambda own_s, **others: limits(own_s=own_s * factor, **others)


def _examine(file: Path, work: Path, batches: Sequence[Sequence[int]]) -> dict[str, Any]:
    lab, example, began = file.parent.name, read_example(file), time.monotonic()
    notebook = _notebook(lab, file, work)
    lost: list[dict[str, Any]] = []
    waits: list[dict[str, Any]] = []
    drawn = 0
    draw, limits = case_module.draw, planning.Limits
    for seeds in batches:
        combined = all_of(draw, seeds)
        drawn += len(combined(load(lab), 0, "simulator", example.tasks))
        try:
            case_module.draw, planning.Limits = combined, patient(limits, len(seeds))  # type: ignore[misc, assignment]
            result = path.grade(notebook, lab, tasks=example.tasks, device="simulator", pictures=False)
        finally:
            case_module.draw, planning.Limits = draw, limits  # type: ignore[misc]
        lost += unexpected(example, lab, result, seeds, {Status.LOST})
        waits += unexpected(example, lab, result, seeds, {Status.PENDING, Status.WITHHELD})
    return {
        "tasks": list(example.tasks),
        "seeds": sum(len(seeds) for seeds in batches),
        "cases": drawn,
        "lost": lost,
        "waits": waits,
        "seconds": round(time.monotonic() - began, 1),
    }


def unexpected(
    example: Example, lab: str, result: Result, seeds: Sequence[int], statuses: Collection[Status]
) -> list[dict[str, Any]]:
    """Items of a right submission with one of these statuses, but for what is timed, with the seeds in question."""
    rubric = load(lab)
    return [
        {"item": f"{item.task}.{item.item}", "reason": item.reason, "seeds": [str(seed) for seed in seeds]}
        for item in result.items
        if item.status in statuses
        and item.task in example.tasks
        and not (item.status is Status.PENDING and rubric.task(item.task).item(item.item).kind in NEED_GPU)
    ]


NEED_GPU = (*TIMED_KINDS, "cpu_speedup")
"""What no machine without a GPU can judge."""


def _chosen(only: str) -> list[Path]:
    files = [file for lab in sorted(CORPUS.iterdir()) for file in sorted(lab.glob("*.py"))]
    names = only.split(",") if only else []
    return [file for file in files if not names or f"{file.parent.name.partition('_')[0]}/{file.stem}" in names]


def _earlier(out: Path) -> list[dict[str, Any]]:
    """What a run that was stopped has kept."""
    import json

    if not out.is_file():
        return []
    kept: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))["submissions"]
    return kept


if __name__ == "__main__":
    sys.exit(main())
