"""The NumPy reference, against numbers done by hand and against the definition written as loops."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpulabs import convolution
from gpulabs.convolution import conv2d, flops, min_bytes, output_shape, output_size, same_padding
from gpulabs.errors import BadInputError


def loops(x: np.ndarray, w: np.ndarray, stride: int, padding: str) -> np.ndarray:
    """The definition, one scalar product at a time."""
    y = np.zeros(output_shape(x.shape, w.shape, stride, padding))
    top = same_padding(x.shape[1], w.shape[0], stride)[0] if padding == "same" else 0
    left = same_padding(x.shape[2], w.shape[1], stride)[0] if padding == "same" else 0
    for n, i, j, k in np.ndindex(*y.shape):
        for r, s, c in np.ndindex(*w.shape[:3]):
            row, column = i * stride + r - top, j * stride + s - left
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                y[n, i, j, k] += x[n, row, column, c] * w[r, s, c, k]
    return y


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 2), st.integers(1, 6), st.integers(1, 7), st.integers(1, 2), st.integers(1, 3),
    st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.sampled_from(["same", "valid"]),
)  # fmt: skip
def test_conv2d_equals_its_definition(n, h, width, c, k, r, s, stride, padding):
    if padding == "valid":
        r, s = min(r, h), min(s, width)
    rng = np.random.default_rng(h * 7 + width)
    x = rng.integers(-9, 10, (n, h, width, c)).astype(np.float32)
    w = rng.integers(-3, 4, (r, s, c, k)).astype(np.float32)

    y = conv2d(x, w, stride, padding)

    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, loops(x, w, stride, padding))


def test_same_padding_puts_the_odd_pixel_at_the_end():
    assert same_padding(5, 4) == (1, 2)
    assert same_padding(6, 3, stride=2) == (0, 1)
    assert same_padding(1, 5) == (2, 2)
    assert same_padding(5, 1, stride=3) == (0, 0)


def test_output_sizes_by_hand():
    assert [output_size(9, 3, t, "valid") for t in (1, 2, 3)] == [7, 4, 3]
    assert [output_size(9, 3, t, "same") for t in (1, 2, 3)] == [9, 5, 3]


def test_many_images_are_convolved_in_chunks(monkeypatch):
    x, w = np.arange(48.0).reshape(3, 4, 4, 1), np.ones((2, 2, 1, 1))
    whole = conv2d(x, w)

    monkeypatch.setattr(convolution, "_CHUNK_ELEMENTS", 16)

    np.testing.assert_array_equal(conv2d(x, w), whole)


def test_nan_and_infinity_stay_within_their_windows():
    x = np.ones((1, 1, 6, 1), np.float32)
    x[0, 0, 0, 0], x[0, 0, 5, 0] = np.nan, np.inf

    y = conv2d(x, np.ones((1, 2, 1, 1), np.float32))[0, 0, :, 0]

    np.testing.assert_array_equal(y, [np.nan, 2, 2, 2, np.inf])


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("filters", [1, 2, 5])
def test_zero_times_infinity_is_nan(channels, filters):
    x, w = np.ones((1, 3, 4, channels), np.float32), np.zeros((1, 1, channels, filters), np.float32)
    x[0, 1, 2, 0] = np.inf

    y = conv2d(x, w)

    assert np.isnan(y[0, 1, 2]).all()
    assert np.isnan(y).sum() == filters


def test_operations_and_bytes_by_hand():
    assert flops((1, 2, 2, 3), (3, 3, 2, 3)) == 2 * 12 * 18
    assert min_bytes((1, 4, 4, 2), (3, 3, 2, 3), (1, 2, 2, 3)) == 4 * (32 + 54 + 12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: output_size(2, 3, 1, "valid"), "doesn't fit an image of 2"),
        (lambda: output_size(2, 3, 0, "same"), "stride is 0"),
        (lambda: output_size(2, 1, 1, "full"), "'full'"),
        (lambda: output_shape((1, 4, 4, 2), (3, 3, 3, 1)), "2 channels"),
        (lambda: output_shape((4, 4), (3, 3, 3, 1)), "(N, H, W, C)"),
    ],
)
def test_impossible_shapes_are_named(call, words):
    with pytest.raises(BadInputError, match=words.replace("(", r"\(").replace(")", r"\)")):
        call()


def test_examples_in_the_docstrings_hold():
    assert doctest.testmod(convolution).failed == 0
