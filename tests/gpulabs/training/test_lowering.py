"""The GPU's form of the layers computes what Keras's does, forward and backward."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpulabs.training import arithmetic, lowering


def with_gradients(function, *arguments, level=0.0):
    """The result, and the gradients of a sum that weighs every element differently, around a level."""
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        y = function(*arguments)
        weights = level + tf.sin(tf.reshape(tf.range(tf.size(y), dtype=tf.float32), y.shape))
        total = tf.reduce_sum(tf.cast(y, tf.float32) * weights)
    return [y, *tape.gradient(total, arguments)]


def assert_close(found, expected, tolerance):
    for a, b in zip(found, expected, strict=True):
        assert float(tf.reduce_max(tf.abs(tf.cast(a, tf.float32) - b))) <= tolerance * float(tf.reduce_max(tf.abs(b)))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("shape", [(9, 8, 3, 8, 3), (8, 8, 4, 6, 3), (7, 9, 1, 4, 5)], ids=str)
@pytest.mark.parametrize(("kind", "tolerance"), [(tf.float32, 2e-6), (tf.bfloat16, 2e-2)], ids=["float32", "bfloat16"])
def test_convolutions_are_tensorflows(shape, padding, kind, tolerance):
    h, w, c, k, size = shape
    random = tf.random.Generator.from_seed(1)
    given = random.normal((2, h, w, c)), random.normal((size, size, c, k)), random.normal((k,))
    lower = [tf.cast(each, kind) for each in given]

    for count in (3, 2):  # with a bias and without
        # The bias's gradient is the sum of all weights: about a level of 0 it would be a rest of what cancels.
        found = with_gradients(
            lambda a, b, *c: arithmetic.convolve(a, b, c[0] if c else None, padding), *lower[:count], level=0.2
        )

        expected = with_gradients(
            lambda a, b, c=0.0: tf.nn.conv2d(a, b, 1, padding.upper()) + c, *given[:count], level=0.2
        )
        assert_close(found, expected, tolerance)


@pytest.mark.parametrize("size", [8, 9])
def test_pooling_and_its_gradient_are_tensorflows_also_among_equals(size):
    x = tf.nn.relu(tf.round(tf.random.Generator.from_seed(2).normal((2, size, size, 3))))

    found = with_gradients(arithmetic.halve, x)

    assert_close(found, with_gradients(lambda a: tf.nn.max_pool2d(a, 2, 2, "VALID"), x), 0.0)


@pytest.mark.parametrize("shape", [(6, 5, 5, 3), (16, 16, 16, 3)], ids=["one stage", "two stages"])
def test_normalization_is_tensorflows_also_far_from_zero(shape):
    random = tf.random.Generator.from_seed(3)
    x, gamma, beta = random.normal(shape) + 300.0, random.normal((3,)), random.normal((3,))

    found = with_gradients(lambda *a: arithmetic.normalize(*a, tf.fill((3,), 299.0), 1e-3)[0], x, gamma, beta)

    def theirs(x, gamma, beta):
        mean, variance = tf.nn.moments(x, [0, 1, 2])
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-3)

    assert_close(found, with_gradients(theirs, x, gamma, beta), 1e-4)


def test_masks_are_even_and_differ_between_steps_and_layers():
    draw = [
        arithmetic.hashed_uniform((400, 250), tf.constant(key, tf.uint32), stream).numpy() / 2**32
        for key, stream in ((1, 0), (2, 0), (1, 1))
    ]

    for values in draw:
        assert abs(values.mean() - 0.5) < 0.005
        assert np.allclose(np.histogram(values, 10, (0, 1))[0] / values.size, 0.1, atol=0.005)
    for a, b in ((0, 1), (0, 2)):
        assert abs(np.corrcoef(draw[a].ravel(), draw[b].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(draw[0][:, :-1].ravel(), draw[0][:, 1:].ravel())[0, 1]) < 0.02


def test_layers_are_changed_inside_and_as_before_after_it(make_model, stripes):
    model = make_model()
    changed = lowering.Lowering(model, 4)
    x = tf.constant(stripes.x[:4], tf.float32)
    before = model(x, training=False)

    changed.key = tf.constant(5, tf.uint32)
    with changed.active():
        inside = [layer.__dict__.keys() & {"call", "convolution_op"} for layer in model.layers]
        assert np.allclose(model(x, training=False), before, atol=1e-5)
        assert not np.allclose(model(x, training=True), before, atol=1e-3)

    assert [len(names) for names in inside] == [1, 1, 1, 1, 1, 0, 1]
    assert not any(layer.__dict__.keys() & {"call", "convolution_op"} for layer in model.layers)


def test_what_it_does_not_know_it_leaves_to_keras():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 4)),
            layers.Conv2D(4, 3, strides=2),
            layers.Conv2D(4, 3, groups=2, padding="same"),
            layers.Conv2D(4, 2, padding="same"),
            layers.MaxPooling2D(3),
            layers.BatchNormalization(scale=False),
            layers.SpatialDropout2D(0.1),
            layers.Flatten(),
            layers.Dense(17),
        ]
    )

    found = lowering.Lowering(model, 4)

    assert not found._calls
    assert found.leaves_convolutions


@pytest.mark.parametrize(("batch_size", "is_ours"), [(128, True), (4096, False)])
def test_large_convolutions_stay_with_cudnn(batch_size, is_ours):
    model = keras.Sequential([keras.Input((32, 32, 32)), keras.layers.Conv2D(32, 3)])

    found = lowering.Lowering(model, batch_size)

    assert (bool(found._calls), found.leaves_convolutions) == (is_ours, not is_ours)
