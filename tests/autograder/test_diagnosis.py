"""Each diagnosis against a convolution, written as loops, that has just this fault."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.case_inputs import inputs
from autograder.cases import reference
from autograder.diagnosis import diagnose
from autograder.evidence import Case
from gpulabs.convolution import same_padding


def make(x=(2, 7, 6, 3), w=(3, 3, 3, 2), stride=1, padding="same", values="integers") -> Case:
    return Case("t-i-0", "t", "i", "f", x, w, stride=stride, padding=padding, values=values, seed=7)


def student(case: Case, *, flip=False, swap=False, taps=0, channels=0, replace=False, keep=False,
            stride=None, pads=None, outside="zero", dtype=np.float64) -> np.ndarray:  # fmt: skip
    """A student's convolution as loops, with one fault by a keyword."""
    x, w = (array.astype(dtype) for array in inputs(case))
    t = np.broadcast_to(case.stride if stride is None else stride, 2)
    y = np.full(reference(case).shape, np.nan)
    if pads is None:
        right = [same_padding(x.shape[a + 1], w.shape[a], case.stride)[0] for a in (0, 1)]
        pads = right if case.padding == "same" else [0, 0]
    acc = dtype(0)
    for n, i, j, k in np.ndindex(*y.shape):
        if not (keep and k > 0):
            acc = dtype(0)
        for r, s, c in np.ndindex(w.shape[0] - taps, w.shape[1], w.shape[2] - channels):
            row, column = i * t[0] + r - pads[0], j * t[1] + s - pads[1]
            if outside == "edge":
                row, column = np.clip(row, 0, x.shape[1] - 1), np.clip(column, 0, x.shape[2] - 1)
            low = 0 if outside != "wrap" else -x.shape[1]
            if low <= row < x.shape[1] and low <= column < x.shape[2]:
                tap = w[-1 - r, -1 - s] if flip else w[s, r] if swap else w[r, s]
                product = dtype(x[n, row, column, c] * tap[c, k])
                acc = product if replace else dtype(acc + product)
        y[n, i, j, k] = acc
    return y.astype(np.float32)


def name(case: Case, got: np.ndarray) -> str:
    expected = reference(case)
    found = diagnose(case, inputs(case), got.astype(np.float32), expected, got != expected)
    return "nothing" if found is None else found.name


def test_the_loops_without_a_fault_are_right():
    np.testing.assert_array_equal(student(make()), reference(make()))
    np.testing.assert_array_equal(student(make(stride=2)), reference(make(stride=2)))


@pytest.mark.parametrize(
    ("expected", "case", "fault"),
    [
        ("flipped", make(padding="valid"), {"flip": True}),
        ("transposed", make(padding="valid"), {"swap": True}),
        ("channels", make(), {"channels": 1}),
        ("taps", make(), {"taps": 1}),
        ("overwritten", make(padding="valid"), {"replace": True}),
        ("accumulator", make(), {"keep": True}),
        ("stride", make(stride=2), {"stride": 1}),
        ("stride", make(stride=3, padding="valid"), {"stride": 1}),
        ("stride", make(stride=2), {"stride": (2, 1)}),
        ("stride", make(stride=2, padding="valid"), {"stride": (1, 2)}),
        ("no padding", make(), {"pads": [0, 0]}),
        ("no padding", make(x=(1, 6, 9, 2), w=(4, 5, 2, 2), stride=3), {"pads": [0, 0]}),
        ("padding", make(w=(4, 4, 3, 2)), {"pads": [2, 2]}),
        ("padding", make(stride=2), {"pads": [1, 1]}),
        ("halo", make(), {"outside": "edge"}),
        ("halo", make(), {"outside": "wrap"}),
        ("precision", make(), {"dtype": np.float16}),
    ],
)
def test_a_mistake_is_recognised_by_what_it_gives(expected, case, fault):
    if "dtype" in fault:  # float16 overflows above 65504: small whole numbers don't, and still round
        case = make(values="normals")

    assert name(case, student(case, **fault)) == expected


