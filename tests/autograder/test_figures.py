"""Pictures: that they are PNGs, that they say what they show, and that the wrong pixels are in them."""

from __future__ import annotations

import base64
import io

import numpy as np
import PIL.Image
import pytest

from autograder import cases, figures, rubric
from autograder.evidence import Case

LAB1 = rubric.load("lab1")
PHOTO = Case("conv_first-photo-0", "conv_first", "photo", "conv_first", (1, 24, 32, 3), (3, 3, 3, 3), values="photo")
SAME = Case(
    "conv_strided-same-2", "conv_strided", "same", "conv_strided", (2, 5, 7, 1), (3, 3, 1, 5), 1, "same", seed=4
)


def pixels(figure):
    data = base64.b64decode(figure.png_base64)
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB")).reshape(-1, 3)


def share(figure, color):
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return (pixels(figure) == wanted).all(axis=1).mean()


def test_a_right_photograph_has_no_wrong_pixel():
    right = cases.exact(PHOTO)

    figure = figures.photo_figure(PHOTO, right, right)

    assert share(figure, figures.WRONG) == 0
    assert share(figure, figures.RIGHT) > 0.1
    assert figure.alt.endswith("every pixel is right.")


def test_wrong_and_unwritten_pixels_are_coloured_and_told():
    wrong = cases.exact(PHOTO).copy()
    wrong[0, :5] += 1
    wrong[0, 20:] = np.nan

    figure = figures.photo_figure(PHOTO, wrong, cases.exact(PHOTO))

    assert share(figure, figures.WRONG) > 0.02
    assert share(figure, figures.UNWRITTEN) > 0.02
    assert figure.alt.endswith("32% of the pixels are wrong, in rows 0 to 4, 20, 21 and columns 0 to 29.")


def test_the_error_map_shows_the_worst_image():
    right = cases.exact(SAME)
    wrong = right.copy()
    wrong[0, 0, 0, 0] += 1
    wrong[1, 0, 3:6] += 1

    figure = figures.error_figure(SAME, wrong, right, wrong != right)

    assert figure.alt == (
        "Map of the outputs of conv_strided in case same-2, image 1, channels 0 to 3: 16 of 350 outputs of the whole "
        "case are wrong, in rows 0 and columns 3 to 5."
    )
    assert share(figure, figures.WRONG) > 0.01


def test_a_task_gets_its_photograph_and_one_map():
    task = LAB1.task("conv_first")
    drawn = cases.draw(LAB1, 1, "simulator", ["conv_first"])
    outputs = {c.id: cases.reference(c) + (c.item == "exact") for c in drawn}

    found = figures.figures(task, drawn, outputs, {c.id: cases.reference(c) for c in drawn})

    largest = max((c for c in drawn if c.item == "exact"), key=lambda c: np.prod(cases.reference(c).shape[1:3]))
    assert [f.title for f in found] == [
        f"conv_first: wrong outputs of case {largest.id.removeprefix('conv_first-')}",
        "conv_first on a photograph",
    ]
    assert found == figures.figures(task, drawn, outputs, {c.id: cases.reference(c) for c in drawn})


def test_of_maps_of_one_size_that_with_a_pattern_tells_more():
    all_wrong, a_column = np.ones((1, 5, 7, 2), bool), np.zeros((1, 5, 7, 2), bool)
    a_column[0, :, 6] = True
    assert max([np.ones((1, 1, 1, 3), bool), all_wrong, a_column], key=figures._tells) is a_column


@pytest.mark.parametrize("output", [np.zeros((1, 2, 2, 3), np.float32), np.zeros((1, 22, 30, 3), np.float64)])
def test_what_cant_be_drawn_is_left_out(output):
    assert figures.figures(LAB1.task("conv_first"), [PHOTO], {PHOTO.id: output}, {}) == ()
    assert figures.figures(LAB1.task("conv_first"), [PHOTO], {}, {}) == ()
