"""Questions of Lab 6: waiting for data, images held out, and recipes: networks and training plans as plain values.

A recipe is read here as strictly as by the stage that trains it. What is asked of single images stands in
`lab6_images`, what is asked of a trained network's answers in `lab6_results`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder import wire
from autograder.evidence import Case, FaultKind
from autograder.questions.question import LARGEST, Question, clipped, number, shown
from autograder.result import Status
from autograder.rigs import Log, Setting
from autograder.verdict import Verdict, lost
from gpulabs.declared import read_network, read_plan
from gpulabs.declared.plan import Plan
from gpulabs.errors import BadInputError
from gpulabs.feeding import ToyFeed
from gpulabs.networks import CLASSES, PARAMETERS

if TYPE_CHECKING:
    from autograder.rubric import CaseSpec, Item

EPOCHS = 20
TRAIN_IMAGES = 50_000
SHARE_WITHIN = 0.08
"""10 steps, whose first batch nothing overlaps, give the share within 7 %; in some of six cases the usual slips are
three times as far off."""
MIN_STEPS = 10
DECAYED = 0.1
"""Of the largest rate, what may be left in the last step."""
HARMLESS = {"rotate": 45, "shift": 8, "cutout": 16, "hue": 90}
"""Beyond this a picture of 32 x 32 is often no longer what its label says."""


def _draw_feeding(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return tuple(wire.call(name) for name in ("next_batch", "step", "synchronize", "clock"))


def _feeding_rig(case: Case, setting: Setting) -> ToyFeed:
    """Every third loader keeps up with its device; the others take 1.3 to 6 times as long as a step."""
    rng = np.random.default_rng(case.seed)
    compute_ms = float(rng.uniform(2, 10))
    ratio = float(rng.uniform(0.3, 0.8)) if int(case.id.rpartition("-")[2]) % 3 == 0 else float(rng.uniform(1.3, 6))
    return ToyFeed(compute_ms * ratio, compute_ms, rng)


def _judge_share(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    share, load, compute = (float(log.facts[name]) for name in ("share", "load_ms", "compute_ms"))
    if type(value) not in (int, float) or not abs(value) < LARGEST:
        text = f"{shown(case)} returned {clipped(value)}, expected a share from 0 to 1."
        return lost(FaultKind.WRONG_TYPE, text, cell=case.task)
    steps = len(log.named("step"))
    told = f"a batch takes {load:.1f} ms to make and {compute:.1f} ms to train on"
    if steps < MIN_STEPS:
        text = f"{shown(case)} measured over {steps} steps, at least {MIN_STEPS} are needed: single times spread."
        return lost(FaultKind.WRONG_VALUES, text, "Time many steps together and divide.", case.task)
    if abs(value - share) <= SHARE_WITHIN:
        return Verdict(Status.EARNED)
    text = f"{shown(case)} = {value:.2f}, expected {share:.2f} within {SHARE_WITHIN}: {told}."
    slips = (
        (not log.named("synchronize"), "step() only hands over its work: what does the clock show before it is done?"),
        (
            abs(value - load / (load + compute)) <= SHARE_WITHIN or abs(value - min(load / compute, 1)) <= SHARE_WITHIN,
            "While the host makes a batch, the device works on the one before: only what is longer is waited for.",
        ),
        (value < -SHARE_WITHIN or value > 1, "A share of the step with fresh batches: 1 - without / with."),
        (True, "Is the first step, which compiles, among those timed? Do both loops end with synchronize()?"),
    )
    return lost(FaultKind.WRONG_VALUES, text, next(hint for applies, hint in slips if applies), case.task)


def step_ms(load_ms: float, compute_ms: float, workers: int, prefetch: bool) -> float:
    """A step's time: batches are made by `workers` side by side, before the step or, with prefetch, during it."""
    load = load_ms / workers
    return max(load, compute_ms) if prefetch else load + compute_ms


