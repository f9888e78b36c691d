import math
import random

import pytest

from autograder.decision import LOOKS, MARGIN, Verdict, decide


def pairs(ratios: list[float]) -> list[tuple[float, float]]:
    return [(1.0, ratio) for ratio in ratios]


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(2.0, Verdict.PASS), (1.5 * MARGIN, Verdict.PASS), (1.42, Verdict.FAIL), (0.5, Verdict.FAIL)]
)
def test_clear_ratios_are_decided_at_the_first_look(ratio: float, verdict: Verdict) -> None:
    decision = decide(pairs([ratio] * 15), threshold=1.5)
    assert decision.verdict is verdict
    assert decision.pairs == 15
    assert decision.speedup == ratio


def test_nothing_is_decided_before_the_first_look() -> None:
    decision = decide(pairs([9.0] * 14), threshold=1.0)
    assert decision.verdict is Verdict.UNDECIDED
    assert math.isnan(decision.speedup)
    assert not decide(pairs([9.0] * 14), threshold=1.0, final=True).earns


def test_bounds_are_the_third_from_either_end_at_15_pairs() -> None:
    decision = decide(pairs([float(n) for n in range(1, 16)]), threshold=100.0)
    assert (decision.lower, decision.speedup, decision.upper) == (3.0, 8.0, 13.0)


def test_two_outliers_do_not_fail_a_fast_kernel() -> None:
    assert decide(pairs([0.1, 0.1] + [2.0] * 13), threshold=1.5).verdict is Verdict.PASS
    assert decide(pairs([0.1, 0.1, 0.1] + [2.0] * 12), threshold=1.5).verdict is Verdict.UNDECIDED


def test_first_clear_look_stands_whatever_comes_after() -> None:
    assert decide(pairs([2.0] * 15 + [0.1] * 200), threshold=1.5).verdict is Verdict.PASS


def test_open_at_the_cap_is_too_close_and_earns() -> None:
    mixed = [1.0, 2.0] * 60
    decision = decide(pairs(mixed), threshold=1.5)
    assert decision.verdict is Verdict.TOO_CLOSE
    assert decision.pairs == 120
    assert decision.earns
    assert decide(pairs(mixed[:118]), threshold=1.5).verdict is Verdict.UNDECIDED
    assert decide(pairs(mixed[:20]), threshold=1.5, final=True).verdict is Verdict.TOO_CLOSE


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_impossible_times_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        decide([(bad, 1.0)], threshold=1.5)
    with pytest.raises(ValueError, match="threshold"):
        decide([(1.0, 1.0)], threshold=bad)


def earned(true_speedup: float, students: int, seed: int) -> float:
    """Share of students who earn the points at threshold 1.5 on a noisy machine."""
    source, passed = random.Random(seed), 0
    for _ in range(students):
        ratios = []
        for _ in range(LOOKS[-1][0]):
            noise = source.gauss(0.0, 0.04)
            if source.random() < 0.1:  # now and then another job slows one run of the pair
                noise += source.choice((-0.3, 0.3))
            ratios.append(true_speedup * math.exp(noise))
        passed += decide(pairs(ratios), threshold=1.5, final=True).earns
    return passed / students


def test_operating_curve() -> None:
    assert earned(0.90 * 1.5, 500, seed=1) <= 0.02
    assert earned(1.00 * 1.5, 500, seed=2) >= 0.98
    assert earned(0.80 * 1.5, 200, seed=3) == 0.0
    assert earned(1.20 * 1.5, 200, seed=4) == 1.0
