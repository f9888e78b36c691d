"""A class in numbers: how scores spread, what costs points, the commonest faults, how fast, what to look at.

Pure functions on results; everything they return is cleaned text and numbers, ready for the template.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from autograder.report.clean import one_line
from autograder.report.values import points
from autograder.report.view import Segment, bar, tally
from autograder.result import ItemScore, Result, Status
from autograder.store import FLAG

BINS = 10
MOST_FAULTS = 12
MOST_NAMED = 6
_RUNG = re.compile(r"(\w+)_ms")
_NO_RUNGS = {"time_ms", "cpu_time_ms"}
_Race = tuple[str, str, str]
"""Task, the item's title, the GPU."""


@dataclass(frozen=True)
class BinView:
    """Students between two percentages; `open` of them have points that are not decided yet."""

    label: str
    count: int
    open: int
    height: float
    open_height: float


@dataclass(frozen=True)
class ItemLoss:
    """One rubric item: who lost it, and what that cost."""

    title: str
    students: int
    points: str


@dataclass(frozen=True)
class TaskLoss:
    """One task over the class: mean points, and the bar of what became of them."""

    task: str
    title: str
    points: str
    max_points: str
    lost: str
    share: int
    bar: list[Segment]
    summary: str
    items: list[ItemLoss]


@dataclass(frozen=True)
class FaultView:
    """One kind of fault in one task: how many students, what to tell them, an example."""

    task: str
    fault: str
    hint: str
    count: int
    reason: str
    students: list[str]
    more: int


@dataclass(frozen=True)
class Mark:
    """Something at a place of the speed axis, 0 to 100; of students, how many."""

    name: str
    place: float
    speed: str
    count: int = 1


@dataclass(frozen=True)
class LadderView:
    """The speeds of one race on one kind of GPU, on a logarithmic axis, with the ladder's rungs as they ran beside."""

    task: str
    title: str
    gpu: str
    students: list[Mark]
    rungs: list[Mark]
    best: str
    median: str
    tallest: int
    summary: str


@dataclass(frozen=True)
class EyeView:
    """Something that a person should look at."""

    student: str
    what: str
    why: str


def distribution(results: Sequence[Result]) -> list[BinView]:
    """Returns how many students earned up to 10 %, 20 % ... of the points; full marks are in the last bin."""
    counts, still_open = [0] * BINS, [0] * BINS
    for result in results:
        share = result.points / result.max_points if result.max_points else 0.0
        place = min(int(BINS * share + 1e-9), BINS - 1)
        counts[place] += 1
        still_open[place] += bool(result.points_with(Status.PENDING, Status.WITHHELD))
    most = max(counts, default=0) or 1
    step = 100 // BINS
    return [
        BinView(f"{step * i} to {step * (i + 1)} %", count, unsure, 100 * count / most, 100 * unsure / most)
        for i, (count, unsure) in enumerate(zip(counts, still_open, strict=True))
    ]


def task_losses(results: Sequence[Result], titles: Mapping[str, str]) -> list[TaskLoss]:
    """Returns the tasks, the one that loses the most points first.

    Args:
        results: Of one lab.
        titles: Task id -> title.
    """
    by_task: dict[str, list[ItemScore]] = defaultdict(list)
    for item in (item for result in results for item in result.items):
        by_task[item.task].append(item)
    losses = [_task_loss(task, items, titles, len(results)) for task, items in by_task.items()]
    return sorted(losses, key=lambda loss: -float(loss.lost))


def faults(results: Sequence[Result]) -> list[FaultView]:
    """Returns the commonest faults: lost items with the same task, fault and advice, numbers in it aside."""
    found: dict[tuple[str, str, str], dict[str, ItemScore]] = defaultdict(dict)
    for result in results:
        for item in result.items:
            if item.status is Status.LOST:
                key = (item.task, item.fault or item.title, re.sub(r"\d+", "#", item.hint))
                found[key].setdefault(result.student, item)
    ordered = sorted(found.items(), key=lambda entry: -len(entry[1]))[:MOST_FAULTS]
    return [_fault(*entry) for entry in ordered]


