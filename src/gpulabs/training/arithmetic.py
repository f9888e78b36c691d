"""The arithmetic of `gpulabs.training.lowering`: convolutions, pooling, normalization and masks for XLA on a GPU."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

PARTS = 256
"""Parts of a sum that are summed side by side, at most: twice the processors of a large GPU."""

BIAS_ROWS = 8
"""Rows by which a bias makes a matrix longer: so many that a row of 16-bit numbers still begins at 16 bytes."""


def convolve(x: Any, w: Any, bias: Any, padding: str) -> Any:
    """A convolution of stride 1 as patches times a matrix, four outputs a row.

    The patch of 2 x 2 outputs has (R + 1) x (S + 1) pixels: for 3 x 3 filters, patches take 4 times the memory of the
    image, and those of single outputs 9 times. Memory is what takes the time here; that 7 of the matrix's 16 blocks
    are zeros costs little. The bias is one more row of the matrix, and its gradient one more of the filters': alone,
    each would be a pass over all outputs.

    Args:
        x: (N, H, W, C).
        w: (R, S, C, K); R and S odd.
        bias: (K,), or None.
        padding: `same` or `valid`.

    Returns:
        (N, H', W', K).
    """
    import tensorflow as tf

    tiles = _Tiles.of(x.shape, w.shape, padding)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(x: Any, w: Any, *bias: Any) -> Any:
        rows, matrix = tiles.patches(x, bool(bias)), tiles.matrix(w)
        if bias:
            matrix = tf.concat([matrix, tiles.bias_rows(bias[0])], 0)
        y = tiles.outputs(tf.matmul(rows, matrix))

        def gradients(dy: Any) -> tuple[Any, ...]:
            blocks = tiles.blocks(dy)
            product = tf.matmul(rows, blocks, transpose_a=True)
            dx = tiles.images(tf.matmul(blocks, matrix, transpose_b=True)[:, : tiles.columns])
            dw = tiles.filters(product[: tiles.columns])
            if not bias:
                return dx, dw
            return dx, dw, tf.reduce_sum(tf.reshape(product[tiles.columns], (4, tiles.k)), 0)

        return y, gradients

    return run(x, w) if bias is None else run(x, w, bias)


@dataclass(frozen=True)
class _Tiles:
    """Where pixels, filters and outputs of a convolution stand in its matrix product.

    A row is a tile of 2 x 2 outputs. Its columns in the patches are (R + 1, S + 1, C), in the outputs (2, 2, K).
    """

    n: int
    h: int
    w: int
    c: int
    r: int
    s: int
    k: int
    top: int
    left: int
    height: int
    width: int

    @classmethod
    def of(cls, x_shape: Any, w_shape: Any, padding: str) -> _Tiles:
        n, h, w, c = x_shape
        r, s, _, k = w_shape
        same = padding == "same"
        height, width = (h, w) if same else (h - r + 1, w - s + 1)
        return cls(n, h, w, c, r, s, k, (r - 1) // 2 * same, (s - 1) // 2 * same, height, width)

    @property
    def down(self) -> int:
        return -(-self.height // 2)

    @property
    def along(self) -> int:
        return -(-self.width // 2)

    @property
    def columns(self) -> int:
        return (self.r + 1) * (self.s + 1) * self.c

    def patches(self, x: Any, one: bool) -> Any:
        """(N, H, W, C) -> (N * tiles, columns). Pixels move as the widest numbers they fit into.

        Args:
            x: Images.
            one: Whether a row ends in BIAS_ROWS more columns: a 1, which the bias is multiplied by, and zeros.
        """
        import tensorflow as tf

        bottom = 2 * self.down + self.r - 1 - self.h - self.top
        right = 2 * self.along + self.s - 1 - self.w - self.left
        x = tf.pad(x, ((0, 0), (self.top, bottom), (self.left, right), (0, 0)))
        kind, rows, pairs = x.dtype, x.shape[1], x.shape[2] // 2
        size = 2 * self.c * kind.size
        wide = tf.uint64 if size % 8 == 0 else tf.uint32
        shape = (self.n, rows, pairs, size // wide.size)
        per_wide = wide.size // kind.size
        x = tf.bitcast(tf.reshape(x, (*shape, per_wide) if per_wide > 1 else shape), wide)
        parts = [
            x[:, a : a + 2 * self.down - 1 : 2, b : b + self.along]
            for a in range(self.r + 1)
            for b in range((self.s + 1) // 2)
        ]
        columns = self.columns
        if one:
            columns += BIAS_ROWS
            bits = np.eye(1, BIAS_ROWS, dtype=kind.as_numpy_dtype).view(wide.as_numpy_dtype)
            parts.append(tf.broadcast_to(tf.constant(bits), (self.n, self.down, self.along, bits.size)))
        packed = tf.bitcast(tf.concat(parts, -1), kind)
        return tf.reshape(packed, (self.n * self.down * self.along, columns))

    def bias_rows(self, bias: Any) -> Any:
        """(K,) -> (BIAS_ROWS, 4 * K): the bias for each output of a tile, and zeros."""
        import tensorflow as tf

        return tf.pad(tf.tile(bias, (4,))[None], ((0, BIAS_ROWS - 1), (0, 0)))

    def matrix(self, w: Any) -> Any:
        """(R, S, C, K) -> (columns, 4 * K): the filters where a tile's output sees them, and zeros."""
        import tensorflow as tf

        moved = [tf.pad(w, ((i, 1 - i), (j, 1 - j), (0, 0), (0, 0))) for i in (0, 1) for j in (0, 1)]
        return tf.reshape(tf.stack(moved, 3), (self.columns, 4 * self.k))

    def filters(self, matrix: Any) -> Any:
        """The transpose of `matrix`: (columns, 4 * K) -> (R, S, C, K)."""
        import tensorflow as tf

        parts = tf.reshape(matrix, (self.r + 1, self.s + 1, self.c, 2, 2, self.k))
        return tf.add_n([parts[i : i + self.r, j : j + self.s, :, i, j] for i in (0, 1) for j in (0, 1)])

    def outputs(self, rows: Any) -> Any:
        """(N * tiles, 4 * K) -> (N, H', W', K)."""
        import tensorflow as tf

        tiles = tf.reshape(rows, (self.n, self.down, self.along, 2, 2, self.k))
        whole = tf.reshape(tf.transpose(tiles, (0, 1, 3, 2, 4, 5)), (self.n, 2 * self.down, 2 * self.along, self.k))
        return whole[:, : self.height, : self.width]

    def blocks(self, y: Any) -> Any:
        """The transpose of `outputs`."""
        import tensorflow as tf

        y = tf.pad(y, ((0, 0), (0, 2 * self.down - self.height), (0, 2 * self.along - self.width), (0, 0)))
        tiles = tf.reshape(y, (self.n, self.down, 2, self.along, 2, self.k))
        return tf.reshape(tf.transpose(tiles, (0, 1, 3, 2, 4, 5)), (self.n * self.down * self.along, 4 * self.k))

    def images(self, rows: Any) -> Any:
        """The transpose of `patches`: each pixel is the sum of its places."""
        import tensorflow as tf

        high, wide = (self.r + 1) // 2, (self.s + 1) // 2  # a patch in blocks of 2 x 2 pixels
        patches = tf.reshape(rows, (self.n, self.down, self.along, high, 2, wide, 2, self.c))
        parts = [
            tf.pad(
                patches[:, :, :, a, :, b],
                ((0, 0), (a, high - 1 - a), (b, wide - 1 - b), (0, 0), (0, 0), (0, 0)),
            )
            for a in range(high)
            for b in range(wide)
        ]
        blocks = tf.transpose(tf.add_n(parts), (0, 1, 3, 2, 4, 5))
        whole = tf.reshape(blocks, (self.n, 2 * (self.down + high - 1), 2 * (self.along + wide - 1), self.c))
        return whole[:, self.top : self.top + self.h, self.left : self.left + self.w]


