"""What a speed verdict is held against: rungs that this GPU can't tell apart, its roof, its usual times. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from autograder import ladder
from autograder.calibration.record import Calibration
from autograder.calibration.trust import off_calibration
from autograder.decision import MARGIN
from autograder.evidence import Race
from autograder.result import ItemScore, Status
from autograder.rubric import Item
from autograder.verdict import Verdict, withheld
from gpulabs.devices import DeviceHeader
from gpulabs.roofline import Roof, known_roof

APART = 1.2
"""Rungs closer than this can't be told apart: at 0.95 of a threshold half-way between them (1.095 times either)
only 4 % would be left for all that differs from kernel to kernel."""


@dataclass(frozen=True)
class Yardstick:
    """What a race's numbers are held against.

    Attributes:
        roof: The GPU's peaks, or None where nobody knows them.
        calibration: The GPU's, or None.
    """

    roof: Roof | None = None
    calibration: Calibration | None = None


UNKNOWN = Yardstick()


@dataclass(frozen=True)
class Gap:
    """The two neighbouring rungs that a threshold stands between.

    Attributes:
        slow: Name of the slower rung, which should not pass.
        fast: Name of the faster one, which should.
        ratio: How many times as fast, on this GPU.
        floor: Speedup of `slow` over the item's baseline.
        reach: Speedup of `fast` over it.
        calibrated: Whether the times come from the calibration; otherwise from the race's own run.
    """

    slow: str
    fast: str
    ratio: float
    floor: float
    reach: float
    calibrated: bool


def gap(
    race: Race, threshold: float, calibration: Calibration | None, order: Sequence[str] = ladder.NAMES
) -> Gap | None:
    """Finds the rungs that a threshold stands between, and how far apart they are on this GPU.

    Above 1 the baseline is the one that should not pass and the next rung the one that should; up to 1 the
    baseline should pass and the rung below should not.

    Args:
        race: With the ladder's times of its own run.
        threshold: The speedup asked for.
        calibration: The GPU's, or None.
        order: The ladder, slowest first.

    Returns:
        The gap, or None where there is no such neighbour or no time of it.
    """
    known = calibration.of(race) if calibration else None
    times = {name: each.median_ms for name, each in known.kernels.items()} if known else dict(race.peers)
    place = order.index(race.baseline) if race.baseline in order else -1
    first = place if threshold > 1 else place - 1
    if place < 0 or not 0 <= first < len(order) - 1:
        return None
    slow, fast = order[first], order[first + 1]
    if not all(times.get(name, 0) > 0 for name in (slow, fast, race.baseline)):
        return None
    base = times[race.baseline]
    return Gap(slow, fast, times[slow] / times[fast], base / times[slow], base / times[fast], known is not None)


def unresolved(found: Gap | None, threshold: float) -> str:
    """Says why this GPU can't decide a threshold, or nothing: its rungs are too close, or its faster one fails too."""
    if found is None:
        return ""
    whose = "calibrated" if found.calibrated else "in the same run"
    if found.ratio < APART:
        return (
            f"On this GPU the ladder's {found.fast} is only {found.ratio:.2f} times as fast as {found.slow} "
            f"({whose}): a speed test can't tell them apart here"
        )
    if found.reach < MARGIN * threshold:
        return (
            f"On this GPU the ladder's own {found.fast} reaches only {found.reach:.2f} ({whose}), "
            f"so that {threshold:g} can't be asked for here"
        )
    return ""


def over_roof(race: Race, roof: Roof | None) -> str:
    """Says so when a kernel was faster than a direct convolution in float32 can be: for a person to look at."""
    if roof is None or not race.pairs:
        return ""
    least_ms = max(race.flops / roof.peak_gflops, race.bytes / roof.bandwidth_gb_s) / 1e6
    time_ms = statistics.median(mine for mine, _ in race.pairs)
    if time_ms >= least_ms:
        return ""
    return (
        f"took {time_ms:.4g} ms where a direct float32 convolution needs at least {least_ms:.4g} ms on this GPU "
        f"({roof.peak_gflops:,.0f} GFLOP/s, {roof.bandwidth_gb_s:,.0f} GB/s). Tensor cores or fewer operations "
        "(Winograd, FFT) can explain it"
    )


def reviewed(verdict: Verdict, item: Item, race: Race, upper: float, yardstick: Yardstick) -> Verdict:
    """Adds to the verdict of a speedup what the GPU can't decide, and what `told` adds.

    Where a calibration says that the GPU can't decide, points that would be lost are given. Where only the race's
    own run says so they are withheld: a few runs of a rung, met by another job, look like a slow rung too, and what
    is given on such a word would be given to slow kernels on busy machines.

    Args:
        verdict: From the race alone.
        item: The speed item.
        race: Its race.
        upper: Upper bound of the speedup.
        yardstick: What is known of this GPU.
    """
    verdict = told(verdict, race, yardstick)
    found = gap(race, item.threshold, yardstick.calibration) if item.threshold else None
    if found is None or item.threshold is None or not verdict.evidence:
        return verdict
    apart = {f"{found.fast}_over_{found.slow}": round(found.ratio, 3)}
    verdict = replace(verdict, evidence=verdict.evidence | apart)
    why = unresolved(found, item.threshold)
    if not why:
        return verdict
    if verdict.status is Status.EARNED:
        return replace(verdict, reason=f"{verdict.reason} {why}.")
    too_slow = verdict.status is Status.LOST and verdict.fault is None
    if not too_slow or upper < MARGIN * found.floor:  # slower than even the slower rung is told apart all the same
        return verdict
    if not found.calibrated:
        reason = f"{why}; `autograder calibrate` on this GPU settles it"
        return replace(withheld(reason[0].lower() + reason[1:]), evidence=verdict.evidence)
    return replace(verdict, status=Status.EARNED, reason=f"{verdict.reason} {why}, so the points are yours.", hint="")


def told(verdict: Verdict, race: Race, yardstick: Yardstick) -> Verdict:
    """Adds to any speed verdict what was measured again and what a person should see; changes no points."""
    if not verdict.evidence:
        return verdict
    more: dict[str, Any] = {}
    if race.discarded:
        often = {1: "once", 2: "twice"}.get(len(race.discarded), f"{len(race.discarded)} times")
        more["measured_again"] = f"{often}: {'; '.join(dict.fromkeys(race.discarded))}"
    seen = [over_roof(race, yardstick.roof)]
    if verdict.status is Status.EARNED:  # a kernel that slowed the baseline down would look fast
        seen += off_calibration(race, yardstick.calibration, least=-math.inf)
    if any(seen):
        more["flag"] = "; ".join(filter(None, seen))
    return replace(verdict, evidence=verdict.evidence | more)


def notes(items: Sequence[ItemScore]) -> list[str]:
    """What the report's reader should know of some scores: flags, and what was measured again."""
    lines = []
    for item in items:
        name = f"{item.task}.{item.item}"
        if flag := item.evidence.get("flag"):
            lines.append(f"For a person to look at, it costs no points: {name} {flag}.")
        if again := item.evidence.get("measured_again"):
            lines.append(f"{name} was measured again {again}.")
    return lines


def roof(header: DeviceHeader) -> Roof | None:
    """The GPU's peaks: as its driver says, else as published, else None."""
    if header.gpu and header.peak_gflops and header.bandwidth_gb_s:
        return Roof(header.peak_gflops, header.bandwidth_gb_s, header.gpu)
    return known_roof(header.gpu) if header.gpu else None
