"""Stepping all variables as one vector is what Keras's optimizer does to each."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpulabs.training.flat import ELEMENTWISE, FlatOptimizer, can_flatten


def small_model(optimizer):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def gradients(step):
    random = np.random.default_rng(step)
    return [random.normal(size=shape).astype(np.float32) for shape in ((3, 2), (2,), (2, 1), (1,))]


def step_both(make, steps, scale=1.0, poison=()):
    """Steps one model by Keras and one by the vector; returns both models."""
    theirs, ours = small_model(make()), small_model(make())
    flat = FlatOptimizer(ours)
    flat.gather()
    for step in range(steps):
        parts = [each * scale for each in gradients(step)]
        if step in poison:
            parts[1][0] = np.inf
        theirs.optimizer.apply([tf.constant(each) for each in parts], theirs.trainable_variables)
        flat.apply(tf.constant(np.concatenate([each.ravel() for each in parts])))
    flat.scatter()
    return theirs, ours


def assert_same(theirs, ours):
    for a, b in zip(
        theirs.variables + theirs.optimizer.variables, ours.variables + ours.optimizer.variables, strict=True
    ):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6, atol=1e-7, err_msg=a.path)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_each_optimizer(name):
    assert_same(*step_both(lambda: getattr(keras.optimizers, name)(0.01), 3))


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 5), momentum=0.9, nesterov=True),
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1, global_clipnorm=0.5),
        lambda: keras.optimizers.Adam(0.01, amsgrad=True, clipvalue=0.1),
    ],
    ids=["schedule", "decay_and_global_norm", "amsgrad"],
)
def test_its_settings(make):
    assert_same(*step_both(make, 4))


def test_loss_scaling_skips_a_step_that_overflows():
    def make():
        return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01), 1024.0, dynamic_growth_steps=2)

    theirs, ours = step_both(make, 5, scale=1024.0, poison=(1,))

    assert_same(theirs, ours)
    assert int(ours.optimizer.iterations) == 4


def test_a_learning_rate_set_later_counts():
    model = small_model(keras.optimizers.SGD(0.5))
    flat = FlatOptimizer(model)
    flat.gather()
    model.optimizer.learning_rate = 0.0

    before = flat.vector.numpy()
    flat.apply(tf.ones(len(before)))

    assert np.array_equal(flat.vector.numpy(), before)


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.Adam(clipnorm=1.0),
        keras.optimizers.Adam(use_ema=True),
        keras.optimizers.SGD(gradient_accumulation_steps=2),
        keras.optimizers.Adafactor(),
    ],
    ids=["clipnorm", "ema", "accumulation", "adafactor"],
)
def test_optimizers_that_tell_variables_apart_are_left_alone(optimizer):
    assert not can_flatten(small_model(optimizer))


def test_weight_decay_of_some_variables():
    def make():
        optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        return optimizer

    assert_same(*step_both(make, 3))
