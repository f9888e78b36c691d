"""The layers that a declared network may have, under their names in Keras: what each makes of an image, and its cost.

Shapes, parameters and multiply-adds are plain arithmetic, known before a single array is allocated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from gpulabs.errors import BadInputError
from gpulabs.settings import choice, flag, number, whole

Shape = tuple[int, ...]

ACTIVATIONS = ("linear", "relu", "leaky_relu", "elu", "silu", "gelu", "tanh", "softmax")
"""`softmax` for the last layer only."""
_WIDTH = 65_536


class Layer(Protocol):
    """What a layer knows of itself. An image's shape is (height, width, channels); after flattening, (length,)."""

    def output_shape(self, shape: Shape) -> Shape:
        """Returns the shape of what it makes of an input, raises where it can take none of this shape."""

    def parameters(self, shape: Shape) -> int:
        """Returns how many numbers it keeps, trained ones and BatchNormalization's moving averages."""

    def multiply_adds(self, shape: Shape) -> int:
        """Returns the multiplications of its weights with one image's values."""

    def build(self, precision: str, seeds: Iterator[int]) -> Any:
        """Makes the Keras layer; takes a seed where it draws weights or a mask."""


class _Free:
    """A layer without weights."""

    def parameters(self, shape: Shape) -> int:
        return 0

    def multiply_adds(self, shape: Shape) -> int:
        return 0


class _Same(_Free):
    """A layer without weights whose output has its input's shape."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True)
class Conv2D:
    """A convolution with a square filter, given by its side: 3 for 3 x 3."""

    filters: int
    kernel_size: int
    strides: int = 1
    padding: str = "valid"
    activation: str = "linear"
    use_bias: bool = True

    def __post_init__(self) -> None:
        whole("filters", self.filters, 1, 4096)
        whole("kernel_size", self.kernel_size, 1, 31)
        whole("strides", self.strides, 1, 16)
        choice("padding", self.padding, ("valid", "same"))
        choice("activation", self.activation, ACTIVATIONS)
        flag("use_bias", self.use_bias)

    def output_shape(self, shape: Shape) -> Shape:
        return (*_windows(_image(shape), self.kernel_size, self.strides, self.padding), self.filters)

    def parameters(self, shape: Shape) -> int:
        return (self.kernel_size**2 * shape[2] + self.use_bias) * self.filters

    def multiply_adds(self, shape: Shape) -> int:
        height, width, filters = self.output_shape(shape)
        return height * width * filters * self.kernel_size**2 * shape[2]

    def build(self, precision: str, seeds: Iterator[int]) -> Any:
        import keras

        return keras.layers.Conv2D(
            self.filters,
            self.kernel_size,
            self.strides,
            self.padding,
            activation=self.activation,
            use_bias=self.use_bias,
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            dtype=_precision(self.activation, precision),
        )


@dataclass(frozen=True)
class Dense:
    """Every output a weighted sum of every input."""

    units: int
    activation: str = "linear"
    use_bias: bool = True

    def __post_init__(self) -> None:
        whole("units", self.units, 1, _WIDTH)
        choice("activation", self.activation, ACTIVATIONS)
        flag("use_bias", self.use_bias)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise BadInputError(
                f"its input is still an image, {_by(shape)}; put Flatten or GlobalAveragePooling2D before"
            )
        return (self.units,)

    def parameters(self, shape: Shape) -> int:
        return (shape[0] + self.use_bias) * self.units

    def multiply_adds(self, shape: Shape) -> int:
        return shape[0] * self.units

    def build(self, precision: str, seeds: Iterator[int]) -> Any:
        import keras

        return keras.layers.Dense(
            self.units,
            activation=self.activation,
            use_bias=self.use_bias,
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            dtype=_precision(self.activation, precision),
        )


@dataclass(frozen=True)
class BatchNormalization(_Same):
    """Each channel shifted and scaled to mean 0 and variance 1 over the batch, then as it learns."""

    momentum: float = 0.99
    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        number("momentum", self.momentum, 0, 0.9999)
        number("epsilon", self.epsilon, 1e-7, 1)

    def parameters(self, shape: Shape) -> int:
        return 4 * shape[-1]

    def build(self, precision: str, seeds: Iterator[int]) -> Any:
        import keras

        return keras.layers.BatchNormalization(momentum=self.momentum, epsilon=self.epsilon, dtype=precision)


@dataclass(frozen=True)
class Activation(_Same):
    """A function of each value by itself."""

    activation: str

    def __post_init__(self) -> None:
        choice("activation", self.activation, ACTIVATIONS)

    def build(self, precision: str, seeds: Iterator[int]) -> Any:
        import keras

        return keras.layers.Activation(self.activation, dtype=_precision(self.activation, precision))


@dataclass(frozen=True)
class Dropout(_Same):
    """In training, each value 0 with probability `rate`, the others scaled up."""

    rate: float

    def __post_init__(self) -> None:
        number("rate", self.rate, 0, 0.95)

    def build(self, precision: str, seeds: Iterator[int]) -> Any:
        import keras

        return keras.layers.Dropout(self.rate, seed=next(seeds), dtype=precision)


@dataclass(frozen=True)
class _Pooling(_Free):
    pool_size: int = 2
    strides: int | None = None
    padding: str = "valid"

    def __post_init__(self) -> None:
        whole("pool_size", self.pool_size, 1, 16)
        if self.strides is not None:
            whole("strides", self.strides, 1, 16)
        choice("padding", self.padding, ("valid", "same"))

    def output_shape(self, shape: Shape) -> Shape:
        return (*_windows(_image(shape), self.pool_size, self.strides or self.pool_size, self.padding), shape[2])

    def build(self, precision: str, seeds: Iterator[int]) -> Any:
        import keras

        kind = getattr(keras.layers, type(self).__name__)
        return kind(self.pool_size, self.strides, self.padding, dtype=precision)


@dataclass(frozen=True)
class MaxPooling2D(_Pooling):
    """The largest value of each window, by default 2 x 2 side by side."""


@dataclass(frozen=True)
class AveragePooling2D(_Pooling):
    """The mean of each window, by default 2 x 2 side by side."""


@dataclass(frozen=True)
class GlobalAveragePooling2D(_Free):
    """Each channel's mean over the image."""

    def output_shape(self, shape: Shape) -> Shape:
        return _image(shape)[2:]

    def build(self, precision: str, seeds: Iterator[int]) -> Any:
        import keras

        return keras.layers.GlobalAveragePooling2D(dtype=precision)


