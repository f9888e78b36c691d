"""The labs' networks as tables of layer shapes: plain values, read without TensorFlow.

    for layer in cnn_layers():
        print(layer["kind"], layer["input"], layer["output"])

Lab 5 counts bytes from them, its grader too. `gpulabs.networks` builds the same network as a Keras model.
"""

from __future__ import annotations

import math
from typing import Any

from gpulabs.errors import BadInputError
from gpulabs.lifetimes import Layer

KINDS = ("Conv2D", "BatchNormalization", "MaxPooling2D", "Dropout", "Flatten", "Dense")
IMAGES = {"lab_cnn": (32, 32, 3), "small_cnn": (16, 16, 3)}
"""Network, as `gpulabs.training_step` calls it -> shape of an image."""
HEAD = ("Flatten", "Dense 512 relu", "BatchNormalization", "Dropout", "Dense 10")
Table = list[dict[str, Any]]


def table(image: tuple[int, ...], layers: tuple[str, ...]) -> Table:
    """Shapes of a sequential network's layers, of one image.

    Args:
        image: (H, W, C).
        layers: In order, e.g. `Conv2D 32 same relu`, `Conv2D 64 valid`, `MaxPooling2D`, `Dense 10`. Filters are
            3 x 3, pools 2 x 2.

    Returns:
        A dictionary a layer: `kind`, `input` and `output` (lists of extents), `kernel` of a convolution, and `relu`
        (whether it ends in one).

    Raises:
        BadInputError: A layer is unknown, or nothing of the image is left for it.

    Example:
        >>> table((6, 6, 3), ("Conv2D 4 valid relu",))
        [{'kind': 'Conv2D', 'input': [6, 6, 3], 'output': [4, 4, 4], 'relu': True, 'kernel': [3, 3]}]
    """
    found: Table = []
    shape = list(image)
    for text in layers:
        kind, *words = text.split()
        before, shape = shape, _output(kind, words, shape)
        if min(shape) < 1:
            raise BadInputError(f"layer table: {text!r} leaves nothing of {before}")
        layer: dict[str, Any] = {"kind": kind, "input": before, "output": shape, "relu": "relu" in words}
        found.append(layer | {"kernel": [3, 3]} if kind == "Conv2D" else layer)
    return found


def _output(kind: str, words: list[str], shape: list[int]) -> list[int]:
    if kind == "Conv2D":
        cut = 2 if "valid" in words else 0
        return [shape[0] - cut, shape[1] - cut, int(words[0])]
    if kind == "MaxPooling2D":
        return [shape[0] // 2, shape[1] // 2, shape[2]]
    if kind == "Flatten":
        return [math.prod(shape)]
    if kind == "Dense":
        return [int(words[0])]
    if kind in KINDS:
        return list(shape)
    raise BadInputError(f"layer table: kind {kind!r}; there are {', '.join(KINDS)}")


def block(filters: int) -> tuple[str, ...]:
    """One of the two blocks of the labs' CNN."""
    normalized = (f"Conv2D {filters} same relu", "BatchNormalization", f"Conv2D {filters} valid relu")
    return (*normalized, "MaxPooling2D", "Dropout")


def cnn_layers(network: str = "lab_cnn") -> Table:
    """The table of `lab_cnn` or `small_cnn`.

    Raises:
        BadInputError: There is no such network.
    """
    if network not in IMAGES:
        raise BadInputError(f"network {network!r}: there are {', '.join(IMAGES)}")
    return table(IMAGES[network], (*block(32), *block(64), *HEAD))


def records(layers: Table) -> tuple[Layer, ...]:
    """A table as `gpulabs.memory.predict` takes it, in float32: what `layers_of` reads off the Keras model."""
    from gpulabs.memory import SHORT_NAMES

    found: list[Layer] = []
    for layer in layers:
        kind = layer["kind"]
        channels = layer["output"][-1]
        number = 1 + sum(one.kind == kind for one in found)
        trained = statistics = 0
        if kind in ("Conv2D", "Dense"):
            trained = math.prod(layer.get("kernel", [1])) * layer["input"][-1] * channels + channels
        elif kind == "BatchNormalization":
            trained = statistics = 2 * channels
        found.append(
            Layer(
                f"{SHORT_NAMES.get(kind, kind.lower())}{number}",
                kind,
                math.prod(layer["input"]),
                math.prod(layer["output"]),
                channels,
                trained,
                statistics,
                layer["relu"],
            )
        )
    return tuple(found)
