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
from collections.abc import Callable, Iterator
from typing import Any

from gpulabs.training.arithmetic import convolve, halve, hashed_uniform, normalize

Call = Callable[..., Any]

PATCHES_LIMIT = 2**29
"""Bytes of a convolution's patches, about: beyond it memory is better spent, and cuDNN faster."""

PRODUCT_LIMIT = 5e10
"""Operations of a convolution as a product, zeros included: some hundred microseconds on the GPUs of today."""


class Lowering:
    """Replaces how some layers of a model compute, while a program is traced.

    Args:
        model: Built.
        batch_size: Images of a step.

    Attributes:
        key: uint32 scalar, another one at every step; set by the program.
        leaves_convolutions: Whether cuDNN has some to do, which it does well only after a search.
    """

    key: Any = None

    def __init__(self, model: Any, batch_size: int) -> None:
        self._calls: list[tuple[Any, str, Call]] = []
        self.leaves_convolutions = False
        layers = list(model._flatten_layers(include_self=False, recursive=True))
        for number, layer in enumerate(layers):
            if _is_patchable(layer, batch_size):
                self._calls.append((layer, "call", _convolution(layer)))
            elif "conv" in type(layer).__name__.lower():
                self.leaves_convolutions = True
            elif _is_halving(layer):
                self._calls.append((layer, "call", halve))
            elif _is_plain_normalization(layer):
                self._calls.append((layer, "call", _normalization(layer)))
            elif _is_small(layer):
                self._calls.append((layer, "call", _dense(layer)))
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


def _is_patchable(layer: Any, batch_size: int) -> bool:
    import keras

    plain = (
        type(layer) is keras.layers.Conv2D
        and layer.data_format == "channels_last"
        and layer.groups == 1
        and tuple(layer.strides) == tuple(layer.dilation_rate) == (1, 1)
        and all(size in (3, 5) for size in layer.kernel_size)
        and None not in layer.input.shape[1:]
    )
    if not plain:
        return False
    _, height, width, channels = layer.input.shape
    r, s = layer.kernel_size
    numbers = batch_size * height * width / 4 * (r + 1) * (s + 1) * channels
    return bool(4 * numbers <= PATCHES_LIMIT and 2 * numbers * 4 * layer.filters <= PRODUCT_LIMIT)


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


def _is_plain_normalization(layer: Any) -> bool:
    import keras

    last = type(layer) is keras.layers.BatchNormalization and layer.axis in (-1, len(layer.input.shape) - 1)
    return last and layer.scale and layer.center and not layer.synchronized and not layer.renorm


def _is_small(layer: Any) -> bool:
    """A last layer of few classes in float32: cuBLAS takes longer for it than for the 512 units before it."""
    import keras

    small = type(layer) is keras.layers.Dense and layer.units <= 16 and layer.compute_dtype == "float32"
    return small and len(layer.input.shape) == 2 and not layer.lora_enabled and layer.quantization_mode is None


def _dense(layer: Any) -> Call:
    def call(inputs: Any, training: Any = None) -> Any:
        import tensorflow as tf

        kernel = tf.convert_to_tensor(layer.kernel)
        outputs = tf.reduce_sum(tf.convert_to_tensor(inputs)[:, :, None] * kernel[None], 1)
        if layer.use_bias:
            outputs = outputs + tf.convert_to_tensor(layer.bias)
        return outputs if layer.activation is None else layer.activation(outputs)

    return call


def _normalization(layer: Any) -> Call:
    def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
        import keras
        import tensorflow as tf

        if not training or not layer.trainable or mask is not None:
            return type(layer).call(layer, inputs, training=training, mask=mask)
        parameters = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        gamma, beta, mean, variance = (keras.ops.cast(each, "float32") for each in parameters)
        y, batch_mean, batch_variance = normalize(tf.convert_to_tensor(inputs), gamma, beta, mean, layer.epsilon)
        for moving, old, new in (
            (layer.moving_mean, mean, batch_mean),
            (layer.moving_variance, variance, batch_variance),
        ):
            moving.assign(old * layer.momentum + new * (1.0 - layer.momentum))
        return keras.ops.cast(y, layer.compute_dtype)

    return call


def _convolution(layer: Any) -> Call:
    def call(inputs: Any) -> Any:
        import tensorflow as tf

        bias = tf.convert_to_tensor(layer.bias) if layer.use_bias else None
        outputs = convolve(tf.convert_to_tensor(inputs), tf.convert_to_tensor(layer.kernel), bias, layer.padding)
        return outputs if layer.activation is None else layer.activation(outputs)

    return call
