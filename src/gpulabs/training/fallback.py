"""`keras.Model.fit` on the same batches as a program has, for what can't be put into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpulabs.training.batches import order
from gpulabs.training.checkpoint import State
from gpulabs.training.program import Job
from gpulabs.training.progress import watched


def keras_fit(
    job: Job,
    state: State,
    epochs: int,
    callbacks: Sequence[Any],
    verbose: int | str,
    sample_weight: Any,
    save: Callable[[int, dict[str, list[float]]], None],
) -> Any:
    """Trains.

    Args:
        job: What to train.
        state: Where an earlier run stopped.
        epochs: In all.
        callbacks: The user's.
        verbose: As in `fit`.
        sample_weight: (N,) or None.
        save: Called with the epochs done and the history so far after every epoch, after the user's callbacks.

    Returns:
        The history, earlier epochs included.
    """
    import keras

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        """The batches of an epoch, in its order."""

        epoch = state.epochs_done
        rows = order(job.seed, epoch, len(job.arrays.x))

        def __len__(self) -> int:
            return job.steps

        def __getitem__(self, step: int) -> tuple[Any, ...]:
            chosen = self.rows[step * job.batch_size : (step + 1) * job.batch_size]
            x = _scaled(job.arrays.x[chosen])
            if job.augment is not None:
                x = job.augment(keras.ops.convert_to_tensor(x), _moment(job, self.epoch, step))
            batch = (x, job.arrays.y[chosen])
            return batch if sample_weight is None else (*batch, np.asarray(sample_weight)[chosen])

        def on_epoch_end(self) -> None:
            self.epoch += 1
            self.rows = order(job.seed, self.epoch, len(job.arrays.x))

    class Keeper(keras.callbacks.Callback):  # type: ignore[misc]
        """Goes last: puts earlier epochs into the history, saves the state."""

        def on_train_begin(self, logs: Any = None) -> None:
            history.history, history.epoch = dict(state.history), list(range(state.epochs_done))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            save(epoch + 1, history.history)

    history = keras.callbacks.History()
    validation = None if job.validation is None else (_scaled(job.validation.x), job.validation.y)
    job.model.fit(
        Batches(),
        epochs=epochs,
        initial_epoch=state.epochs_done,
        validation_data=validation,
        validation_batch_size=job.batch_size,
        callbacks=[*callbacks, history, Keeper()],
        verbose=int(watched()) if verbose == "auto" else verbose,
        shuffle=False,
    )
    return history


def _scaled(images: Any) -> Any:
    return images.astype(np.float32) * np.float32(1 / 255) if images.dtype == np.uint8 else images


def _moment(job: Job, epoch: int, step: int) -> Any:
    import keras

    return keras.ops.convert_to_tensor([job.seed % 2**31, epoch * job.steps + step], dtype="int32")
