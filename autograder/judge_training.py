"""What training a declared network gave -> verdict: has it learned, how accurate is it, how long does an epoch take.

Accuracies are bounded from below: of the test images, not of images times seeds, because all seeds are asked the same
images and fail at much the same ones.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Sequence
from typing import Any

from autograder.evidence import FaultKind, Run, Training
from autograder.result import Status
from autograder.rubric import Item
from autograder.verdict import Verdict, lost, of_fault, withheld

Z_95 = 1.645
"""Standard deviations below which a normal variable falls in 5 % of all cases."""
GUESSING = math.log(10)
"""The loss of a network that holds ten classes equally probable."""
_FLAT = 0.9  # a loss that kept more than this share of itself has hardly fallen
_OVERFIT = 0.12  # between training and test images; the lab's network as given, on CIFAR-10, is beyond it


def lower_bound(share: float, images: int) -> float:
    """The accuracy that is reached with 95 % confidence, if a share of so many images is right.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927), one-sided.
    """
    spread = Z_95**2 / images
    middle = share + spread / 2
    return (middle - math.sqrt(spread * share * (1 - share) + spread**2 / 4)) / (1 + spread)


def judge_training(item: Item, training: Training) -> Verdict:
    """Judges one item of `rubric.TRAINED_KINDS`."""
    if training.fault is not None:
        return of_fault(training.fault)
    if not training.runs or (item.kind != "learns" and not training.baseline):
        return withheld(f"nothing was trained on {training.description}")
    judge = {"learns": _learns, "accuracy_curve": _accuracy, "training_speed": _speed}[item.kind]
    return dataclasses.replace(judge(item, training), evidence=_numbers(training) | judge(item, training).evidence)


def _learns(item: Item, training: Training) -> Verdict:
    share, bound = _mean(training.runs), _bound(training)
    asked, claim = item.threshold or 0.0, f"{share:.1%} of {training.images:,} unseen images are right"
    if broken := _broken(training.runs):
        return broken
    if training.runs[0].losses[-1] > GUESSING and bound >= asked:
        last = training.runs[0].losses[-1]
        text = f"The loss ends at {last:.3g}; guessing gives {GUESSING:.2f} ({training.description})."
        return lost(FaultKind.WRONG_VALUES, text, _learning_hint(training.runs[0]))
    if bound >= asked:
        text = f"{claim}, {bound:.1%} at least (95 % confidence); {asked:.0%} asked for ({training.description})."
        return Verdict(Status.EARNED, text)
    text = f"Only {claim}, {bound:.1%} at least (95 % confidence); {asked:.0%} asked for ({training.description})."
    return lost(FaultKind.WRONG_VALUES, text, _learning_hint(training.runs[0]))


def _accuracy(item: Item, training: Training) -> Verdict:
    if broken := _broken(training.runs):
        return broken
    share, bound, given = _mean(training.runs), _bound(training), _mean(training.baseline)
    reached = sum(bound - given >= step for step, _ in item.curve)
    text = (
        f"{share:.2%} over {len(training.runs)} seeds, {bound:.2%} at least (95 % confidence): "
        f"{_points(bound - given)} against the plan as given, {given:.2%} in the same run ({training.description})"
    )
    if reached < len(item.curve):
        step, points = item.curve[reached]
        text += f"; the next step is {_points(step)}, for {points:g} points"
    evidence: dict[str, Any] = {"lower bound": round(bound, 4), "gain": round(bound - given, 4)}
    if item.flag_above is not None and share - given > item.flag_above:
        evidence["flag"] = (
            f"is {_points(share - given)} against the plan as given, beyond {_points(item.flag_above)}, "
            "which is what the best plan known here reaches and its spread"
        )
    if not reached:
        verdict = lost(FaultKind.WRONG_VALUES, f"{text}.", _accuracy_hint(training.runs))
        return dataclasses.replace(verdict, evidence=evidence)
    full = reached == len(item.curve)
    points_given = None if full else item.curve[reached - 1][1]
    return Verdict(Status.EARNED, f"{text}.", evidence=evidence, points=points_given)


def _speed(item: Item, training: Training) -> Verdict:
    mine, given = _epoch_s(training.runs), _epoch_s(training.baseline)
    speedup, asked = given / mine, item.threshold or 0.0
    claim = (
        f"{speedup:.2f} times as fast as the plan as given, {asked:g} asked for "
        f"({mine:.3g} s an epoch, {given:.3g} s in the same run)"
    )
    evidence = {"epoch_s": round(mine, 4), "as given, epoch_s": round(given, 4), "speedup": round(speedup, 3)}
    if speedup >= asked:
        return Verdict(Status.EARNED, f"{claim}.", evidence=evidence)
    hint = "What does your plan ask for in every step that the plan as given doesn't? Batch size, precision, rotation."
    return dataclasses.replace(lost(FaultKind.WRONG_VALUES, f"Only {claim}.", hint), evidence=evidence)


def _broken(runs: Sequence[Run]) -> Verdict | None:
    for run in runs:
        for epoch, loss in enumerate(run.losses, 1):
            if not math.isfinite(loss):
                text = f"The loss was no number any more ({loss}) after epoch {epoch} of {len(run.losses)}."
                return lost(FaultKind.WRONG_VALUES, text, "How large is the learning rate when that happens?")
    return None


def _learning_hint(run: Run) -> str:
    first, last = run.losses[0], run.losses[-1]
    if _FLAT * first < last < 2 * GUESSING:  # an untrained network's loss is a little above guessing
        return f"The loss hardly fell, from {first:.2f} to {last:.2f}: is the learning rate too small?"
    if any(later > one for one, later in itertools.pairwise(run.losses)) or last > 2.0:
        return f"The loss went {', '.join(f'{loss:.3g}' for loss in run.losses)}: is the learning rate too large?"
    return (
        "The network learns the images that it trains on and not the others: what does the augmentation leave of them?"
    )


def _accuracy_hint(runs: Sequence[Run]) -> str:
    train, test = statistics.fmean(run.train_accuracy for run in runs), _mean(runs)
    if train - test > _OVERFIT:
        return (
            f"It gets {train:.0%} of its training images right and {test:.0%} of others: it overfits. What varies them?"
        )
    return f"It gets only {train:.0%} of its training images right: which rate does the schedule end with?"


def _epoch_s(runs: Sequence[Run]) -> float:
    """Median epoch; the first of each run, which compiles, left out where there are others."""
    return statistics.median(time for run in runs for time in (run.epoch_s[1:] or run.epoch_s))


def _bound(training: Training) -> float:
    return lower_bound(_mean(training.runs), training.images)


def _mean(runs: Sequence[Run]) -> float:
    return statistics.fmean(run.accuracy for run in runs)


def _points(share: float) -> str:
    return f"{100 * share:+.2f} percentage points"


def _numbers(training: Training) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "data": training.description,
        "accuracy of each seed": ", ".join(f"{run.accuracy:.2%}" for run in training.runs),
        "training images": f"{statistics.fmean(run.train_accuracy for run in training.runs):.2%}",
        "seconds": round(sum(sum(run.epoch_s) for run in training.runs), 1),
    }
    if training.baseline:
        numbers["plan as given"] = ", ".join(f"{run.accuracy:.2%}" for run in training.baseline)
    return numbers
