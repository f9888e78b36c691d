"""The sequential paired test that says whether a kernel is fast enough: a pure function.

Pairs of (candidate, baseline) times are measured until the answer is clear. After 15, 30, 60 and
120 pairs the median of the ratios baseline / candidate is bounded by order statistics, which needs
no assumption about how times are distributed: in n independent ratios the true median lies below
the k-th smallest only if fewer than k of n fair coins show heads.

     n    k    chance that one bound is wrong
    15    3    0.37 %
    30    9    0.81 %
    60   21    0.67 %
   120   48    1.1  %

A kernel passes when the lower bound reaches 95 % of the threshold, and fails when the upper bound
stays below: the 5 % belong to the student, because clocks and caches differ from run to run. What
is still open after 120 pairs is *too close*, which earns the points and says so.
"""

from __future__ import annotations

import enum
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LOOKS: tuple[tuple[int, int], ...] = ((15, 3), (30, 9), (60, 21), (120, 48))
"""(pairs, order k of the bounds): where the test looks."""

MARGIN = 0.95
"""Share of the threshold that is enough."""


class Verdict(enum.StrEnum):
    """What the pairs say."""

    PASS = "pass"
    FAIL = "fail"
    TOO_CLOSE = "too close"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Decision:
    """The answer so far.

    Attributes:
        verdict: `UNDECIDED` asks for more pairs; after the last pair it means that there were too few to judge.
        speedup: Median of baseline / candidate over the pairs looked at; NaN before the first look.
        lower: Lower bound of that median; NaN before the first look.
        upper: Upper bound; NaN before the first look.
        pairs: Pairs looked at.
        needed: The speedup that counts: 95 % of the threshold.
    """

    verdict: Verdict
    speedup: float
    lower: float
    upper: float
    pairs: int
    needed: float

    @property
    def earns(self) -> bool:
        """Whether the points are given."""
        return self.verdict in (Verdict.PASS, Verdict.TOO_CLOSE)


def decide(pairs: Sequence[tuple[float, float]], threshold: float, final: bool = False) -> Decision:
    """Judges the pairs measured so far.

    Looks are made in order and the first clear one stands, however many pairs came after it:
    measuring on can't change a verdict.

    Args:
        pairs: (candidate_ms, baseline_ms), in the order measured.
        threshold: Speedup baseline / candidate asked for.
        final: No more pairs will come.

    Returns:
        The decision at the first clear look, else at the last look reached.

    Raises:
        ValueError: A time is not positive and finite, or the threshold is not.

    Example:
        >>> decide([(1.0, 2.0)] * 15, threshold=1.5).verdict
        <Verdict.PASS: 'pass'>

    Source:
        Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2 (intervals for quantiles).
    """
    needed = MARGIN * threshold
    if not (math.isfinite(threshold) and threshold > 0):
        raise ValueError(f"threshold {threshold}, expected a positive speedup")
    for time in (time for pair in pairs for time in pair):
        if not (math.isfinite(time) and time > 0):
            raise ValueError(f"time {time} ms, expected positive and finite")
    ratios = [baseline / candidate for candidate, baseline in pairs]
    decision = Decision(Verdict.UNDECIDED, math.nan, math.nan, math.nan, 0, needed)
    for count, order in LOOKS:
        if len(ratios) < count:
            break
        decision = _look(ratios[:count], order, needed)
        if decision.verdict is not Verdict.UNDECIDED:
            return decision
    at_cap = len(ratios) >= LOOKS[-1][0]
    if decision.pairs and (final or at_cap):
        return Decision(
            Verdict.TOO_CLOSE, decision.speedup, decision.lower, decision.upper, decision.pairs, decision.needed
        )
    return decision


def _look(ratios: Sequence[float], order: int, needed: float) -> Decision:
    ranked = sorted(ratios)
    lower, upper = ranked[order - 1], ranked[-order]
    verdict = Verdict.UNDECIDED
    if lower >= needed:
        verdict = Verdict.PASS
    elif upper < needed:
        verdict = Verdict.FAIL
    return Decision(verdict, statistics.median(ranked), lower, upper, len(ranked), needed)
