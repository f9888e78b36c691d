"""Trains Keras models with an epoch as one program: data, shuffling, augmentation and all steps stay on the device.

`keras.Model.fit` comes back to Python at every step, which costs more than the step itself when the network is as small
as the labs'. Here Python starts an epoch and waits for its end. On a GPU the epoch is one XLA program; on the CPU,
where XLA gains nothing, one TensorFlow graph. What can't be put into one program is trained by `keras.Model.fit`, with
a warning that says why.

    fit          trains; takes and returns what `keras.Model.fit` does            (gpulabs.training.fit)
    prepare      before TensorFlow starts: keeps compiled programs for the next run  (gpulabs.training.compilation)

Example:
    >>> from gpulabs.training import fit
    >>> history = fit(model, x_train, y_train, epochs=20, validation_data=(x_test, y_test), checkpoint="runs/first")
"""

from gpulabs.training.compilation import prepare
from gpulabs.training.fit import FallbackWarning, fit

__all__ = ["FallbackWarning", "fit", "prepare"]
