"""A recipe tried out: a declared network and plan, trained on images, with what there is to see of it.

Where CIFAR-10 and a GPU are, the plan is followed in full. Elsewhere it is followed in small, on handwritten digits:
four epochs in batches of 20, which is enough to see whether a network learns.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpulabs import data
from gpulabs.declared import Network, Plan, read_network, read_plan, train
from gpulabs.declared.layers import BatchNormalization

SMALL_IMAGES, SMALL_EPOCHS, SMALL_BATCH = 900, 4, 20
SMALL_MOMENTUM = 0.9
"""BatchNormalization's moving averages need about 5 / (1 - momentum) steps; the small run has 180."""
_AT_ONCE = 1000
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class ImageSet:
    """Images to train on.

    Attributes:
        title: The set in words.
        names: Of the classes.
        x_train: (N, H, W, 3) uint8.
        y_train: Class indices.
        x_test: Likewise, for the end.
        y_test: Their classes.
        is_small: Whether plans are followed in small on it.
    """

    title: str
    names: tuple[str, ...]
    x_train: NDArray[np.uint8]
    y_train: NDArray[np.uint8]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.uint8]
    is_small: bool


@dataclass(frozen=True)
class Trial:
    """What one training gave.

    Attributes:
        losses: Mean training loss of each epoch; `held_out_losses` likewise of the images held out.
        accuracies: Share of training images right, with dropout and augmentation; `held_out_accuracies` without.
        epoch_s: Seconds of each epoch.
        predicted: Classes that it gives the test images.
    """

    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    held_out_losses: tuple[float, ...]
    held_out_accuracies: tuple[float, ...]
    epoch_s: tuple[float, ...]
    predicted: NDArray[np.uint8]

    def seconds_to(self, accuracy: float) -> float | None:
        """Seconds until the held-out images were first this accurate; None if they never were."""
        reached = [place for place, one in enumerate(self.held_out_accuracies) if one >= accuracy]
        return sum(self.epoch_s[: reached[0] + 1]) if reached else None


def image_set(full: bool) -> ImageSet:
    """CIFAR-10, where it is on this machine and is to be used; handwritten digits elsewhere.

    Args:
        full: Whether to train in full, as on a GPU.
    """
    if full and data.is_here("cifar10"):
        return ImageSet("CIFAR-10", CIFAR10, *data.load("cifar10"), False)
    if full:
        print("CIFAR-10 is not here, so digits stand in. Fetch it once: gpulabs data fetch cifar10")
    split = data.load("digits")
    x_train, y_train = enlarged(split.x_train[:SMALL_IMAGES]), split.y_train[:SMALL_IMAGES]
    names = tuple(str(digit) for digit in range(10))
    return ImageSet("handwritten digits", names, x_train, y_train, enlarged(split.x_test), split.y_test, True)


def try_recipe(layers: Any, plan: Any, images: ImageSet, held_out: Any, seed: int = 0) -> Trial | None:
    """Trains a network by a plan, with some images held out.

    Args:
        layers: As `read_network` takes them; None while they are not written.
        plan: As `read_plan` takes it; likewise.
        images: What it is trained on.
        held_out: Numbers of the training images that are kept for judging.
        seed: Of weights, order and augmentation.

    Returns:
        The trial, or None where something is missing.

    Raises:
        BadInputError: The layers or the plan can't be read; the message says where.
    """
    if layers is None or plan is None or held_out is None:
        print("Nothing to train yet: the network, the plan and the images held out come from cells above.")
        return None
    network, followed = read_network(layers), read_plan(plan)
    if images.is_small:
        network, followed = small(network, followed)
    kept = np.zeros(len(images.x_train), bool)
    kept[np.asarray(held_out)] = True
    watch = stop_watch()
    model, history = train(
        network,
        followed,
        images.x_train[~kept],
        images.y_train[~kept],
        seed=seed,
        validation_data=(images.x_train[kept], images.y_train[kept]),
        callbacks=[watch],
    )
    told = {name: tuple(float(one) for one in values) for name, values in history.history.items()}
    return Trial(
        told["loss"],
        told["accuracy"],
        told["val_loss"],
        told["val_accuracy"],
        tuple(watch.epoch_s),
        classes(model, images.x_test),
    )


def small(network: Network, plan: Plan) -> tuple[Network, Plan]:
    """A network and plan for the small run on digits: fewer and smaller steps, in float32, nothing mirrored.

    Raises:
        BadInputError: The network leaves nothing of an image of 16 x 16.
    """
    layers = tuple(
        dataclasses.replace(layer, momentum=min(layer.momentum, SMALL_MOMENTUM))
        if isinstance(layer, BatchNormalization)
        else layer
        for layer in network.layers
    )
    varied = plan.augmentation
    # A digit that is mirrored is no digit, and half as many pixels are moved half as far.
    gentle = dataclasses.replace(varied, flip=False, shift=varied.shift // 2, cutout=varied.cutout // 2)
    followed = dataclasses.replace(
        plan, epochs=SMALL_EPOCHS, batch_size=SMALL_BATCH, precision="float32", augmentation=gentle
    )
    return Network(layers, (16, 16, 3), network.classes), followed


def enlarged(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Digits as the network takes images: (N, 8, 8, 1) with levels 0 to 16 -> (N, 16, 16, 3) with 0 to 255."""
    bright = np.round(images * (255 / 16)).astype(np.uint8)
    return np.asarray(bright.repeat(2, axis=1).repeat(2, axis=2).repeat(3, axis=3))


def classes(model: Any, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The class that a model holds most probable for each image; 0 where its probabilities are no numbers."""
    probabilities = model.predict(images.astype(np.float32) / 255, batch_size=_AT_ONCE, verbose=0)
    found: NDArray[np.uint8] = np.asarray(probabilities).argmax(axis=1).astype(np.uint8)
    return found


def stop_watch() -> Any:
    """A Keras callback that keeps each epoch's seconds, in `epoch_s`."""
    import keras

    class StopWatch(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.epoch_s: list[float] = []
            self._begin = 0.0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._begin = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.epoch_s.append(time.perf_counter() - self._begin)

    return StopWatch()


def step_ms(layers: Any, plan: Any, images: ImageSet, device: str, steps: int = 20) -> float:
    """Times training steps on one device, `CPU` or `GPU`: milliseconds a step, compilation not counted."""
    import tensorflow as tf

    network, followed = read_network(layers), read_plan(plan)
    if images.is_small:
        network, followed = small(network, followed)
    count = steps * followed.batch_size
    chosen = np.arange(count) % len(images.x_train)
    short = dataclasses.replace(followed, epochs=3)
    watch = stop_watch()
    options = {"xla": False} if device == "CPU" and tf.config.get_visible_devices("GPU") else {}
    with tf.device(f"/{device}:0"):
        train(network, short, images.x_train[chosen], images.y_train[chosen], callbacks=[watch], **options)
    return 1e3 * float(min(watch.epoch_s[1:])) / steps
