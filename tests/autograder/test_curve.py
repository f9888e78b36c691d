"""The steps between two rungs: what is reached, what is too close, what can't be told."""

import math
import random

import pytest

from autograder.curve import Standing, decide_curve
from autograder.decision import LOOKS

STEPS = ((0.25, 2.0), (0.5, 4.0), (0.75, 6.0), (0.95, 7.0))


def round_at(position, gap=2.0, high=1.0):
    """A round whose student stands exactly there."""
    low = gap * high
    return low / gap**position, low, high


@pytest.mark.parametrize(
    ("position", "points"), [(-0.5, 0), (0.0, 0), (0.2, 0), (0.3, 2), (0.6, 4), (0.8, 6), (1.0, 7), (1.5, 7)]
)
def test_clear_positions_are_settled_at_the_first_look(position, points):
    found = decide_curve([round_at(position)] * 15, STEPS)

    assert found.standing is Standing.SETTLED
    assert (found.points, found.rounds, found.open) == (points, 15, 0)
    assert found.position == pytest.approx(position)


def test_the_same_position_gives_the_same_points_on_any_gpu():
    slow = decide_curve([round_at(0.6, gap=1.4, high=30.0)] * 15, STEPS)
    fast = decide_curve([round_at(0.6, gap=5.0, high=0.2)] * 15, STEPS)

    assert slow.points == fast.points == 4
    assert slow.position == pytest.approx(fast.position)


def test_nothing_is_decided_before_the_first_look():
    found = decide_curve([round_at(1.0)] * 14, STEPS, final=True)

    assert found.standing is Standing.UNDECIDED
    assert math.isnan(found.position)


def test_open_at_the_cap_gives_the_higher_step_and_says_so():
    wavering = [round_at(0.7), round_at(0.8)] * 60
    assert decide_curve(wavering[:119], STEPS).standing is Standing.UNDECIDED

    found = decide_curve(wavering, STEPS)

    assert found.standing is Standing.TOO_CLOSE
    assert (found.step, found.points, found.open) == (3, 6, 3)
    assert decide_curve(wavering[:20], STEPS, final=True).standing is Standing.TOO_CLOSE


def test_two_outliers_among_15_change_nothing():
    rounds = [round_at(1.0)] * 13 + [(9.0, 2.0, 1.0), (9.0, 2.0, 1.0)]
    assert decide_curve(rounds, STEPS).points == 7


def test_rungs_less_than_a_fifth_apart_tell_nothing():
    found = decide_curve([round_at(0.1, gap=1.15)] * 15, STEPS)

    assert found.standing is Standing.FLAT
    assert (found.points, found.gap) == (7, pytest.approx(1.15))
    assert decide_curve([round_at(0.1, gap=0.8)] * 15, STEPS).standing is Standing.FLAT
    assert decide_curve([round_at(0.1, gap=1.25)] * 15, STEPS).standing is Standing.SETTLED


def test_a_gap_that_wavers_around_the_limit_is_measured_to_the_cap():
    rounds = [round_at(1.0, gap=1.15), round_at(1.0, gap=1.3)] * 60
    assert decide_curve(rounds[:100], STEPS).standing is Standing.UNDECIDED
    assert decide_curve(rounds, STEPS).standing is not Standing.UNDECIDED


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_impossible_times_are_refused(bad):
    with pytest.raises(ValueError, match="positive"):
        decide_curve([(bad, 2.0, 1.0)], STEPS)
    with pytest.raises(ValueError, match="steps"):
        decide_curve([round_at(1.0)], ())


def shares(position, gap, students, seed):
    """How often students at a position get each number of points on a noisy machine."""
    source = random.Random(seed)

    def noisy(time):
        slow = 0.3 if source.random() < 0.05 else 0.0  # now and then another job
        return time * math.exp(source.gauss(0.0, 0.03) + slow)

    counts = {}
    for _ in range(students):
        rounds = [tuple(noisy(time) for time in round_at(position, gap)) for _ in range(LOOKS[-1][0])]
        points = decide_curve(rounds, STEPS, final=True).points
        counts[points] = counts.get(points, 0) + 1 / students
    return counts


@pytest.mark.parametrize("gap", [1.35, 2.0])
def test_operating_curve(gap):
    """A kernel as fast as the upper rung gets everything, one as slow as the lower nothing, one between its step."""
    assert shares(1.0, gap, 150, seed=1).get(7, 0) >= 0.98
    assert shares(0.0, gap, 150, seed=2).get(0, 0) >= 0.98
    assert shares(0.625, gap, 150, seed=3).get(4, 0) >= 0.95
    on_the_step = shares(0.5, gap, 150, seed=4)
    assert on_the_step.get(4, 0) >= 0.95  # too close, mostly, which gives it; four looks err 0.4 to 1.1 % each
