"""`fit` trains as Keras does, one program an epoch, and falls back to Keras where it has to."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from gpulabs.errors import BadInputError
from gpulabs.training import FallbackWarning, fit
from gpulabs.training.batches import order

QUIET = {"batch_size": 16, "verbose": 0}


def weights(model):
    return [each.numpy() for each in model.variables + model.optimizer.variables]


def same_weights(a, b):
    return all(np.array_equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def by_hand(model, images, epochs):
    """Keras's own train_on_batch on the same batches."""
    for epoch in range(epochs):
        rows = order(0, epoch, len(images.x))
        for start in range(0, len(rows) // 16 * 16, 16):
            chosen = rows[start : start + 16]
            model.train_on_batch(images.x[chosen].astype(np.float32) * np.float32(1 / 255), images.y[chosen])


@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_it_trains_as_keras_does_on_the_same_batches(make_model, stripes, xla):
    ours, theirs = make_model(dropout=0.0), make_model(dropout=0.0)

    history = fit(ours, *stripes, epochs=2, validation_data=stripes, xla=xla, **QUIET)
    by_hand(theirs, stripes, 2)

    for a, b in zip(weights(ours), weights(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    expected = theirs.evaluate(stripes.x / 255.0, stripes.y, verbose=0, return_dict=True)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history.history["val_loss"][-1] == pytest.approx(expected["loss"], rel=1e-3)
    assert history.history["val_accuracy"][-1] == pytest.approx(expected["accuracy"], abs=0.02)
    assert (history.params["program"], history.epoch) == ("xla" if xla else "graph", [0, 1])


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_in_one_program_learns(make_model, stripes, precision):
    optimizer = keras.optimizers.Adam(0.01)
    if precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)

    history = fit(make_model(precision, optimizer=optimizer), *stripes, epochs=4, xla=True, **QUIET)

    assert history.history["loss"][-1] < 0.7 * history.history["loss"][0]


def test_dropout_and_augmentation_are_new_at_every_step(make_model, stripes):
    seen = []

    def augment(images, seed):
        tf.py_function(lambda s: seen.append(tuple(s.numpy())), [seed], [])
        return images

    fit(make_model(), *stripes, epochs=2, seed=9, augment=augment, xla=False, **QUIET)

    assert sorted(seen) == [(9, step) for step in range(8)]


def test_callbacks_are_called_at_epochs_and_can_stop(make_model, stripes):
    calls = []

    class Seen(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            calls.append("begin")

        def on_epoch_begin(self, epoch, logs=None):
            calls.append(epoch)

        def on_epoch_end(self, epoch, logs=None):
            calls.append(sorted(logs))
            self.model.stop_training = epoch == 1

        def on_train_end(self, logs=None):
            calls.append("end")

    history = fit(make_model(), *stripes, epochs=5, callbacks=[Seen()], xla=False, **QUIET)

    assert calls == ["begin", 0, ["accuracy", "loss"], 1, ["accuracy", "loss"], "end"]
    assert len(history.history["loss"]) == 2


def test_keras_callbacks_that_change_the_training_do(make_model, stripes, tmp_path):
    model = make_model(optimizer=keras.optimizers.SGD(0.1))
    saved = tmp_path / "best.weights.h5"
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.0 if epoch else 0.1),
        keras.callbacks.ModelCheckpoint(str(saved), save_weights_only=True),
        keras.callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True),
    ]

    history = fit(model, *stripes, epochs=3, callbacks=callbacks, xla=False, **QUIET)

    assert history.params["program"] == "graph"
    assert history.history["learning_rate"] == pytest.approx([0.1, 0.0, 0.0])
    assert saved.is_file()


def test_a_nan_ends_the_training_if_asked(make_model, stripes):
    images = np.full((70, 8, 8, 1), np.nan, np.float32)

    history = fit(
        make_model(), images, stripes.y, epochs=9, callbacks=[keras.callbacks.TerminateOnNaN()], xla=False, **QUIET
    )

    assert np.isnan(history.history["loss"]).tolist() == [True]