def test_outputs_alike_or_scaled_or_zero_are_recognised():
    case = make()
    y = reference(case)

    assert name(case, 2 * y) == "scaled"
    assert name(case, np.zeros_like(y)) == "all zero"
    assert name(case, np.broadcast_to(y[..., :1], y.shape)) == "one filter"
    assert name(case, np.broadcast_to(y[:1], y.shape)) == "one image"
    square = make(x=(1, 6, 6, 2), w=(3, 3, 2, 2))
    assert name(square, reference(square).transpose(0, 2, 1, 3)) == "transposed"


@pytest.mark.parametrize(("step", "axis"), [(1, 1), (-1, 1), (1, 2), (-1, 2)])
def test_a_shift_by_one_pixel_is_recognised(step, axis):
    case = make()

    assert name(case, np.roll(reference(case), step, axis)) == "shifted"


@pytest.mark.parametrize(
    ("hole", "words"),
    [
        (np.s_[:, 4:], "the last rows (from 4 of 7)"),
        (np.s_[:, :, 5:], "the last columns (from 5 of 6)"),
        (np.s_[..., 1:], "the last channels (from 1 of 2)"),
        (np.s_[1:], "the last images (from 1 of 2)"),
    ],
)
def test_an_unwritten_tail_points_at_the_grid(hole, words):
    case = make()
    got = reference(case).copy()
    got[hole] = np.nan

    found = diagnose(case, inputs(case), got, reference(case), np.isnan(got))

    assert found.name == "grid tail"
    assert words in found.pattern


def test_nothing_written_and_holes_are_told_apart():
    case = make()
    holes = reference(case).copy()
    holes[:, 2:4] = np.nan

    assert name(case, np.full_like(holes, np.nan)) == "unwritten"
    found = diagnose(case, inputs(case), holes, reference(case), np.isnan(holes))
    assert (found.name, found.pattern) == ("unwritten", "48 of them never written")


def test_wrong_borders_alone_point_at_the_halo_and_name_the_sides():
    case = make()
    got = reference(case).copy()
    got[:, 0] += 17
    got[:, :, -1] -= 4

    found = diagnose(case, inputs(case), got, reference(case), got != reference(case))

    assert found.name == "halo"
    assert "(top, right)" in found.pattern


def test_wrong_last_rows_point_at_the_tail():
    case = make(padding="valid")
    got = reference(case).copy()
    got[:, 3:] += 5

    assert name(case, got) == "tail"


def test_a_lost_nan_is_recognised():
    case = make(x=(1, 5, 5, 2), w=(3, 3, 2, 2), values="special")
    expected = reference(case)
    got = np.nan_to_num(expected)

    found = diagnose(case, inputs(case), got, expected, ~np.isfinite(expected))

    assert found.name == "not finite"


def test_a_computed_nan_is_not_taken_for_an_unwritten_output():
    case = make(x=(1, 6, 7, 1), w=(3, 3, 1, 2), values="special")
    expected, wrong = reference(case), reference(case).copy()
    wrong[np.isinf(expected)] = np.nan

    found = diagnose(case, inputs(case), wrong, expected, np.isinf(expected))

    assert found.name == "not finite"


def test_an_accumulator_of_whole_numbers_is_recognised():
    case = make(values="normals")

    assert name(case, np.trunc(reference(case)) + np.arange(case.w_shape[3])) == "whole numbers"


def test_noise_gets_no_diagnosis():
    case = make()
    got = reference(case) + np.random.default_rng(1).integers(1, 9999, reference(case).shape)

    assert name(case, got) == "nothing"


def test_large_workloads_are_replayed_on_one_image_only():
    case = make(x=(8, 40, 40, 16), w=(5, 5, 16, 16), padding="valid")
    x, w = inputs(case)
    got = reference(case).copy()
    from gpulabs.convolution import conv2d

    got[:1] = conv2d(x[:1], w[::-1, ::-1])

    assert name(case, got) == "flipped"
