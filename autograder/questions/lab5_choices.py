"""Questions of Lab 5 about sixteen bits, about what to compute again, and about what an allocator holds."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autograder.evidence import Case, FaultKind
from autograder.questions.question import Question, clipped, complained, number, numbers, shown
from autograder.result import Status
from autograder.rigs import Log
from autograder.verdict import Verdict, lost

if TYPE_CHECKING:
    from autograder.rubric import CaseSpec, Item

SMALLEST = {"float16": 2.0**-24, "bfloat16": 2.0**-133}
GROWTH_STEPS = 2000
ENOUGH = 1.25
"""Of the least extra work: a choice within this earns."""
ADVICE = ("fits", "grows", "fragmented", "too large")
_LAYERS = (9, 13)


# Sixteen bits ----------------------------------------------------------------------------------------------------


def lost_share(gradients: Sequence[float], scale: float, smallest: float) -> float:
    """Share of the gradients other than 0 that a format rounds to 0, once they are scaled."""
    sizes = np.abs(np.asarray(gradients, np.float64))
    return float(np.mean(sizes[sizes > 0] * scale < smallest / 2))


def _draw_gradients(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """Sizes over many powers of two, some exactly 0, both signs; one format with an easy range in every third case."""
    name = "bfloat16" if index % 3 == 2 else "float16"
    scale = float(2.0 ** int(rng.choice([0, 4, 8, 12])))
    centre = (-135 if name == "bfloat16" else -25) - math.log2(scale)
    while True:
        powers = rng.normal(centre + 2, 4, 40)
        sizes = [float(f"{sign * 2.0**power:.4g}") for power, sign in zip(powers, rng.choice([-1, 1], 40), strict=True)]
        given = [0.0 if rng.random() < 0.15 else one for one in sizes]
        edge = SMALLEST[name] / 2
        clear = all(one == 0 or abs(abs(one) * scale / edge - 1) > 0.01 for one in given)
        if clear and 0 < lost_share(given, scale, SMALLEST[name]) < 1 and 0.0 in given:
            return given, scale, SMALLEST[name]


def _slips_of_share(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    gradients, scale, smallest = arguments
    sizes = np.abs(np.asarray(gradients, np.float64))
    others = sizes[sizes > 0]
    return [
        (float(np.mean(sizes * scale < smallest / 2)), "What is 0 already is not lost: leave zeros out."),
        (float(np.mean(others * scale < smallest)), "Numbers are rounded: from half of the smallest on, it is kept."),
        (float(np.mean(others < smallest / 2)), "The gradients are scaled first."),
        (float(np.mean(others / scale < smallest / 2)), "Multiply by the scale."),
        (float(np.mean(np.asarray(gradients)[sizes > 0] * scale < smallest / 2)), "The size counts, not the sign."),
        (1 - right, "The share that is lost, not the one that is kept."),
        (right * 100, "A share, 0 to 1."),
    ]


def next_scale(scale: float, good_steps: int, finite: bool) -> tuple[float, int, bool]:
    """(scale, good steps, whether the step counts) after a step whose gradients are finite, or not."""
    if not finite:
        return max(1.0, scale / 2), 0, False
    return (scale * 2, 0, True) if good_steps + 1 == GROWTH_STEPS else (scale, good_steps + 1, True)


def _draw_step(finite: bool, rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    scale = float(2 ** int(rng.integers(4, 17)))
    if finite:
        return scale, (GROWTH_STEPS - 1, GROWTH_STEPS - 2, 0, int(rng.integers(1, 1900)))[index % 4], True
    return 1.0 if index == 1 else scale, int(rng.integers(1, 1900)), False


def _judge_step(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    scale, good, finite = case.arguments
    if not isinstance(value, list | tuple) or len(value) != 3 or type(value[2]) is not bool or not numbers(value[:2]):
        text = f"returned {clipped(value)}, expected (scale, good_steps, apply), with True or False for apply"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    right = next_scale(scale, good, finite)
    if tuple(value) == right:
        return Verdict(Status.EARNED)
    return complained(case, f"= {tuple(value)}, expected {right}", _slip_of_step(right, value, scale, finite))


def _slip_of_step(right: tuple[float, int, bool], value: Sequence[Any], scale: float, finite: bool) -> str:
    if value[2] != right[2]:
        return (
            "These gradients are fine: the step counts."
            if finite
            else "A gradient is infinite: this step would ruin the weights."
        )
    if value[0] != right[0]:
        if not finite:
            return "Not below 1." if value[0] < 1 else "Something overflowed: half the scale."
        if right[0] > scale:
            return f"{GROWTH_STEPS} good steps in a row: twice the scale may fit now."
        return f"The scale grows after {GROWTH_STEPS} good steps in a row, not before."
    return "Steps are counted anew after each change of the scale, and after each that overflowed."


# What to compute again -------------------------------------------------------------------------------------------


def peak_of(sizes: Sequence[float], again: Sequence[int]) -> float:
    """What is kept, and beside it the largest run of neighbours that come back together."""
    kept = sum(size for place, size in enumerate(sizes) if place not in again)
    runs, run = [0.0], 0.0
    for place, size in enumerate(sizes):
        run = run + size if place in again else 0.0
        runs.append(run)
    return kept + max(runs)


def _chain(rng: np.random.Generator) -> tuple[list[int], list[int]]:
    count = int(rng.integers(*_LAYERS))
    sizes = [int(one) for one in np.exp(rng.uniform(math.log(5), math.log(100), count))]
    return sizes, [int(one) for one in np.exp(rng.uniform(math.log(5), math.log(100), count))]


def _draw_again(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    while True:
        sizes, _ = _chain(rng)
        again = [place for place in range(len(sizes)) if rng.random() < 0.6] if index else list(range(len(sizes)))
        if len(again) > 3:
            return sizes, again


def _slips_of_peak(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    sizes, again = arguments
    kept = sum(size for place, size in enumerate(sizes) if place not in again)
    return [
        (kept, "What is computed again has to be somewhere while it is used."),
        (sum(sizes), "Only one run of neighbours comes back at a time: the largest of them counts."),
        (kept + max(sizes[place] for place in again), "A whole run of neighbours comes back together: add its sizes."),
    ]


def every_choice(sizes: Sequence[int], flops: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(peak, extra work) of every set of layers that could be computed again."""
    choices = np.array(list(itertools.product([0, 1], repeat=len(sizes))), float)
    kept = (1 - choices) @ np.array(sizes, float)
    run, longest = np.zeros(len(choices)), np.zeros(len(choices))
    for place, size in enumerate(sizes):
        run = (run + size) * choices[:, place]
        longest = np.maximum(longest, run)
    return kept + longest, choices @ np.array(flops, float)