def ladders(results: Sequence[Result]) -> list[LadderView]:
    """Returns the speeds of each item that was timed; those of different GPUs don't share an axis."""
    speeds: dict[_Race, dict[str, float]] = defaultdict(dict)
    rungs: dict[_Race, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        for item in result.items:
            speed, time_ms = (_number(item.evidence.get(name)) for name in ("gflop_s", "time_ms"))
            if not speed or not time_ms:
                continue
            race = (item.task, item.title, str(result.device.get("gpu") or ""))
            speeds[race][result.student] = speed
            for name, value in item.evidence.items():
                match = _RUNG.fullmatch(name)
                if match and name not in _NO_RUNGS and (rung_ms := _number(value)):
                    rungs[race][match.group(1)].append(speed * time_ms / rung_ms)
    return [_ladder(race, speeds[race], rungs[race]) for race in speeds]


def to_look_at(results: Sequence[Result], lowered: Mapping[str, str]) -> list[EyeView]:
    """Returns what a person should see: withheld points, flags, files that could not be read, lowered regrades.

    Args:
        results: Of one lab.
        lowered: Student -> a sentence about a regrade that took points away.
    """
    found = []
    for result in results:
        student = one_line(result.student, 120)
        reasons = {item.reason for item in result.items}
        withheld = [item for item in result.items if item.status is Status.WITHHELD]
        if withheld:
            sum_ = points(sum(item.max_points for item in withheld))
            found.append(EyeView(student, f"{sum_} points withheld", one_line(withheld[0].reason, 400)))
        elif len(result.items) > 1 and len(reasons) == 1 and reasons == set(result.notes):
            found.append(EyeView(student, "not readable", one_line(reasons.pop(), 400)))
        flags = [f"{item.task}.{item.item}: {flag}" for item in result.items if (flag := item.evidence.get("flag"))]
        if flags:
            more = f" (and {len(flags) - 1} more)" if len(flags) > 1 else ""
            found.append(EyeView(student, "flag, no points lost", one_line(flags[0], 400) + more))
        for note in result.notes:
            if note.startswith(FLAG):
                found.append(EyeView(student, "regraded", one_line(note.removeprefix(FLAG).strip(), 400)))
        if result.isolation.startswith("none"):
            found.append(EyeView(student, "graded without isolation", one_line(result.isolation, 400)))
        if sentence := lowered.get(result.student):
            found.append(EyeView(student, "fewer points than before", one_line(sentence, 400)))
    return sorted(found, key=lambda eye: (eye.what, eye.student))


def _task_loss(task: str, items: Sequence[ItemScore], titles: Mapping[str, str], students: int) -> TaskLoss:
    sums = tally(items)
    by_item: dict[str, list[ItemScore]] = defaultdict(list)
    for item in items:
        by_item[item.title].append(item)
    costs = {title: tally(same)["lost"] for title, same in by_item.items()}
    worst = sorted((title for title, cost in costs.items() if cost), key=lambda title: -costs[title])
    lost_by = {title: sum(tally([item])["lost"] > 0 for item in same) for title, same in by_item.items()}
    total = sum(item.max_points for item in items)
    words = ", ".join(f"{points(value / students)} {status}" for status, value in sums.items() if value)
    return TaskLoss(
        task=one_line(task, 80),
        title=one_line(titles.get(task, task), 200),
        points=points(sums["earned"] / students),
        max_points=points(total / students),
        lost=f"{sums['lost'] / students:.2f}",
        share=round(100 * sums["lost"] / total) if total else 0,
        bar=[replace(part, points=points(sums[part.status] / students)) for part in bar(items)],
        summary=f"on average {words}" if words else "no points",
        items=[ItemLoss(one_line(title, 200), lost_by[title], points(costs[title])) for title in worst[:4]],
    )


def _fault(key: tuple[str, str, str], having: Mapping[str, ItemScore]) -> FaultView:
    task, fault, _ = key
    example = Counter(item.reason for item in having.values()).most_common(1)[0][0]
    named = [one_line(student, 120) for student in list(having)[:MOST_NAMED]]
    hint = next(iter(having.values())).hint
    return FaultView(
        task=one_line(task, 80),
        fault=one_line(fault, 120),
        hint=one_line(hint, 400),
        count=len(having),
        reason=one_line(example, 300),
        students=named,
        more=len(having) - len(named),
    )


def _ladder(race: _Race, speeds: Mapping[str, float], rungs: Mapping[str, Sequence[float]]) -> LadderView:
    middle = {name: statistics.median(values) for name, values in rungs.items()}
    everything = [*speeds.values(), *middle.values()]
    low, high = math.log(min(everything) / 1.15), math.log(max(everything) * 1.15)

    def place(speed: float) -> float:
        return round(100 * (math.log(speed) - low) / (high - low), 2)

    stacks = Counter(round(place(speed) / 1.5) for speed in speeds.values())
    ordered = sorted(middle.items(), key=lambda entry: entry[1])
    faster = ", ".join(
        f"{sum(speed >= value for speed in speeds.values())} faster than {name}" for name, value in ordered
    )
    task, title, gpu = race
    return LadderView(
        task=one_line(task, 80),
        title=one_line(title, 200),
        gpu=one_line(gpu, 120),
        students=[Mark("", 1.5 * slot, "", count) for slot, count in sorted(stacks.items())],
        rungs=[Mark(one_line(name, 40), place(value), _speed(value)) for name, value in ordered],
        best=_speed(max(speeds.values())),
        median=_speed(statistics.median(speeds.values())),
        tallest=max(stacks.values()),
        summary=f"{len(speeds)} kernels: {faster}" if faster else f"{len(speeds)} kernels",
    )


def _speed(gflop_s: float) -> str:
    return f"{gflop_s / 1e3:.3g} TFLOP/s" if gflop_s >= 1e3 else f"{gflop_s:.3g} GFLOP/s"


def _number(value: object) -> float:
    """A positive finite number, or 0: evidence of a damaged result may hold anything."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    return float(value) if usable else 0.0  # type: ignore[arg-type]


def spread(values: Iterable[float]) -> tuple[str, str]:
    """Returns mean and median as text."""
    kept = list(values)
    return (points(statistics.mean(kept)), points(statistics.median(kept))) if kept else ("0", "0")
