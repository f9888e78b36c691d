"""Questions of Lab 6 about single images: moved, turned, recoloured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autograder.evidence import Case, FaultKind
from autograder.questions.question import Question, array, clipped, described, shown
from autograder.result import Status
from autograder.rigs import Log
from autograder.verdict import Verdict, lost

if TYPE_CHECKING:
    from autograder.rubric import CaseSpec, Item

Image = NDArray[np.float64]


def moved(image: Image, mirror: bool, dx: int, dy: int) -> Image:
    """Mirrors left to right, then moves dx to the right and dy down; what moves in is the image, reflected."""
    source = image[:, ::-1] if mirror else image
    height, width = image.shape[:2]
    rows, columns = (_reflected(np.arange(size) - by, size) for size, by in ((height, dy), (width, dx)))
    return source[rows][:, columns]


def _reflected(place: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.asarray((size - 1) - np.abs((size - 1) - np.abs(place)))


def turned_from(row: float, column: float, height: int, width: int, degrees: float) -> tuple[float, float]:
    """Where pixel (row, column) of an image turned counter-clockwise by so many degrees came from."""
    angle, middle_row, middle_column = math.radians(degrees), (height - 1) / 2, (width - 1) / 2
    down, along = row - middle_row, column - middle_column
    return (
        middle_row + math.cos(angle) * down + math.sin(angle) * along,
        middle_column - math.sin(angle) * down + math.cos(angle) * along,
    )


def recoloured(image: Image, brightness: float, contrast: float) -> Image:
    """Brightness first, then contrast about the mean of all values, cut off at 0 and 1."""
    bright = image * brightness
    return np.asarray(np.clip(bright.mean() + contrast * (bright - bright.mean()), 0, 1))


def _picture(rng: np.random.Generator, levels: int) -> Any:
    shape = int(rng.integers(5, 8)), int(rng.integers(8, 10)), int(rng.integers(1, 4))
    return rng.integers(0, levels, shape)


def _draw_move(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    signs = (1, -1) if index % 2 else (-1, 1)
    dx, dy = (int(sign * rng.integers(1, 4)) for sign in signs)
    return _picture(rng, 256).tolist(), index % 3 != 2, dx, dy if index else 0


def _draw_turn(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    height, width = int(rng.integers(5, 40)), int(rng.integers(41, 60))
    degrees = (90.0, round(float(rng.uniform(5, 40)), 1), round(float(rng.uniform(-40, -5)), 1))[index % 3]
    return int(rng.integers(0, height // 2)), int(rng.integers(0, width // 3)), height, width, degrees


def _draw_recolour(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    image = np.round(_picture(rng, 256) / 255, 3).tolist()
    brightness = 1 + (0.4 if index % 2 else -0.3) * float(rng.uniform(0.5, 1))
    return image, round(brightness, 2), round(1 + (0.5 if index % 3 else -0.4) * float(rng.uniform(0.5, 1)), 2)


def _judge_image(
    right: Callable[..., Image], slips: Callable[..., Sequence[tuple[Any, str]]], within: float
) -> Callable[[Item, Case, Any, Log], Verdict]:
    def judge(item: Item, case: Case, value: Any, log: Log) -> Verdict:
        image, *rest = case.arguments
        given = np.asarray(image, np.float64)
        call = f"{case.function}(image of {' x '.join(map(str, given.shape))}, {', '.join(map(str, rest))})"
        expected, got = right(given, *rest), array(value)
        if got is None or got.shape != expected.shape:
            text = f"{call} returned {described(value)}, expected an image of {' x '.join(map(str, given.shape))}."
            return lost(FaultKind.WRONG_SHAPE, text, "Rows, columns, channels: the image keeps its shape.", case.task)
        wrong = ~(np.abs(got - expected) <= within)
        if not wrong.any():
            return Verdict(Status.EARNED)
        first = tuple(int(place) for place in np.argwhere(wrong)[0])
        text = (
            f"{call}: {wrong.sum()} of {wrong.size} values differ; the first at {list(first)}: "
            f"{got[first]:g}, expected {expected[first]:g}."
        )
        found = (hint for other, hint in slips(given, *rest) if np.allclose(got, other, atol=within, equal_nan=True))
        return lost(FaultKind.WRONG_VALUES, text, next(found, "Do a row of three pixels by hand."), case.task)

    return judge


def _slips_of_move(image: Image, mirror: bool, dx: int, dy: int) -> list[tuple[Image, str]]:
    source = image[:, ::-1] if mirror else image
    height, width = image.shape[:2]
    rows, columns = np.arange(height) - dy, np.arange(width) - dx
    outside = ((rows < 0) | (rows >= height))[:, None, None] | ((columns < 0) | (columns >= width))[None, :, None]
    return [
        (moved(image, mirror, -dx, -dy), "dx > 0 moves to the right: the pixel at column j was at column j - dx."),
        (moved(image, mirror, dy, dx), "dx goes along columns, dy along rows."),
        (moved(image, not mirror, dx, dy), "Is it mirrored if, and only if, mirror is true?"),
        (np.roll(source, (dy, dx), (0, 1)), "np.roll brings in the other side of the image: reflect in its place."),
        (source[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)], "That repeats the edge: reflect it."),
        (
            np.where(outside, 0, moved(image, mirror, dx, dy)),
            "What moves in is not black: reflect the image at its border.",
        ),
        (moved(image, False, dx, dy)[:, ::-1], "Mirror first, then move: in the other order dx changes its sign."),
    ]  # fmt: skip


def _slips_of_recolour(image: Image, brightness: float, contrast: float) -> list[tuple[Image, str]]:
    bright = image * brightness
    mean, middle = bright.mean(), image.mean()
    return [
        (mean + contrast * (bright - mean), "Cut off at 0 and 1 in the end."),
        (
            np.clip(0.5 + contrast * (bright - 0.5), 0, 1),
            "Contrast is the distance to the image's own mean, not to 0.5.",
        ),
        (
            np.clip(brightness * contrast * image, 0, 1),
            "Contrast scales the distance to the mean: the mean itself stays.",
        ),
        (np.clip(middle + contrast * (bright - middle), 0, 1), "The mean of the image as it is then: made brighter."),
    ]


def _judge_turn(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    right, got = turned_from(*case.arguments), array(value)
    if got is None or got.shape != (2,):
        text = f"{shown(case)} returned {clipped(value)}, expected (row, column)."
        return lost(FaultKind.WRONG_TYPE, text, cell=case.task)
    if np.allclose(got, right, atol=1e-6):
        return Verdict(Status.EARNED)
    row, column, height, width, degrees = case.arguments
    text = f"{shown(case)} = ({got[0]:.3f}, {got[1]:.3f}), expected ({right[0]:.3f}, {right[1]:.3f})."
    slips = (
        (turned_from(row, column, height, width, -degrees), "That is where it goes to; asked is where it comes from."),
        (right[::-1], "Row first, then column."),
        (turned_from(row, column, height, width, math.degrees(degrees)), "np.cos takes radians."),
        (turned_from(row, column, height + 1, width + 1, degrees), "The middle of 5 rows is row 2: (height - 1) / 2."),
        (turned_from(row, column, 1, 1, degrees), "It turns about the middle of the image, not about its corner."),
    )
    found = (hint for other, hint in slips if np.allclose(got, other, atol=1e-6))
    return lost(FaultKind.WRONG_VALUES, text, next(found, "Where does the middle of the image come from?"), case.task)


QUESTIONS = (
    Question("moved", _draw_move, _judge_image(moved, _slips_of_move, 0.0)),
    Question("turned_from", _draw_turn, _judge_turn),
    Question("recoloured", _draw_recolour, _judge_image(recoloured, _slips_of_recolour, 1e-6)),
)
