"""What trainings are worth: accuracies with their bounds, times as ratios, what goes to a person."""

import math

import pytest

from autograder import rubric
from autograder.evidence import Fault, FaultKind, Run, Training
from autograder.judge_training import judge_training, lower_bound
from autograder.result import Status

RECIPE = rubric.load("lab6").task("recipe")


def run(accuracy=0.82, losses=(1.5, 0.5), epoch_s=(9.0, 1.0, 1.0), train=0.9):
    return Run(1, accuracy, train, tuple(losses), tuple(epoch_s))


def training(*runs, baseline=(0.79, 0.79), data="cifar10", images=10_000, fault=None):
    given = tuple(run(one, epoch_s=(5.0, 1.0)) for one in baseline) if data == "cifar10" else ()
    return Training(data, "a set", images, runs, given, fault)


def judged(item, *runs, **more):
    return judge_training(RECIPE.item(item), training(*runs, **more))


def test_the_bound_is_the_binomials():
    """Of 10,000 coins at the bound, 95 % show fewer heads than were seen."""
    images, right = 400, 330
    bound = lower_bound(right / images, images)
    fewer = sum(math.comb(images, k) * bound**k * (1 - bound) ** (images - k) for k in range(right))
    assert fewer == pytest.approx(0.95, abs=0.01)
    assert lower_bound(1.0, 100) < 1
    assert lower_bound(0.0, 100) == pytest.approx(0)


@pytest.mark.parametrize(
    ("accuracies", "points"),
    [((0.822, 0.820), None), ((0.806, 0.812), 8.0), ((0.803, 0.803), 4.0)],
)
def test_accuracy_is_counted_in_steps_above_the_plan_as_given(accuracies, points):
    verdict = judged("accuracy", *(run(one) for one in accuracies))

    assert verdict.status is Status.EARNED
    assert verdict.points == points
    assert "79.00% in the same run" in verdict.reason
    assert "flag" not in verdict.evidence


def test_the_plan_as_given_gains_nothing_and_is_told_why():
    overfit = judged("accuracy", run(0.79, train=0.98))
    short = judged("accuracy", run(0.60, train=0.62))

    assert (overfit.status, short.status) == (Status.LOST, Status.LOST)
    assert "overfits" in overfit.hint
    assert "only 62%" in short.hint


def test_a_lucky_seed_among_poor_ones_is_no_mean():
    assert judged("accuracy", run(0.84), run(0.78), run(0.78)).status is Status.LOST


def test_more_than_anyone_reached_is_for_a_person():
    verdict = judged("accuracy", run(0.85))

    assert verdict.status is Status.EARNED
    assert verdict.evidence["flag"].startswith("is +6.00 percentage points")


def test_time_is_a_ratio_without_the_first_epoch():
    fast, slow = judged("speed", run(epoch_s=(60, 0.5, 0.5))), judged("speed", run(epoch_s=(1, 1.2, 1.2)))

    assert fast.reason.startswith("2.00 times")
    assert (fast.status, slow.status) == (Status.EARNED, Status.LOST)
    assert judged("speed", run(epoch_s=(1, 1.1, 1.1))).status is Status.EARNED


@pytest.mark.parametrize(
    ("losses", "accuracy", "says"),
    [
        ((2.4, 2.38), 0.12, "too small"),
        ((4.0, 9.0, 900.0), 0.1, "too large"),
        ((900.0, 400.0), 0.9, "guessing gives 2.30"),
        ((1.5, 0.2), 0.3, "augmentation"),
        ((1.5, math.nan), 0.9, "no number any more"),
        ((math.inf, 1.0), 0.9, "no number any more"),
    ],
)
def test_what_does_not_learn_is_told_why(losses, accuracy, says):
    verdict = judged("learns", run(accuracy, losses), data="digits", images=297)

    assert verdict.status is Status.LOST
    assert says in f"{verdict.reason} {verdict.hint}"


def test_what_learns_is_earned_without_a_baseline():
    assert judged("learns", run(0.9), data="digits", images=297).status is Status.EARNED
    assert judged("learns", run(0.62), data="digits", images=297).status is Status.LOST  # its bound is below 60 %


def test_a_fault_loses_and_nothing_trained_is_withheld():
    late = Fault(FaultKind.HOST_TIMEOUT, "did not end")

    assert judged("accuracy", run(), fault=late).status is Status.LOST
    assert judged("accuracy").status is Status.WITHHELD
    assert judged("accuracy", run(), baseline=()).status is Status.WITHHELD
