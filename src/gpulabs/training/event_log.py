"""TensorBoard's logs, written by TensorFlow alone: TensorBoard itself is needed only where they are looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def event_log(folder: Path) -> Any:
    """Returns a callback that logs each epoch's values and the learning rate, under the names that Keras's own has.

    `keras.callbacks.TensorBoard` asks TensorFlow for `tf.summary.scalar`, which is there only beside the package
    `tensorboard`, with a web server and its needs.

    Args:
        folder: `train` and `validation` are made in it, as Keras does.
    """
    import keras
    import tensorflow as tf

    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"
    metadata.data_class = 1  # DATA_CLASS_SCALAR

    class EventLog(keras.callbacks.Callback):  # type: ignore[misc]
        """Writes at the end of every epoch."""

        def on_train_begin(self, logs: Any = None) -> None:
            self._writers: dict[str, Any] = {}

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            values = dict(logs or {}) | {"learning_rate": float(self.model.optimizer.learning_rate)}
            for name, value in values.items():
                part = "validation" if name.startswith("val_") else "train"
                with self._writer(part).as_default(step=epoch):
                    tag = f"epoch_{name.removeprefix('val_')}"
                    tf.summary.write(tag, tf.constant(value, tf.float32), metadata=metadata)
            for writer in self._writers.values():
                writer.flush()  # who is killed later leaves this epoch

        def on_train_end(self, logs: Any = None) -> None:
            for writer in self._writers.values():
                writer.close()

        def _writer(self, part: str) -> Any:
            if part not in self._writers:
                self._writers[part] = tf.summary.create_file_writer(str(folder / part))
            return self._writers[part]

    return EventLog()
