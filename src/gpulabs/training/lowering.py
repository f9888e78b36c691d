"""Layers in the form that XLA turns into the fewest and quickest kernels on a GPU.

XLA hands Keras's convolutions to cuDNN. For networks as small as the labs' that costs more than it gains: cuDNN's plans
are searched and compiled for seconds, and its calls can't be part of a CUDA graph, so that the host launches every step
piece by piece. Here a convolution is patches times a matrix, which cuBLAS does, and the whole loop over the steps
becomes one graph. The gradients are of the same form.

Max pooling of 2 x 2 by comparisons, with the gradient to the first maximum as everywhere; dropout's mask from a hash of
the element's number and the step: both vanish into neighbouring kernels, forward and backward.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

Call = Callable[..., Any]


class Lowering:
    """Replaces how some layers of a model compute, while a program is traced.

    Attributes:
        key: uint32 scalar, another one at every step; set by the program.
    """

    key: Any = None

    def __init__(self, model: Any) -> None:
        self._calls: list[tuple[Any, str, Call]] = []
        layers = list(model._flatten_layers(include_self=False, recursive=True))
        for number, layer in enumerate(layers):
            if _is_patchable(layer):
                self._calls.append((layer, "convolution_op", _convolution(layer)))
            elif _is_halving(layer):
                self._calls.append((layer, "call", halve))
            elif _is_plain_dropout(layer):
                self._calls.append((layer, "call", self._dropout(layer.rate, number)))

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Inside, the layers compute so; after it, as before."""
        for layer, name, call in self._calls:
            object.__setattr__(layer, name, call)
        try:
            yield
        finally:
            for layer, name, _ in self._calls:
                object.__delattr__(layer, name)

    def _dropout(self, rate: float, number: int) -> Call:
        def call(inputs: Any, training: bool = False) -> Any:
            import tensorflow as tf

            if not training:
                return inputs
            keep = hashed_uniform(inputs.shape, self.key, number) >= tf.constant(int(rate * 2**32), tf.uint32)
            return tf.where(keep, inputs * tf.cast(1 / (1 - rate), inputs.dtype), tf.zeros((), inputs.dtype))

        return call


def _is_patchable(layer: Any) -> bool:
    import keras

    return (
        type(layer) is keras.layers.Conv2D
        and layer.data_format == "channels_last"
        and layer.groups == 1
        and tuple(layer.strides) == tuple(layer.dilation_rate) == (1, 1)
        and max(layer.kernel_size) <= 5
    )


def _is_halving(layer: Any) -> bool:
    import keras

    return (
        type(layer) is keras.layers.MaxPooling2D
        and tuple(layer.pool_size) == tuple(layer.strides) == (2, 2)
        and layer.padding == "valid"
        and layer.data_format == "channels_last"
    )


def _is_plain_dropout(layer: Any) -> bool:
    import keras

    return type(layer) is keras.layers.Dropout and layer.noise_shape is None and 0 < layer.rate < 1


def _convolution(layer: Any) -> Call:
    def convolution_op(inputs: Any, kernel: Any) -> Any:
        import tensorflow as tf

        return convolve(tf.convert_to_tensor(inputs), tf.convert_to_tensor(kernel), layer.padding)

    return convolution_op


def convolve(x: Any, w: Any, padding: str) -> Any:
    """A convolution of stride 1 as patches times a matrix.

    Args:
        x: (N, H, W, C).
        w: (R, S, C, K).
        padding: `same` or `valid`.

    Returns:
        (N, H', W', K).
    """
    import tensorflow as tf

    r, s, c, k = w.shape
    around = ((r - 1) // 2, r // 2, (s - 1) // 2, s // 2) if padding == "same" else (0, 0, 0, 0)
    columns = r * s * c
    fill = -columns % 8  # tensor cores want rows of 16 bytes

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def run(x: Any, w: Any) -> Any:
        rows = _patches(x, r, s, around)
        shape = rows.shape
        rows = tf.pad(tf.reshape(rows, (-1, columns)), ((0, 0), (0, fill)))
        matrix = tf.pad(tf.reshape(w, (columns, k)), ((0, fill), (0, 0)))
        y = tf.reshape(tf.matmul(rows, matrix), (*shape[:3], k))

        def gradients(dy: Any) -> tuple[Any, Any]:
            dw = tf.matmul(rows, tf.reshape(dy, (-1, k)), transpose_a=True)[:columns]
            top, bottom, left, right = around
            back = _patches(dy, r, s, (r - 1 - top, r - 1 - bottom, s - 1 - left, s - 1 - right))
            turned = tf.reshape(tf.transpose(w[::-1, ::-1], (0, 1, 3, 2)), (r * s * k, c))
            dx = tf.reshape(tf.matmul(tf.reshape(back, (-1, r * s * k)), turned), x.shape)
            return dx, tf.reshape(dw, w.shape)

        return y, gradients

    return run(x, w)


def _patches(x: Any, r: int, s: int, around: tuple[int, int, int, int]) -> Any:
    """(N, H, W, C) -> (N, H', W', r*s*C); what is beside the image is 0."""
    import tensorflow as tf

    n, h, w, c = x.shape
    top, bottom, left, right = around
    height, width = h + top + bottom - r + 1, w + left + right - s + 1
    if any(around):
        x = tf.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    kind = x.dtype
    packed = kind.size == 2 and c % 4 == 0  # four 16-bit channels move as one 64-bit number
    if packed:
        x = tf.bitcast(tf.reshape(x, (*x.shape[:3], c // 4, 4)), tf.uint64)
    shifted = [x[:, i : i + height, j : j + width] for i in range(r) for j in range(s)]
    rows = tf.concat(shifted, -1)
    if packed:
        rows = tf.bitcast(rows, kind)
    return tf.reshape(rows, (n, height, width, r * s * c))


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

        def gradient(dy: Any) -> Any:
            free: Any = True
            parts = []
            for corner in corners:
                first = (corner == y) & free
                free = free & ~first
                parts.append(tf.where(first, dy, tf.zeros((), dy.dtype)))
            pairs = [tf.stack(parts[:2], 3), tf.stack(parts[2:], 3)]
            whole = tf.reshape(tf.stack(pairs, 2), (n, 2 * rows, 2 * columns, c))
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