@pytest.mark.parametrize("how", ["graph", "fit"])
def test_a_checkpoint_goes_on_to_the_same_bits(make_model, stripes, tmp_path, how):
    settings = {"validation_data": stripes, "deterministic": True, "xla": False, **QUIET}
    if how == "fit":
        settings["callbacks"] = [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)]
    with pytest.warns(FallbackWarning) if how == "fit" else _nothing():
        whole = make_model()
        expected = fit(whole, *stripes, epochs=3, **settings)
        fit(make_model(), *stripes, epochs=1, checkpoint=tmp_path, **settings)
        going_on = make_model()
        found = fit(going_on, *stripes, epochs=3, checkpoint=tmp_path, **settings)

    assert same_weights(whole, going_on)
    assert found.history == expected.history
    assert found.epoch == [0, 1, 2]


def test_a_finished_run_is_not_trained_again(make_model, stripes, tmp_path):
    first = fit(make_model(), *stripes, epochs=1, checkpoint=tmp_path, xla=False, **QUIET)
    again = make_model()

    second = fit(again, *stripes, epochs=1, checkpoint=tmp_path, xla=False, **QUIET)

    assert second.history == first.history
    assert int(again.optimizer.iterations) == 4


def test_other_data_does_not_go_on_from_a_checkpoint(make_model, stripes, tmp_path):
    fit(make_model(), *stripes, epochs=1, checkpoint=tmp_path, xla=False, **QUIET)

    with pytest.raises(BadInputError, match="of another run, whose data is"):
        fit(make_model(), stripes.x[::-1], stripes.y, epochs=2, checkpoint=tmp_path, xla=False, **QUIET)


def test_what_xla_cannot_compile_is_trained_by_keras(make_model, stripes):
    def augment(images, seed):
        return tf.ensure_shape(tf.numpy_function(lambda x: x, [images], tf.float32), images.shape)

    with pytest.warns(FallbackWarning, match="because XLA can't compile it"):
        history = fit(make_model(), *stripes, epochs=1, augment=augment, xla=True, **QUIET)

    assert history.params["program"] == "fit"


def test_sample_weights_are_keras_fits(make_model, stripes):
    with pytest.warns(FallbackWarning, match="because sample_weight is given"):
        fit(make_model(), *stripes, epochs=1, sample_weight=np.ones(70), **QUIET)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"x": np.zeros((70, 8, 8), np.uint8)}, r"images of shape \(70, 8, 8\), expected \(N, H, W, C\)"),
        ({"x": np.zeros((70, 8, 8, 1), np.int32)}, "images of type int32, expected uint8"),
        ({"x": np.zeros((70, 9, 8, 1), np.uint8)}, r"images of shape \(9, 8, 1\), the model takes \(8, 8, 1\)"),
        ({"y": np.zeros(69, int)}, r"shape \(69,\), expected integers of shape \(70,\)"),
        ({"y": np.full(70, 3)}, "labels from 3 to 3, but the model tells 3 classes apart: expected 0 to 2"),
        ({"epochs": 0}, "epochs=0, batch_size=16, seed=0; the first two are at least 1"),
    ],
)
def test_what_it_is_given_wrongly_it_names(make_model, stripes, change, sentence):
    arguments = {"x": stripes.x, "y": stripes.y, "epochs": 1} | QUIET | change

    with pytest.raises(BadInputError, match=sentence):
        fit(make_model(), **arguments)


def test_a_model_that_is_not_compiled_is_named(stripes):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])

    with pytest.raises(BadInputError, match="the model is not compiled; call model.compile"):
        fit(model, *stripes, epochs=1, **QUIET)


def test_the_bar_shows_on_stderr(make_model, stripes, capfd):
    fit(make_model(), *stripes, epochs=2, batch_size=16, verbose=2, xla=False)

    out, err = capfd.readouterr()
    assert out == ""
    assert "Epoch 2/2" in err
    assert "accuracy:" in err


def _nothing():
    import contextlib

    return contextlib.nullcontext()
