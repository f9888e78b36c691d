"""Questions of Lab 6 about numbers that don't fit, and about a trained network's answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autograder.evidence import Case, FaultKind
from autograder.questions.question import Question, array, clipped, described, number
from autograder.result import Status
from autograder.rigs import Log
from autograder.verdict import Verdict, lost

if TYPE_CHECKING:
    from autograder.rubric import CaseSpec, Item

LARGEST_FP16 = 65504.0


def loss_scale(largest: float) -> int:
    """The largest power of two, 1 at least, by which a gradient of this size still fits into float16."""
    return int(2 ** max(0, math.floor(math.log2(LARGEST_FP16 / largest))))


def _draw_scale(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    while True:
        largest = float(f"{10 ** rng.uniform(-6, 3):.3g}")
        scale = LARGEST_FP16 / largest
        if abs(math.log2(scale) - round(math.log2(scale))) > 0.02:  # no power of two is near: rounding decides nothing
            return (largest,)


def _slips_of_scale(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    return [
        (2 * right, "With this scale the largest gradient is beyond 65,504: infinity."),
        (right / 2, "There is room for one more factor of 2."),
        (LARGEST_FP16 / arguments[0], "A power of two only shifts the exponent; other factors round."),
    ]


def confusion(truth: Sequence[int], predicted: Sequence[int], classes: int) -> NDArray[np.int64]:
    """Counts: row by what an image is, column by what it was taken for."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (np.asarray(truth), np.asarray(predicted)), 1)
    return counts


def most_confused(matrix: Any, pairs: int) -> list[list[int]]:
    """The pairs of classes that are taken for each other most often, either way; most first, smaller class first."""
    counts = np.asarray(matrix)
    both = [(int(counts[a, b] + counts[b, a]), a, b) for a in range(len(counts)) for b in range(a + 1, len(counts))]
    return [[a, b] for _, a, b in sorted(both, key=lambda one: -one[0])[:pairs]]


def _draw_confusion(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    classes, images = int(rng.integers(3, 7)), int(rng.integers(20, 40))
    truth = rng.integers(0, classes - index % 2, images)  # every other time a class that no image has
    guesses = np.where(rng.random(images) < 0.6, truth, rng.integers(0, classes, images))
    return truth.tolist(), guesses.tolist(), classes


def _judge_confusion(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    truth, _, classes = case.arguments
    call, right, got = (
        f"{case.function}({len(truth)} images, {classes} classes)",
        confusion(*case.arguments),
        array(value),
    )
    if got is None or got.shape != right.shape:
        text = f"{call} returned {described(value)}, expected {classes} rows of {classes} counts."
        return lost(FaultKind.WRONG_SHAPE, text, "A class that no image has still has its row and column.", case.task)
    if np.array_equal(got, right):
        return Verdict(Status.EARNED)
    row, column = (int(place) for place in np.argwhere(got != right)[0])
    text = f"{call}: [{row}][{column}] is {got[row, column]:g}, expected {right[row, column]}."
    hint = "Count: for each image one more at [what it is][what it was taken for]."
    if np.array_equal(got, right.T):
        hint = "Rows are what an image is, columns what it was taken for."
    elif np.allclose(got.sum(axis=1), right.any(axis=1)):
        hint = "Counts are asked for, not shares."
    return lost(FaultKind.WRONG_VALUES, text, hint, case.task)


def _draw_pairs(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """Totals of pairs all differ; one is lopsided, so that counting one direction alone shows."""
    while True:
        classes = int(rng.integers(4, 7))
        counts = rng.integers(0, 30, (classes, classes))
        counts[np.diag_indices(classes)] = rng.integers(50, 99, classes)
        both = (counts + counts.T)[np.triu_indices(classes, 1)]
        one_way = np.argwhere(counts == np.where(np.eye(classes, dtype=bool), -1, counts).max())[0]
        first = most_confused(counts, 1)[0]
        if len(set(both.tolist())) == len(both) and sorted(one_way.tolist()) != first:
            return counts.tolist(), 2 + index % 2


def _judge_pairs(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    matrix, pairs = case.arguments
    right = most_confused(matrix, pairs)
    if value == right:
        return Verdict(Status.EARNED)
    text = f"{case.function}(matrix, {pairs}) = {clipped(value)}, expected {right} for the matrix {matrix}."
    flat = [pair for pair in value if type(pair) is list] if type(value) is list else []
    hint = "A pair's errors are matrix[a][b] + matrix[b][a]."
    if any(len(pair) == 2 and pair[0] == pair[1] for pair in flat):
        hint = "The diagonal is what is right."
    elif flat and [sorted(pair) if all(type(one) is int for one in pair) else pair for pair in flat] == right:
        hint = "The smaller class first."
    elif flat and flat[::-1] == right:
        hint = "The most confused pair first."
    return lost(FaultKind.WRONG_VALUES, text, hint, case.task)


QUESTIONS = (
    number("loss_scale", _draw_scale, loss_scale, _slips_of_scale),
    Question("confusion", _draw_confusion, _judge_confusion),
    Question("most_confused", _draw_pairs, _judge_pairs),
)
