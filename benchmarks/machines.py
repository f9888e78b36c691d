"""Machines that disturb a race: simulated ones with their definitions, and those recorded on a GPU.

A machine gives each student's race as two arrays (students, 120): the times of the candidate's and of the
baseline's runs, relative to the same kernel on an undisturbed GPU. Multiply by true times to get a race.
Runs follow each other as in `autograder.launch.race`, four at a time in random ABBA or BAAB order; whatever
lasts longer than one run falls on neighbouring runs of both sides.

    quiet      each run's time varies by 0.3 % (standard deviation of the logarithm)
    noisy      4 % each; 10 % of the runs are interrupted and take 10 to 50 % longer; clocks wander, 0.5 % a run
    shared     2 % each; another job comes in bursts of 12 runs on average, 30 % of the time, and slows what it
               meets to 1.5 times (1.2 to 1.9 for two thirds of the runs); it hits the two kernels differently:
               the candidate's slowdown is the baseline's to a power between 0.7 and 1.3, another for each student
    drifting   1 % each; clocks fall by 0 to 25 % over the race, smoothly or in one step, for both sides alike
    heavy      3 % times Student's t with 2 degrees of freedom, whose variance is infinite; a factor of 150 at most
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autograder.decision import LOOKS

Times = npt.NDArray[np.float64]
Race = tuple[Times, Times]
Machine = Callable[[np.random.Generator, int], Race]

PAIRS = LOOKS[-1][0]
RUNS = 2 * PAIRS
BURST, QUIET_SPELL = 12, 28
"""Mean lengths in runs of a shared machine's two states: 30 % of the time is a burst."""

RESULTS = Path(__file__).parent / "results"
TRACES = RESULTS / "race_traces.json"


def quiet(rng: np.random.Generator, students: int) -> Race:
    """Nothing disturbs."""
    return split(rng, rng.normal(0.0, 0.003, (students, RUNS)))


def noisy(rng: np.random.Generator, students: int) -> Race:
    """Jitter, interruptions, wandering clocks."""
    jitter = rng.normal(0.0, 0.04, (students, RUNS))
    hit = rng.random((students, RUNS)) < 0.1
    interrupted = np.where(hit, np.log(rng.uniform(1.1, 1.5, (students, RUNS))), 0.0)
    wander = np.cumsum(rng.normal(0.0, 0.005, (students, RUNS)), axis=1)
    return split(rng, jitter + interrupted + wander)


def shared(rng: np.random.Generator, students: int) -> Race:
    """Another job comes in bursts that hit the two kernels differently."""
    slowed = np.where(_bursts(rng, students), rng.normal(np.log(1.5), 0.2, (students, RUNS)), 0.0)
    jitter = rng.normal(0.0, 0.02, (students, RUNS))
    power = rng.uniform(0.7, 1.3, (students, 1))
    return split(rng, jitter, slowed * power, slowed)


def drifting(rng: np.random.Generator, students: int) -> Race:
    """Clocks fall, for both sides alike."""
    jitter = rng.normal(0.0, 0.01, (students, RUNS))
    fall = -np.log(1 - rng.uniform(0.0, 0.25, (students, 1)))
    at = np.arange(RUNS) / RUNS
    smooth = rng.random((students, 1)) < 0.5
    course = np.where(smooth, at, at > rng.random((students, 1)))
    return split(rng, jitter + fall * course)


def heavy(rng: np.random.Generator, students: int) -> Race:
    """Tails so heavy that a mean of the times has no error bar."""
    return split(rng, np.clip(0.03 * rng.standard_t(2, (students, RUNS)), -5.0, 5.0))


SIMULATED: dict[str, Machine] = {
    "quiet": quiet, "noisy": noisy, "shared": shared, "drifting": drifting, "heavy": heavy,
}  # fmt: skip


