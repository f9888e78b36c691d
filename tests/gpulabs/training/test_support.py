"""Every reason for `keras.Model.fit` is found, and has its sentence."""

from __future__ import annotations

import keras
import pytest

from gpulabs.training.support import batch_callback, reason_for_fit

layers = keras.layers


def compiled(model, **settings):
    model.compile("adam", "mse", **settings)
    return model


def plain(*more):
    return keras.Sequential([keras.Input((4, 4, 1)), *more, layers.Flatten(), layers.Dense(2)])


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


def two_outputs():
    x = keras.Input((4, 4, 1))
    y = layers.Flatten()(x)
    return keras.Model(x, [y, layers.Dense(1)(y)])


@pytest.mark.parametrize(
    ("model", "jit", "sentence"),
    [
        (plain(), True, None),
        (plain(layers.RandomRotation(0.1)), False, None),
        (plain(layers.RandomRotation(0.1, name="turn")), True, "the layer turn (RandomRotation) can't be compiled"),
        (OwnStep([keras.Input((2,)), layers.Dense(1)]), True, "OwnStep has a train_step"),
        (two_outputs(), True, "several inputs or outputs"),
        (keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten()]), True, "nothing to train"),
    ],
)
def test_models(model, jit, sentence):
    reason = reason_for_fit(compiled(model), (), jit, 1000)

    assert (reason is None) if sentence is None else (sentence in reason)


def test_eager_models_and_large_outputs():
    assert "run_eagerly" in reason_for_fit(compiled(plain(), run_eagerly=True), (), True, 10)
    assert "2,000,000,000 outputs an epoch" in reason_for_fit(compiled(plain()), (), True, 10**9)


class AtBatches(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


class AtEpochs(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        pass


@pytest.mark.parametrize(
    ("callback", "found"),
    [
        (AtBatches(), "AtBatches"),
        (AtEpochs(), None),
        (keras.callbacks.LambdaCallback(on_train_batch_begin=print), "LambdaCallback"),
        (keras.callbacks.LambdaCallback(on_epoch_end=print), None),
        (keras.callbacks.ModelCheckpoint("m.keras"), None),
        (keras.callbacks.ModelCheckpoint("m.keras", save_freq=10), "ModelCheckpoint"),
        (keras.callbacks.TensorBoard("logs"), None),
        (keras.callbacks.TensorBoard("logs", update_freq="batch"), "TensorBoard"),
        (keras.callbacks.TerminateOnNaN(), None),
        (keras.callbacks.ReduceLROnPlateau(), None),
        (keras.callbacks.SwapEMAWeights(), "SwapEMAWeights"),
    ],
)
def test_callbacks(callback, found):
    assert batch_callback([callback]) == found
