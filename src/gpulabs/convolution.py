"""The convolution of the labs in plain NumPy: shapes, padding, a reference, operations and bytes.

Images are NHWC (batch, height, width, channels), filters HWIO (height, width, channels in,
channels out), and "convolution" means what deep learning means by it: the filter isn't flipped.

    y[n, i, j, k] = sum over r, s, c of  x[n, i * stride + r - top, j * stride + s - left, c] * w[r, s, c, k]

Taps outside the image count as zero. Padding follows TensorFlow: `valid` has none, `same` gives
ceil(size / stride) outputs and pads what is needed, the odd row or column at the end.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpulabs.errors import BadInputError

Array = NDArray[Any]
Shape = tuple[int, ...]

FLOAT_BYTES = 4
# Elements of one float64 slice of the reference's work: 2**22 are 32 MiB, which keeps it in a small laptop's memory.
_CHUNK_ELEMENTS = 1 << 22


def output_size(size: int, filter: int, stride: int = 1, padding: str = "valid") -> int:
    """Counts the outputs along one axis.

    Args:
        size: Pixels of the image along the axis.
        filter: Taps of the filter along the axis.
        stride: Pixels between neighbouring windows.
        padding: `same` or `valid`.

    Returns:
        `ceil(size / stride)` for `same`, the number of windows that fit for `valid`.

    Raises:
        BadInputError: A size below 1, an unknown padding, or a filter that doesn't fit under `valid`.

    Example:
        >>> output_size(9, 3), output_size(9, 3, stride=2, padding="same")
        (7, 5)
    """
    _check_axis(size, filter, stride, padding)
    if padding == "same":
        return -(-size // stride)
    if filter > size:
        raise BadInputError(
            f"a filter of {filter} taps doesn't fit an image of {size} pixels under padding='valid': "
            "use padding='same' or a larger image"
        )
    return (size - filter) // stride + 1


def same_padding(size: int, filter: int, stride: int = 1) -> tuple[int, int]:
    """Gives the zeros that `same` puts before and after one axis: TensorFlow's rule.

    Args:
        size: Pixels of the image along the axis.
        filter: Taps of the filter along the axis.
        stride: Pixels between neighbouring windows.

    Returns:
        (before, after); `after` has one more where the total is odd.

    Raises:
        BadInputError: A size below 1.

    Example:
        >>> same_padding(5, 3), same_padding(5, 4), same_padding(6, 3, stride=2)
        ((1, 1), (1, 2), (0, 1))

    Source: tensorflow.org/api_docs/python/tf/nn, "Notes on padding".
    """
    outputs = output_size(size, filter, stride, "same")
    total = max((outputs - 1) * stride + filter - size, 0)
    return total // 2, total - total // 2


def output_shape(x_shape: Shape, w_shape: Shape, stride: int = 1, padding: str = "valid") -> Shape:
    """Gives the shape of `conv2d(x, w, stride, padding)`.

    Args:
        x_shape: (N, H, W, C).
        w_shape: (R, S, C, K).
        stride: Of both axes.
        padding: `same` or `valid`.

    Returns:
        (N, H_out, W_out, K).

    Raises:
        BadInputError: Not four axes, channels that differ, or what `output_size` raises.
    """
    if len(x_shape) != 4 or len(w_shape) != 4:
        raise BadInputError(f"x {tuple(x_shape)} must be (N, H, W, C) and w {tuple(w_shape)} must be (R, S, C, K)")
    n, h, width, c = x_shape
    r, s, c_in, k = w_shape
    if c != c_in:
        raise BadInputError(
            f"x {tuple(x_shape)} has {c} channels but w {tuple(w_shape)} expects {c_in}: they must agree"
        )
    return n, output_size(h, r, stride, padding), output_size(width, s, stride, padding), k


def padding_before(x_shape: Shape, w_shape: Shape, stride: int = 1, padding: str = "valid") -> tuple[int, int]:
    """Gives the rows of zeros above an image and the columns of zeros to its left.

    Args:
        x_shape: (N, H, W, C).
        w_shape: (R, S, C, K).
        stride: Of both axes.
        padding: `same` or `valid`.

    Returns:
        (top, left): the window of output (i, j) starts at row i * stride - top, column j * stride - left.

    Example:
        >>> padding_before((1, 5, 6, 1), (3, 3, 1, 1), 2, "same")
        (1, 0)
    """
    if padding == "valid":
        return 0, 0
    return same_padding(x_shape[1], w_shape[0], stride)[0], same_padding(x_shape[2], w_shape[1], stride)[0]


def conv2d(x: Array, w: Array, stride: int = 1, padding: str = "valid") -> Array:
    """Convolves on the CPU, as a reference: every product is summed in float64.

    One matrix product for each tap (r, s) of the filter, over all pixels at once, so that even a
    large photograph takes a fraction of a second.

    Args:
        x: Images, (N, H, W, C), any real dtype.
        w: Filters, (R, S, C, K), any real dtype.
        stride: Of both axes.
        padding: `same` or `valid`, TensorFlow's meaning.

    Returns:
        (N, H_out, W_out, K), of the dtype that NumPy promotes x and w to, rounded once at the end.

    Raises:
        BadInputError: Shapes or padding that don't fit.

    Example:
        >>> conv2d(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)))[0, :, :, 0]
        array([[4., 4.],
               [4., 4.]])
    """
    n, h_out, w_out, k = output_shape(x.shape, w.shape, stride, padding)
    y = np.empty((n, h_out, w_out, k), np.result_type(x, w))
    filters = w.astype(np.float64)
    images = max(1, _CHUNK_ELEMENTS // max(1, math.prod(x.shape[1:]), h_out * w_out * k))
    # Infinities and NaN are legal inputs and follow IEEE; NumPy needn't warn of them.
    with np.errstate(invalid="ignore", over="ignore"):
        for first in range(0, n, images):
            part = slice(first, first + images)
            y[part] = _conv2d_float64(_pad(x[part], w.shape, stride, padding), filters, stride, (h_out, w_out))
    return y


def flops(y_shape: Shape, w_shape: Shape) -> int:
    """Counts the floating-point operations of a direct convolution, a multiply-add as two.

    Args:
        y_shape: Output, (N, H_out, W_out, K).
        w_shape: Filter, (R, S, C, K).

    Returns:
        2 * R * S * C for each output; taps in the padding are counted too, as is usual.

    Example:
        >>> flops((1, 2, 2, 1), (3, 3, 1, 1))
        72
    """
    return 2 * math.prod(y_shape) * math.prod(w_shape[:3])


def min_bytes(x_shape: Shape, w_shape: Shape, y_shape: Shape) -> int:
    """Counts the fewest bytes that a float32 convolution moves: x and w read once, y written once.

    Args:
        x_shape: (N, H, W, C).
        w_shape: (R, S, C, K).
        y_shape: (N, H_out, W_out, K).

    Returns:
        Bytes.

    Example:
        >>> min_bytes((1, 4, 4, 1), (3, 3, 1, 1), (1, 2, 2, 1))
        116
    """
    return FLOAT_BYTES * (math.prod(x_shape) + math.prod(w_shape) + math.prod(y_shape))


def _conv2d_float64(x: Array, w: Array, stride: int, size: tuple[int, int]) -> Array:
    """Sums one matrix product a tap over an image that is padded already."""
    h_out, w_out = size
    y = np.zeros((x.shape[0], h_out, w_out, w.shape[3]))
    # BLAS may skip a factor of zero, and 0 * infinity is NaN: with such inputs einsum's plain loops do the sum.
    finite = bool(np.isfinite(x).all() and np.isfinite(w).all())
    for r in range(w.shape[0]):
        for s in range(w.shape[1]):
            rows = slice(r, r + (h_out - 1) * stride + 1, stride)
            columns = slice(s, s + (w_out - 1) * stride + 1, stride)
            window = x[:, rows, columns, :]
            y += np.tensordot(window, w[r, s], axes=1) if finite else np.einsum("nijc,ck->nijk", window, w[r, s])
    return y


def _pad(x: Array, w_shape: Shape, stride: int, padding: str) -> Array:
    if padding == "valid":
        return x.astype(np.float64)
    rows = same_padding(x.shape[1], w_shape[0], stride)
    columns = same_padding(x.shape[2], w_shape[1], stride)
    return np.pad(x.astype(np.float64), ((0, 0), rows, columns, (0, 0)))


def _check_axis(size: int, filter: int, stride: int, padding: str) -> None:
    for name, value in (("size", size), ("filter", filter), ("stride", stride)):
        if value < 1:
            raise BadInputError(f"{name} is {value}: it must be at least 1")
    if padding not in ("same", "valid"):
        raise BadInputError(f"padding is {padding!r}: it must be 'same' or 'valid'")