def split(
    rng: np.random.Generator, both: Times, candidate_only: Times | float = 0.0, baseline_only: Times | float = 0.0
) -> Race:
    """Deals runs out to candidate and baseline, four at a time in random ABBA or BAAB order.

    Args:
        rng: Draws the orders.
        both: Logarithms of relative times of the runs, (students, 240).
        candidate_only: Added where the run is the candidate's.
        baseline_only: Added where it is the baseline's.
    """
    students = len(both)
    first = np.repeat(rng.random((students, PAIRS // 2, 1)) < 0.5, 2, axis=2)
    first[..., 1] = ~first[..., 1]  # the second pair of four runs in the other order
    candidate_first = first.reshape(students, PAIRS)
    ours, theirs = (np.exp(both + own).reshape(students, PAIRS, 2) for own in (candidate_only, baseline_only))
    candidate = np.where(candidate_first, ours[..., 0], ours[..., 1])
    baseline = np.where(candidate_first, theirs[..., 1], theirs[..., 0])
    return candidate, baseline


def recorded_spread(rng: np.random.Generator, students: int) -> Race:
    """Races as spread as those of `lab1_grading.json`, of which three order statistics each were kept.

    The 3rd, 8th and 13th of 15 paired ratios, over their median, are three points of a quantile function;
    straight lines through them, drawn out to both ends, give the ratios. Half of each falls on either side.
    """
    bounds = _recorded_bounds()
    chosen = bounds[rng.integers(len(bounds), size=students)]
    at = rng.random((students, PAIRS)) * 16
    low, high = chosen[:, :1] / 5, chosen[:, 1:] / 5  # for each place of 15, on either side of the 8th
    ratio = np.where(at < 8, (8 - at) * low, (at - 8) * high)
    return np.exp(-ratio / 2), np.exp(ratio / 2)


def recorded_traces(path: Path = TRACES) -> tuple[str, Machine] | None:
    """Races cut out of traces that `autograder calibrate --traces` recorded; None where there is no such file.

    Each student gets one launch's pairs of one kernel, from a random place on, its end joined to its start.
    Times are relative to their medians over all launches of the same two kernels, so that what differs between
    launches stays in.
    """
    if not path.is_file():
        return None
    data = json.loads(path.read_text(encoding="utf-8"))
    traces = [trace for trace in data["traces"] if len(trace["pairs"]) >= PAIRS]
    pairs = np.array([trace["pairs"][:PAIRS] for trace in traces])
    races = [(trace["workload"], trace["candidate"], trace["baseline"]) for trace in traces]
    for key in set(races):  # the baseline, too: a kernel races several of them on one workload
        own = [i for i, race in enumerate(races) if race == key]
        pairs[own] /= np.median(pairs[own], axis=(0, 1))

    def machine(rng: np.random.Generator, students: int) -> Race:
        which = rng.integers(len(pairs), size=(students, 1))
        places = (rng.integers(PAIRS, size=(students, 1)) + np.arange(PAIRS)) % PAIRS
        cut = pairs[which, places]
        return cut[..., 0], cut[..., 1]

    return f"{len(traces)} launches of {PAIRS} pairs on {data['gpu']}, driver {data['driver']}", machine


def _recorded_bounds() -> Times:
    """(log lower / median, log upper / median) of every recorded race."""
    found: list[tuple[float, float]] = []
    for name in ("lab1_grading", "lab1_regrading"):
        record: Any = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        whole = [part.get("speed", {}) for part in record.get("whole", {}).values()]
        for speeds in (*whole, *(entry["speed"] for entry in record["corpus"])):
            numbers = speeds.get("speed", {})
            if numbers.get("pairs") == 15:
                found.append(
                    tuple(np.log([numbers["lower"] / numbers["speedup"], numbers["upper"] / numbers["speedup"]]))
                )
    return np.array(found)


def _bursts(rng: np.random.Generator, students: int) -> npt.NDArray[np.bool_]:
    """Whether the other job is there, run by run: two states with geometric lengths, begun at random."""
    busy = np.empty((students, RUNS), np.bool_)
    busy[:, 0] = rng.random(students) < BURST / (BURST + QUIET_SPELL)
    change = rng.random((students, RUNS))
    for run in range(1, RUNS):
        before = busy[:, run - 1]
        busy[:, run] = np.where(before, change[:, run] >= 1 / BURST, change[:, run] < 1 / QUIET_SPELL)
    return busy
