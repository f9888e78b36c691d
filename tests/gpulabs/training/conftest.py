"""A network that trains in seconds and has every kind of layer that the labs' CNN has, and images for it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

CLASSES = 3
SIZE = 8


class Images(NamedTuple):
    x: np.ndarray[Any, Any]
    y: np.ndarray[Any, Any]


@pytest.fixture(scope="session")
def stripes() -> Images:
    """Stripes along, down or across: 70 images, told apart after a few steps."""
    random = np.random.default_rng(1)
    y = random.integers(0, CLASSES, 70)
    i, j = np.mgrid[:SIZE, :SIZE]
    patterns = np.stack([i % 3 == 0, j % 3 == 0, (i + j) % 3 == 0]) * 200
    x = patterns[y] + random.integers(0, 50, (70, SIZE, SIZE))
    return Images(x[..., None].astype(np.uint8), y)


@pytest.fixture
def make_model():
    """Returns a function that makes the network: the same weights every time."""

    def make(precision: str = "float32", dropout: float = 0.25, optimizer: Any = "adam") -> Any:
        import keras
        from keras import layers

        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.Input((SIZE, SIZE, 1)),
                layers.Conv2D(4, 3, padding="same", activation="relu", dtype=precision),
                layers.BatchNormalization(momentum=0.8, dtype=precision),
                layers.Conv2D(4, 3, activation="relu", dtype=precision),
                layers.MaxPooling2D(dtype=precision),
                layers.Dropout(dropout, dtype=precision),
                layers.Flatten(dtype=precision),
                layers.Dense(CLASSES, activation="softmax", dtype="float32"),
            ]
        )
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
        return model

    return make
