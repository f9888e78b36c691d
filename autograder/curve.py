"""How far up between two rungs of the ladder a kernel is, and the points for it: a pure function.

    position = log(low / student) / log(low / high)        0 at the lower rung, 1 at the higher

so that a position means the same on a T4 and on an H100. A rubric publishes the steps, `[position, points]`.
Rounds of (student, low, high) times are measured until every step is settled. For the step at position p each
round has a margin, the logarithm of how much faster than asked the student was:

    margin = log(low / student) - p * log(low / high)

The median margin is bounded by order statistics exactly as in `autograder.decision`, after the same numbers
of rounds: the step is reached when the lower bound is at least 0, missed when the upper bound is below 0. What
is still open after the last round is *too close*, which gives the step: a kernel exactly at a step misses it in
3 % of all gradings, one 0.05 above it (at a gap of 2x) never in the simulations. The margins hold the noise of all
three times; a ratio of logarithms would not be bounded where a round turns the rungs around.

Where the rungs differ by less than 1.2x on this GPU no position can be told: the race says so.
"""

from __future__ import annotations

import enum
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.decision import LOOKS

MIN_GAP = 1.2
"""Least ratio low / high that a curve is read between (grading.md)."""

Round = tuple[float, float, float]
Steps = Sequence[tuple[float, float]]


class Standing(enum.StrEnum):
    """What the rounds say."""

    SETTLED = "settled"
    TOO_CLOSE = "too close"
    FLAT = "flat"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class CurveDecision:
    """The answer so far.

    Attributes:
        standing: `FLAT` where the rungs are too close to each other; `UNDECIDED` asks for more rounds.
        position: Median position; NaN before the first look or where the rungs don't differ.
        lower: Lower bound of it.
        upper: Upper bound.
        rounds: Rounds looked at.
        gap: Median of low / high.
        step: Number of steps reached, 0 for none.
        points: Points of the step reached; those of the last one where flat.
        open: The step that was given because it was too close, from 1, or 0.
    """

    standing: Standing
    position: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    rounds: int = 0
    gap: float = math.nan
    step: int = 0
    points: float = 0.0
    open: int = 0


def decide_curve(rounds: Sequence[Round], steps: Steps, final: bool = False) -> CurveDecision:
    """Says which step of a curve a kernel has reached, or that more rounds are needed.

    Args:
        rounds: (student_ms, low_ms, high_ms), in the order measured.
        steps: (position, points), both growing.
        final: No more rounds will come.

    Returns:
        The decision at the first look that settles everything, else at the last look reached.

    Raises:
        ValueError: A time is not positive and finite, or there are no steps.

    Example:
        >>> decide_curve([(1.0, 2.0, 1.0)] * 15, [(0.5, 3), (0.95, 6)]).points
        6
    """
    if not steps:
        raise ValueError("no steps, expected [(position, points), ...]")
    for time in (time for each in rounds for time in each):
        if not (math.isfinite(time) and time > 0):
            raise ValueError(f"time {time} ms, expected positive and finite")
    decision = CurveDecision(Standing.UNDECIDED)
    for count, order in LOOKS:
        if len(rounds) < count:
            break
        decision = _look(rounds[:count], order, steps, last=False)
        if decision.standing is not Standing.UNDECIDED:
            return decision
    if decision.rounds and (final or len(rounds) >= LOOKS[-1][0]):
        order = dict(LOOKS)[decision.rounds]
        return _look(rounds[: decision.rounds], order, steps, last=True)
    return decision


def _look(rounds: Sequence[Round], order: int, steps: Steps, last: bool) -> CurveDecision:
    gains = [math.log(low / student) for student, low, _ in rounds]
    gaps = [math.log(low / high) for _, low, high in rounds]
    gap, (gap_low, gap_high) = statistics.median(gaps), _bounds(gaps, order)
    flat = gap < math.log(MIN_GAP) if last else gap_high < math.log(MIN_GAP)
    if flat:
        return CurveDecision(
            Standing.FLAT, rounds=len(rounds), gap=math.exp(gap), step=len(steps), points=steps[-1][1]
        )  # fmt: skip
    reached, first_open = 0, 0
    settled = gap_low >= math.log(MIN_GAP)
    for number, (position, _) in enumerate(steps, start=1):
        lower, upper = _bounds([gain - position * one for gain, one in zip(gains, gaps, strict=True)], order)
        if upper < 0:
            break
        if lower < 0:
            settled = False
            first_open = first_open or number
        reached = number
    standing = Standing.SETTLED if settled else Standing.UNDECIDED
    if last and not settled:
        standing = Standing.TOO_CLOSE if first_open else Standing.SETTLED
    # For people: the spread of the student's own times on the scale of the median gap. The steps are decided above.
    lower, upper = _bounds([gain / gap for gain in gains], order) if gap > 0 else (math.nan, math.nan)
    return CurveDecision(
        standing,
        position=statistics.median(gains) / gap if gap > 0 else math.nan,
        lower=lower,
        upper=upper,
        rounds=len(rounds),
        gap=math.exp(gap),
        step=reached,
        points=steps[reached - 1][1] if reached else 0.0,
        open=first_open if standing is Standing.TOO_CLOSE else 0,
    )


def _bounds(values: Sequence[float], order: int) -> tuple[float, float]:
    ranked = sorted(values)
    return ranked[order - 1], ranked[-order]
