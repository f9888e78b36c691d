"""A network as plain values: a list of layers that a file can hold, checked before anything is built of it.

Example:
    >>> softmax = {"layer": "Dense", "units": 10, "activation": "softmax"}
    >>> read_network([{"layer": "Flatten"}, softmax], (8, 8, 1)).parameters
    650
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from gpulabs.declared.layers import (
    LAYERS,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPooling2D,
    Shape,
)
from gpulabs.errors import BadInputError
from gpulabs.networks import CLASSES, IMAGE_SHAPE
from gpulabs.settings import one_of, sequence

TAG = "layer"
MOST_LAYERS = 64
MOST_PARAMETERS = 20_000_000
MOST_MULTIPLY_ADDS = 2_000_000_000
"""For one image: 50 times the lab's CNN. It bounds memory as well, for each value of a layer costs at least one."""
MOST_VALUES = 4_000_000
"""Of all layers' outputs for one image: 16 MB in float32, 40 times the lab's CNN."""


@dataclass(frozen=True)
class Row:
    """One layer in its place.

    Attributes:
        layer: What it is.
        output_shape: Of one image.
        parameters: Of this layer.
        multiply_adds: For one image.
    """

    layer: Layer
    output_shape: Shape
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Network:
    """A chain of layers from images to the probabilities of classes.

    Attributes:
        layers: In order.
        image_shape: Height, width, channels.
        classes: Outputs.
    """

    layers: tuple[Layer, ...]
    image_shape: Shape = IMAGE_SHAPE
    classes: int = CLASSES

    def __post_init__(self) -> None:
        rows = self.rows()
        for place, layer in enumerate(self.layers[:-1]):
            if getattr(layer, "activation", "") == "softmax":
                raise BadInputError(
                    f"{_at(place, layer)}: softmax makes probabilities, which is for the last layer only"
                )
        last = self.layers[-1]
        if not (isinstance(last, Dense) and last.activation == "softmax" and last.units == self.classes):
            raise BadInputError(
                f"{_at(len(rows) - 1, last)}: the last layer has to give the probabilities of {self.classes} classes: "
                f'{{"layer": "Dense", "units": {self.classes}, "activation": "softmax"}}'
            )
        for what, most, total in (
            ("parameters", MOST_PARAMETERS, self.parameters),
            ("multiply-adds an image", MOST_MULTIPLY_ADDS, sum(row.multiply_adds for row in rows)),
        ):
            if total > most:
                raise BadInputError(f"the network has {total:,} {what}, at most {most:,} are trained here")

    @property
    def parameters(self) -> int:
        """How many numbers the network keeps, BatchNormalization's moving averages included, as Keras counts them."""
        return sum(row.parameters for row in self.rows())

    def rows(self) -> list[Row]:
        """Follows an image through the layers.

        Raises:
            BadInputError: A layer can't take what the layer before it gives; or they give too much.
        """
        shape, found, values = self.image_shape, list[Row](), 0
        for place, layer in enumerate(self.layers):
            try:
                after = layer.output_shape(shape)
            except BadInputError as error:
                raise BadInputError(f"{_at(place, layer)}: {error}") from None
            found.append(Row(layer, after, layer.parameters(shape), layer.multiply_adds(shape)))
            values += math.prod(after)
            if values > MOST_VALUES:
                raise BadInputError(
                    f"{_at(place, layer)}: up to here an image makes {values:,} values, at most {MOST_VALUES:,} fit"
                )
            shape = after
        return found

    def summary(self) -> str:
        """A table: each layer with its settings, output, parameters and multiply-adds."""
        lines = [f"{'layer':<46} {'output':>16} {'parameters':>12} {'multiply-adds':>14}"]
        for row in self.rows():
            output = " x ".join(map(str, row.output_shape))
            lines.append(f"{_words(row.layer):<46} {output:>16} {row.parameters:>12,} {row.multiply_adds:>14,}")
        total = sum(row.multiply_adds for row in self.rows())
        return "\n".join([*lines, f"{'together':<46} {'':>16} {self.parameters:>12,} {total:>14,}"])

    def build(self, precision: str = "float32", seed: int = 0) -> Any:
        """Makes the Keras model, not compiled.

        Args:
            precision: A Keras dtype policy: `float32`, `mixed_bfloat16` or `mixed_float16`. Softmax is float32 in all.
            seed: Of the initial weights and of dropout.

        Returns:
            A `keras.Sequential` from (N, *image_shape) float32 to (N, classes) float32 probabilities.
        """
        import keras

        seeds: Iterator[int] = iter(range(seed * 100, seed * 100 + 100))  # a layer each, as in `lab_cnn`
        layers = [layer.build(precision, seeds) for layer in self.layers]
        return keras.Sequential([keras.Input(self.image_shape), *layers])

    def plain(self) -> list[dict[str, Any]]:
        """The layers as `read_network` reads them."""
        return [{TAG: type(layer).__name__, **asdict(layer)} for layer in self.layers]  # type: ignore[call-overload]


def read_network(
    data: Any, image_shape: Shape = IMAGE_SHAPE, classes: int = CLASSES, where: str = "network"
) -> Network:
    """Reads a network.

    Args:
        data: A list of dictionaries, each `{"layer": a name of LAYERS, setting: value, ...}`; untrusted.
        image_shape: Height, width, channels of the images that it will be trained on.
        classes: How many there are.
        where: Named in errors.

    Raises:
        BadInputError: It is no network that can be trained; the message says which layer and why.
    """
    given = sequence(data, where, MOST_LAYERS)
    layers = tuple(one_of(LAYERS, one, f"{where}: layer {place}", TAG) for place, one in enumerate(given, 1))
    try:
        return Network(layers, image_shape, classes)
    except BadInputError as error:
        raise BadInputError(f"{where}: {error}") from None


def _at(place: int, layer: Layer) -> str:
    return f"layer {place + 1} ({type(layer).__name__})"


def _words(layer: Layer) -> str:
    settings: dict[str, Any] = asdict(layer)  # type: ignore[call-overload]
    default = {"linear", "valid", None, True}
    said = [str(v) for k, v in settings.items() if k not in ("momentum", "epsilon") and v not in default]
    return f"{type(layer).__name__} {', '.join(said)}".strip()


def _block(filters: int) -> tuple[Layer, ...]:
    return (
        Conv2D(filters, 3, padding="same", activation="relu"),
        BatchNormalization(),
        Conv2D(filters, 3, activation="relu"),
        MaxPooling2D(),
        Dropout(0.25),
    )


LAB_NETWORK = Network(
    (
        *_block(32),
        *_block(64),
        Flatten(),
        Dense(512, "relu"),
        BatchNormalization(),
        Dropout(0.5),
        Dense(CLASSES, "softmax"),
    )
)
"""`gpulabs.networks.lab_cnn` in these terms: the same layers, and from the same seed the same weights."""