def _draw_step(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    compute, workers = round(float(rng.uniform(2, 20)), 1), int(rng.integers(2, 9))
    ratio = float(rng.uniform(0.3, 0.8) if index // 2 % 2 else rng.uniform(1.5, 4))
    return round(compute * workers * ratio, 1), compute, workers, index % 2 == 0


def _slips_of_step(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    load, compute, workers, prefetch = arguments
    return [
        (step_ms(load, compute, 1, prefetch), "How many batches are made at the same time?"),
        (
            step_ms(load, compute, workers, not prefetch),
            "With prefetch both happen at once.",
        ),
        (min(load / workers, compute), "Who waits for whom? The slower of the two decides."),
    ]


def _draw_split(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    train, test = int(rng.integers(40, 90)), int(rng.integers(10, 30))
    return train, test, int(rng.integers(4, 12))


def _judge_split(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    train, _, held_out = case.arguments
    mine, validation = (_indices(part) for part in value) if type(value) is list and len(value) == 2 else (None, None)
    if mine is None or validation is None:
        text = f"{shown(case)} returned {clipped(value)}, expected two lists of image numbers."
        return lost(FaultKind.WRONG_TYPE, text, cell=case.task)
    complaint = _complaint_of_split(mine, validation, train, held_out)
    if complaint is None:
        return Verdict(Status.EARNED)
    return lost(FaultKind.WRONG_VALUES, f"{shown(case)}: {complaint[0]}.", complaint[1], case.task)


def _complaint_of_split(
    mine: Sequence[int], validation: Sequence[int], train: int, held_out: int
) -> tuple[str, str] | None:
    beyond = [one for one in (*mine, *validation) if not 0 <= one < train]
    both = set(mine) & set(validation)
    missing = train - len(mine) - len(validation)
    if beyond:
        text = f"image {beyond[0]} is a test image" if beyond[0] >= train else f"there is no image {beyond[0]}"
        return text, "What the test images decide, they can't judge: choose by images of the training set."
    if both:
        text = f"{len(both)} images are in both lists"
        return text, "An image that was trained on says nothing of images that were not."
    if len(set(mine)) < len(mine) or len(set(validation)) < len(validation):
        return "an image is there twice", "Each image once, in one of the two lists."
    if len(validation) != held_out:
        return f"{len(validation)} images are held out, {held_out} asked for", "Which of the two lists is which?"
    if missing:
        return f"{missing} of {train} training images are in neither list", "All that is not held out is trained on."
    return None


def _indices(value: Any) -> list[int] | None:
    return value if type(value) is list and all(type(one) is int for one in value) else None


def _judge_network(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    try:
        network = read_network(value, where=case.function)
    except BadInputError as error:
        return lost(FaultKind.REJECTED, f"{error}.", "The error names the layer: compare it with the table.", case.task)
    if network.parameters == PARAMETERS:
        return Verdict(Status.EARNED, f"{PARAMETERS:,} parameters.")
    text = f"{case.function}: the network has {network.parameters:,} parameters, expected {PARAMETERS:,}."
    most = max(network.rows(), key=lambda row: row.parameters)
    hint = f"Its largest layer is {type(most.layer).__name__} with {most.parameters:,}: compare layer by layer."
    return lost(FaultKind.WRONG_VALUES, text, hint, case.task)


def _judging_plan(complain: Callable[[Plan, int], tuple[str, str] | None]) -> Callable[[Item, Case, Any, Log], Verdict]:
    def judge(item: Item, case: Case, value: Any, log: Log) -> Verdict:
        try:
            plan = read_plan(value, case.function)
        except BadInputError as error:
            hint = "The error names the setting: what does it take?"
            return lost(FaultKind.REJECTED, f"{error}.", hint, case.task)
        complaint = complain(plan, case.arguments[0])
        if complaint is None:
            return Verdict(Status.EARNED)
        return lost(FaultKind.WRONG_VALUES, f"{case.function}: {complaint[0]}.", complaint[1], case.task)

    return judge


def _too_long(plan: Plan, epochs: int) -> tuple[str, str] | None:
    if plan.epochs <= epochs:
        return None
    return (
        f"the plan asks for {plan.epochs} epochs, there are {epochs}",
        "Take the number of epochs that you are given.",
    )


def _never_decays(plan: Plan, epochs: int) -> tuple[str, str] | None:
    rates = plan.learning_rates(TRAIN_IMAGES)
    if rates[-1] <= DECAYED * rates.max():
        return None
    left = rates[-1] / rates.max()
    text = f"the learning rate ends at {left:.0%} of its largest value, {DECAYED:.0%} at most is asked for"
    return text, "At a large rate the weights keep jumping about their best: which schedules fall?"


def _not_varied(plan: Plan, epochs: int) -> tuple[str, str] | None:
    varied = plan.augmentation
    if varied.is_identity:
        text = f"the network sees the same {TRAIN_IMAGES:,} images {plan.epochs} times, and learns them by heart"
        return text, "What can happen to a picture of a truck that leaves it a truck?"
    for name, most in HARMLESS.items():
        if getattr(varied, name) > most:
            text = f"augmentation.{name} = {getattr(varied, name):g}; beyond {most} a picture is often not what it was"
            return text, "Look at ten augmented pictures: would you know what they are?"
    return None


QUESTIONS = (
    Question("input_share", _draw_feeding, _judge_share, rig=_feeding_rig, max_calls=2000),
    number("step_ms", _draw_step, step_ms, _slips_of_step, whole=False),
    Question("held_out", _draw_split, _judge_split),
    Question("network", lambda rng, index, spec: (CLASSES,), _judge_network),
    Question("plan", lambda rng, index, spec: (EPOCHS,), _judging_plan(_too_long)),
    Question("plan_decays", lambda rng, index, spec: (EPOCHS,), _judging_plan(_never_decays)),
    Question("plan_varied", lambda rng, index, spec: (EPOCHS,), _judging_plan(_not_varied)),
)