@dataclass(frozen=True)
class Flatten(_Free):
    """All values of an image in one row."""

    def output_shape(self, shape: Shape) -> Shape:
        height, width, channels = _image(shape)
        return (height * width * channels,)

    def build(self, precision: str, seeds: Iterator[int]) -> Any:
        import keras

        return keras.layers.Flatten(dtype=precision)


LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        Conv2D,
        BatchNormalization,
        Activation,
        MaxPooling2D,
        AveragePooling2D,
        GlobalAveragePooling2D,
        Dropout,
        Flatten,
        Dense,
    )
}


def _image(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise BadInputError(f"its input is no image any more but {shape[0]:,} values in a row; put it before Flatten")
    return shape


def _windows(shape: Shape, size: int, stride: int, padding: str) -> Shape:
    """Height and width of what windows of this size leave."""
    if padding == "same":
        return tuple(-(-side // stride) for side in shape[:2])
    if min(shape[:2]) < size:
        raise BadInputError(f"its window of {size} x {size} does not fit into its input of {_by(shape)}")
    return tuple((side - size) // stride + 1 for side in shape[:2])


def _by(shape: Shape) -> str:
    return " x ".join(map(str, shape))


def _precision(activation: str, precision: str) -> str:
    """Probabilities stay float32: bfloat16 has 3 digits, too few for the logarithm of the loss."""
    return "float32" if activation == "softmax" else precision