def normalize(x: Any, gamma: Any, beta: Any, shift: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Batch normalization over all but the last axis, whose sums are taken in one pass forward and one backward.

    Args:
        x: (..., C).
        gamma: (C,) float32.
        beta: (C,) float32.
        shift: (C,) float32, about the mean, so that the squares don't cancel.
        epsilon: Added to the variance.

    Returns:
        Normalized x, of its type; mean and variance, float32, without gradients.
    """
    import tensorflow as tf

    count = float(math.prod(x.shape[:-1]))

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(x: Any, gamma: Any, beta: Any) -> Any:
        values = tf.cast(x, tf.float32)
        off = values - shift
        first, second = (total / count for total in _sums(off, off * off))
        mean, variance = first + shift, tf.maximum(second - first * first, 0.0)
        scale = tf.math.rsqrt(variance + epsilon)
        y = tf.cast((values - mean) * (scale * gamma) + beta, x.dtype)

        def gradients(dy: Any, *_: Any) -> tuple[Any, Any, Any]:
            dy = tf.cast(dy, tf.float32)
            normal = (tf.cast(x, tf.float32) - mean) * scale
            dbeta, dgamma = _sums(dy, dy * normal)
            dx = (scale * gamma) * (dy - dbeta / count - normal * (dgamma / count))
            return tf.cast(dx, x.dtype), dgamma, dbeta

        return (y, mean, variance), gradients

    y, mean, variance = run(x, gamma, beta)
    return y, tf.stop_gradient(mean), tf.stop_gradient(variance)


def _sums(one: Any, other: Any) -> list[Any]:
    """Sums over all but the last axis of two tensors of one shape, the second stage of both in one kernel."""
    import tensorflow as tf

    channels, rows = one.shape[-1], math.prod(one.shape[:-1])
    part = math.gcd(rows, PARTS)
    if rows // part < part:  # few: one stage does
        return [tf.reduce_sum(each, list(range(len(each.shape) - 1))) for each in (one, other)]
    stage = [tf.reduce_sum(tf.reshape(each, (part, rows // part, channels)), 1) for each in (one, other)]
    return list(tf.split(tf.reduce_sum(tf.concat(stage, 1), 0), 2))


def halve(inputs: Any) -> Any:
    """Max pooling, 2 x 2, stride 2; an odd last row or column is left out. (N, H, W, C) -> (N, H // 2, W // 2, C)."""
    import tensorflow as tf

    n, h, w, c = inputs.shape
    rows, columns = h // 2, w // 2

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(x: Any) -> Any:
        cells = tf.reshape(x[:, : 2 * rows, : 2 * columns], (n, rows, 2, columns, 2, c))
        corners = [cells[:, :, i, :, j] for i in (0, 1) for j in (0, 1)]
        y = tf.maximum(tf.maximum(corners[0], corners[1]), tf.maximum(corners[2], corners[3]))

        winner = tf.constant(3, tf.uint8)
        for number in (2, 1, 0):  # of equal corners the first
            winner = tf.where(corners[number] == y, tf.constant(number, tf.uint8), winner)

        def gradient(dy: Any) -> Any:
            # Comparing numbers, not stacking corners: what comes after may take any order of pixels without a copy.
            numbers = tf.reshape(tf.constant([0, 1, 2, 3], tf.uint8), (2, 1, 2, 1))
            hit = winner[:, :, None, :, None] == numbers
            whole = tf.where(hit, dy[:, :, None, :, None], tf.zeros((), dy.dtype))
            whole = tf.reshape(whole, (n, 2 * rows, 2 * columns, c))
            return tf.pad(whole, ((0, 0), (0, h - 2 * rows), (0, w - 2 * columns), (0, 0)))

        return y, gradient

    return run(inputs)


def hashed_uniform(shape: Any, key: Any, stream: int) -> Any:
    """Uniform uint32 numbers, the same for the same key and stream, with a mix of multiplications and shifts.

    Args:
        shape: Of the result; static.
        key: uint32 scalar.
        stream: Tells places in a network apart.

    Source: the finalizer that Chris Wellons found by search ("lowbias32"), applied to element number times the
    golden ratio, plus the key.
    """
    import tensorflow as tf

    def constant(value: int) -> Any:
        return tf.constant(value % 2**32, tf.uint32)

    def mix(value: Any) -> Any:
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            value = tf.bitwise.bitwise_xor(value, tf.bitwise.right_shift(value, constant(shift))) * constant(factor)
        return tf.bitwise.bitwise_xor(value, tf.bitwise.right_shift(value, constant(16)))

    numbers = tf.cast(tf.reshape(tf.range(math.prod(shape)), shape), tf.uint32)
    return mix(numbers * constant(0x9E3779B1) + mix(key + constant(stream * 0x632BE5AB)))
