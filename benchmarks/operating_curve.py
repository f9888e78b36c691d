"""The operating curve of the speed test: how often it passes a kernel, by how fast the kernel truly is.

    PYTHONPATH=src:. python -m benchmarks.operating_curve

Needs no GPU. For each machine of `benchmarks.machines` 4,000 students race; the same races are scaled to true
ratios of 0.80 to 1.20 times the threshold. Beside it stands what most course graders do, in the same run: the
mean of ten unpaired runs of the candidate against the mean of ten of the baseline at another moment. Writes
benchmarks/results/operating_curve.json and docs/operating_curve.svg; `make result-tables` then renews the
tables of docs/decision.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autograder.decision import LOOKS, MARGIN
from benchmarks import machines, operating_picture
from benchmarks.machines import Machine, Times
from benchmarks.record import record, write

ROOT = Path(__file__).parents[1]
COMMAND = "PYTHONPATH=src:. python -m benchmarks.operating_curve"
OUT = ROOT / "benchmarks" / "results" / "operating_curve.json"
PICTURE = ROOT / "docs" / "operating_curve.svg"

STUDENTS = 4000
SEED = 20261125
RATIOS = tuple(round(0.80 + 0.01 * step, 2) for step in range(41))
PEER_RUNS = 10

PASS, FAIL, TOO_CLOSE = 1, -1, 0


@dataclass(frozen=True)
class Decisions:
    """What the test says of many races.

    Attributes:
        verdicts: `PASS`, `FAIL` or `TOO_CLOSE` of each.
        pairs: Pairs looked at.
    """

    verdicts: npt.NDArray[np.int8]
    pairs: npt.NDArray[np.int64]


def decide_many(ratios: Times, threshold: float) -> Decisions:
    """The twin of `autograder.decision.decide` for many races of 120 pairs; a test holds them together.

    Args:
        ratios: baseline / candidate, (races, 120), in the order measured.
        threshold: Speedup asked for.
    """
    needed = MARGIN * threshold
    verdicts = np.full(len(ratios), TOO_CLOSE, np.int8)
    pairs = np.full(len(ratios), LOOKS[-1][0])
    open_ = np.ones(len(ratios), np.bool_)
    for count, order in LOOKS:
        ranked = np.sort(ratios[:, :count], axis=1)
        passed = open_ & (ranked[:, order - 1] >= needed)
        failed = open_ & (ranked[:, -order] < needed)
        verdicts[passed], verdicts[failed] = PASS, FAIL
        pairs[passed | failed] = count
        open_ &= ~(passed | failed)
    return Decisions(verdicts, pairs)


def curve(machine: Machine, students: int, seed: int, ratios: tuple[float, ...] = RATIOS) -> list[dict[str, Any]]:
    """One machine's curve.

    Args:
        machine: Whose disturbances.
        students: Races a cell.
        seed: Of the races.
        ratios: True speedups, as multiples of the threshold.

    Returns:
        A cell for each ratio: shares of students, and pairs looked at.
    """
    rng = np.random.default_rng(seed)
    candidate, baseline = machine(rng, students)
    paired = baseline / candidate
    _, other_moment = machine(rng, students)
    unpaired = other_moment[:, :PEER_RUNS].mean(axis=1) / candidate[:, :PEER_RUNS].mean(axis=1)
    cells = []
    for ratio in ratios:
        found = decide_many(ratio * paired, 1.0)
        cells.append(
            {
                "ratio": ratio,
                "earned": _share(found.verdicts != FAIL),
                "failed": _share(found.verdicts == FAIL),
                "too_close": _share(found.verdicts == TOO_CLOSE),
                "pairs_mean": round(float(found.pairs.mean()), 1),
                "pairs_most": int(found.pairs.max()),
                "peer_passed": _share(ratio * unpaired >= 1.0),
                "peer_passed_with_margin": _share(ratio * unpaired >= MARGIN),
            }
        )
    return cells


def compute(students: int = STUDENTS, seed: int = SEED) -> dict[str, Any]:
    """All machines' curves, with their definitions."""
    definitions = dict(line.strip().split(None, 1) for line in _definitions())
    chosen: dict[str, tuple[str, Machine]] = {
        name: (definitions[name], machine) for name, machine in machines.SIMULATED.items()
    }
    chosen["recorded spread"] = (
        "drawn from the order statistics of the races in lab1_grading.json",
        machines.recorded_spread,
    )
    if (traces := machines.recorded_traces()) is not None:
        chosen["recorded traces"] = traces
    found = {
        name: {"definition": definition, "cells": curve(machine, students, seed + number)}
        for number, (name, (definition, machine)) in enumerate(chosen.items())
    }
    for cell in found["recorded spread"]["cells"]:  # of paired ratios: single times were not kept
        cell["peer_passed"] = cell["peer_passed_with_margin"] = None
    return {
        "students": students,
        "seed": seed,
        "looks": [list(look) for look in LOOKS],
        "margin": MARGIN,
        "machines": found,
    }


def _definitions() -> list[str]:
    """The first line of each machine's definition in the module's own words."""
    lines = (machines.__doc__ or "").splitlines()
    return [line for line in lines if line.startswith("    ") and line.split()[0] in machines.SIMULATED]


def _share(which: npt.NDArray[np.bool_]) -> float:
    return round(float(which.mean()), 6)


def main() -> int:
    """Computes, writes, draws."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--students", type=int, default=STUDENTS)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    options = parser.parse_args()
    found = record("operating_curve", COMMAND, compute(options.students))
    write(options.out, found)
    options.picture.write_text(operating_picture.draw(found), encoding="utf-8")
    for name, machine in found["machines"].items():
        cells = {cell["ratio"]: cell for cell in machine["cells"]}
        shown = ", ".join(
            f"{ratio}: {cells[ratio]['earned']:.2%} ({cells[ratio]['pairs_mean']:.0f} pairs; peer "
            f"{cells[ratio]['peer_passed']}, {cells[ratio]['peer_passed_with_margin']})"
            for ratio in (0.85, 0.9, 0.95, 1.0, 1.05)
        )
        print(f"{name:16} {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