def _draw_budget(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """A budget in which something fits, and less than all without recomputation."""
    while True:
        sizes, flops = _chain(rng)
        peaks, _ = every_choice(sizes, flops)
        budget = int(peaks.min() + float(rng.uniform(0.15, 0.7)) * (sum(sizes) - peaks.min()))
        if peaks.min() <= budget < sum(sizes) - 5:
            return sizes, flops, budget


def _judge_choice(cheap: bool, item: Item, case: Case, value: Any, log: Log) -> Verdict:
    sizes, flops, budget = case.arguments
    found = numbers(value)
    if found is None or any(one not in range(len(sizes)) for one in found) or len(set(found)) < len(found):
        text = f"returned {clipped(value)}, expected a list of places from 0 to {len(sizes) - 1}, each once"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    again = [int(one) for one in found]
    peak, extra = peak_of(sizes, again), sum(flops[place] for place in again)
    if peak > budget:
        hint = "Everything computed again is one long run." if len(again) == len(sizes) else "What does peak_of() say?"
        return complained(case, f"= {again} takes {peak:g}, more than the budget of {budget}", hint)
    peaks, extras = every_choice(sizes, flops)
    least = float(extras[peaks <= budget].min())
    if cheap and extra > ENOUGH * least:
        text = f"= {again} computes {extra} again; {least:g} is enough, up to {ENOUGH * least:g} earns"
        return complained(case, text, "With so few layers all sets can be tried: a bit for each layer.")
    return Verdict(Status.EARNED)


def spacing_peak(layers: int, spacing: int) -> int:
    """Layers alive at the peak if every `spacing`th of equal ones is kept."""
    return int(peak_of([1] * layers, [place for place in range(layers) if (place + 1) % spacing]))


def _draw_spacing(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return ((16, 36, 64, 100)[index] if index < 2 else int(rng.integers(20, 120)),)


def _judge_spacing(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    (layers,) = case.arguments
    if type(value) is not int or not 1 <= value <= layers:
        text = f"{shown(case)} returned {clipped(value)}, expected a whole number from 1 to {layers}."
        return lost(FaultKind.WRONG_TYPE, text, cell=case.task)
    peaks = {spacing: spacing_peak(layers, spacing) for spacing in range(1, layers + 1)}
    if peaks[value] == min(peaks.values()):
        return Verdict(Status.EARNED)
    text = f"= {value}: {peaks[value]} layers are alive at the peak, {min(peaks.values())} are possible"
    return complained(case, text, "layers / spacing are kept, spacing - 1 come back: where is the sum smallest?")


# What an allocator holds -----------------------------------------------------------------------------------------


def fragmentation(blocks: Sequence[float]) -> float:
    """Share of the free memory that is not in its largest block."""
    return 1 - max(blocks) / sum(blocks)


def _draw_blocks(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return ([int(one) for one in rng.integers(1, 400, 1 if index == 0 else int(rng.integers(3, 9)))],)


def _slips_of_blocks(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    (blocks,) = arguments
    return [
        (1 - right, "The share outside of the largest block."),
        (right * 100, "A share, 0 to 1."),
        (1 - 1 / len(blocks), "Blocks count by their size, not by their number."),
    ]


def advice(request: int, reserved: int, in_use: int, largest_free: int, device_free: int) -> str:
    """What becomes of a request for memory."""
    if request <= largest_free:
        return "fits"
    if request <= device_free:
        return "grows"
    return "fragmented" if request <= reserved - in_use + device_free else "too large"


def _draw_advice(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """Each answer in turn; the fragmented one needs both, what the pool and what the device has left."""
    wanted = ADVICE[index % len(ADVICE)]
    while True:
        reserved, device_free = int(rng.integers(2000, 40000)), int(rng.integers(0, 6000))
        in_use = int(reserved * rng.uniform(0.4, 0.95))
        largest_free = int((reserved - in_use) * rng.uniform(0.2, 0.9))
        request = int(rng.integers(100, 30000))
        if advice(request, reserved, in_use, largest_free, device_free) != wanted:
            continue
        if wanted != "fragmented" or request > reserved - in_use:
            return request, reserved, in_use, largest_free, device_free


def _judge_advice(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    _, reserved, in_use, largest_free, device_free = case.arguments
    right = advice(*case.arguments)
    if value == right and type(value) is str:
        return Verdict(Status.EARNED)
    if value not in ADVICE:
        text = f"returned {clipped(value)}, expected one of {', '.join(ADVICE)}"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    pool = reserved - in_use
    told = {
        "fits": f"The pool has a free block of {largest_free} MiB: nothing has to be done.",
        "grows": f"The device still has {device_free} MiB that nobody took: the pool can grow.",
        "fragmented": f"The pool has {pool} MiB free and the device {device_free}: enough, in too many pieces.",
        "too large": f"{pool} MiB in the pool and {device_free} MiB on the device are all that is free.",
    }
    return complained(case, f'= "{value}", expected "{right}"', told[right])


QUESTIONS = (
    number("lost_share", _draw_gradients, lost_share, _slips_of_share, whole=False),
    Question("scale_overflow", functools.partial(_draw_step, False), _judge_step),
    Question("scale_growth", functools.partial(_draw_step, True), _judge_step),
    number("peak_of", _draw_again, peak_of, _slips_of_peak),
    Question("recompute_fits", _draw_budget, functools.partial(_judge_choice, False)),
    Question("recompute_cheap", _draw_budget, functools.partial(_judge_choice, True)),
    Question("spacing", _draw_spacing, _judge_spacing),
    number("fragmentation", _draw_blocks, fragmentation, _slips_of_blocks, whole=False),
    Question("advice", _draw_advice, _judge_advice),
)
