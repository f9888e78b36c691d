"""The network of the later labs, as a Keras model: small enough for one GPU, deep enough to show what costs what.

Images 32 x 32 x 3; twice (with 32 filters, then 64): Conv same, BatchNorm, Conv valid, MaxPool, Dropout 0.25; then
Dense 512, BatchNorm, Dropout 0.5; and a softmax over 10 classes.
"""

from __future__ import annotations

from typing import Any

IMAGE_SHAPE = (32, 32, 3)
CLASSES = 10
PARAMETERS = 1_253_290
"""Of `lab_cnn()`: 1,252,074 trained, and the moving means and variances of its BatchNorms."""


def lab_cnn(
    image_shape: tuple[int, int, int] = IMAGE_SHAPE, classes: int = CLASSES, precision: str = "float32", seed: int = 0
) -> Any:
    """Builds the CNN of the labs, not compiled.

    Args:
        image_shape: Height, width and channels of an image; 14 x 14 is the smallest that its layers leave anything of.
        classes: Outputs of the softmax.
        precision: A Keras dtype policy: `float32`, `mixed_bfloat16` or `mixed_float16`. The softmax is float32 in all.
        seed: Of the initial weights and of dropout.

    Returns:
        A `keras.Model` from (N, *image_shape) float32 to (N, classes) float32 probabilities, 1,253,290 parameters with
        the defaults. Convolutions are 3 x 3; activations are ReLU.
    """
    import keras
    from keras import layers

    seeds = iter(range(seed * 100, seed * 100 + 100))  # a layer each: equal seeds would make equal weights

    def kernel() -> Any:
        return keras.initializers.GlorotUniform(next(seeds))

    def block(filters: int) -> list[Any]:
        convolution = {"filters": filters, "kernel_size": 3, "activation": "relu", "dtype": precision}
        return [
            layers.Conv2D(**convolution, padding="same", kernel_initializer=kernel()),
            layers.BatchNormalization(dtype=precision),
            layers.Conv2D(**convolution, padding="valid", kernel_initializer=kernel()),
            layers.MaxPooling2D(dtype=precision),
            layers.Dropout(0.25, seed=next(seeds), dtype=precision),
        ]

    return keras.Sequential(
        [
            keras.Input(image_shape),
            *block(32),
            *block(64),
            layers.Flatten(dtype=precision),
            layers.Dense(512, activation="relu", kernel_initializer=kernel(), dtype=precision),
            layers.BatchNormalization(dtype=precision),
            layers.Dropout(0.5, seed=next(seeds), dtype=precision),
            layers.Dense(classes, activation="softmax", kernel_initializer=kernel(), dtype="float32"),
        ],
        name="lab_cnn",
    )
