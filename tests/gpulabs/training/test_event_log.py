"""TensorBoard's logs hold every epoch, also after an interruption; read with TensorFlow's own reader."""

from __future__ import annotations

import pytest
import tensorflow as tf

from gpulabs.training.event_log import event_log


class Model:
    class optimizer:
        learning_rate = 0.25


def read(folder):
    """(tag, step) -> value, of all event files in a folder."""
    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_every_epoch_is_logged_and_a_second_run_adds_to_the_first(tmp_path):
    for epochs in ([0, 1], [2]):
        callback = event_log(tmp_path)
        callback.set_model(Model)
        callback.on_train_begin()
        for epoch in epochs:
            callback.on_epoch_end(epoch, {"loss": 1.0 / (epoch + 1), "val_accuracy": 0.5 + epoch / 10})
        if epochs == [2]:
            callback.on_train_end()  # the first was killed

    assert read(tmp_path / "train") == {
        **{("epoch_loss", epoch): pytest.approx(1.0 / (epoch + 1)) for epoch in range(3)},
        **{("epoch_learning_rate", epoch): 0.25 for epoch in range(3)},
    }
    assert read(tmp_path / "validation") == {("epoch_accuracy", e): pytest.approx(0.5 + e / 10) for e in range(3)}
