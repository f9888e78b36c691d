"""A small network in NumPy that learns handwritten digits in seconds: what a larger batch does to learning.

Two hidden layers of ReLU, a softmax, gradient descent with momentum. It is also what Lab 4 measures on a machine
without a GPU: `DigitsStep` runs one training step. `digits_gradients` are what Lab 5 scales.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gpulabs.errors import BadInputError

HIDDEN = 64
MOMENTUM = 0.9
_LARGEST_LOSS = 1e3  # beyond, the weights are on their way to infinity

Floats = NDArray[np.float32]


@dataclass
class DigitsStep:
    """One training step, again and again on the same batch; `run()` returns when it is done, as a CPU does.

    Attributes:
        batch: Images a step.
        hidden: Width of the hidden layers.
    """

    batch: int
    hidden: int = 256
    _weights: list[Floats] = field(init=False, repr=False)
    _speeds: list[Floats] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Makes weights and a batch of noise: what is learnt doesn't matter for the time."""
        if self.batch < 1:
            raise BadInputError(f"batch {self.batch}: expected a whole number from 1")
        chance = np.random.default_rng(0)
        self._weights, self._speeds = _initial(chance, self.hidden)
        self._x = chance.random((self.batch, 64), np.float32)
        self._y = chance.integers(0, 10, self.batch)

    def run(self) -> None:
        """Runs one step."""
        _step(self._weights, self._speeds, self._x, self._y, 1e-6)


def train_digits(
    batch: int, rate: Callable[[int], float], epochs: int = 20, seed: int = 0, hidden: int = HIDDEN
) -> list[float]:
    """Trains on 1,500 digits and tests on 297 after each epoch.

    Args:
        batch: Images a step; what is left over at an epoch's end is not used in it.
        rate: Step, from 0 -> learning rate.
        epochs: Times through the digits.
        seed: Of the first weights and of the order.
        hidden: Width of the hidden layers.

    Returns:
        Accuracy after each epoch, 0 to 1; once training has diverged it stays at chance.

    Raises:
        BadInputError: The batch is no whole number from 1 to 1,500.
    """
    from threadpoolctl import threadpool_limits

    from gpulabs.data.bundled import digits

    split = digits()
    x, x_test = ((one.reshape(-1, 64) / 16).astype(np.float32) for one in (split.x_train, split.x_test))
    y = split.y_train
    if not 1 <= batch <= len(x):
        raise BadInputError(f"batch {batch}: expected 1 to {len(x)}, the digits to learn from")
    chance = np.random.default_rng(seed)
    weights, speeds = _initial(chance, hidden)
    accuracies: list[float] = []
    step = 0
    with threadpool_limits(1):  # products as small as these only lose by several threads
        for _ in range(epochs):
            order = chance.permutation(len(x))
            for place in range(len(x) // batch):
                chosen = order[place * batch : (place + 1) * batch]
                loss = _step(weights, speeds, x[chosen], y[chosen], rate(step))
                step += 1
                if not loss < _LARGEST_LOSS:
                    return accuracies + [0.1] * (epochs - len(accuracies))
            right = _forward(weights, x_test)[-1].argmax(axis=1) == split.y_test
            accuracies.append(float(right.mean()))
    return accuracies


def digits_gradients(epochs: int = 40, seed: int = 0) -> Floats:
    """Gradients of one step, after some epochs in batches of 16: how small they get while a network learns.

    Args:
        epochs: Times through the 1,500 digits.
        seed: Of the first weights and of the order.

    Returns:
        The gradient of every parameter for the first 64 digits, in one row.
    """
    from gpulabs.data.bundled import digits

    split = digits()
    x, y = (split.x_train.reshape(-1, 64) / 16).astype(np.float32), split.y_train
    chance = np.random.default_rng(seed)
    weights, speeds = _initial(chance, HIDDEN)
    for _ in range(epochs):
        order = chance.permutation(len(x))
        for place in range(0, len(x) - 15, 16):
            chosen = order[place : place + 16]
            _step(weights, speeds, x[chosen], y[chosen], 0.036)
    at_rest = [np.zeros_like(one) for one in speeds]
    _step(weights, at_rest, x[:64], y[:64], 1.0)  # from rest and with rate 1, the speed is the gradient
    return np.concatenate([-one.ravel() for one in at_rest])


def _initial(chance: np.random.Generator, hidden: int) -> tuple[list[Floats], list[Floats]]:
    """He's normal weights and no biases, layer by layer; and momentum at rest."""
    weights: list[Floats] = []
    for rows, columns in ((64, hidden), (hidden, hidden), (hidden, 10)):
        weights += [
            (chance.standard_normal((rows, columns)) * ((1 if columns == 10 else 2) / rows) ** 0.5).astype(np.float32),
            np.zeros(columns, np.float32),
        ]
    return weights, [np.zeros_like(one) for one in weights]


def _forward(weights: Sequence[Floats], x: Floats) -> list[Floats]:
    """Outputs of all layers; the last without its softmax."""
    one = np.maximum(x @ weights[0] + weights[1], 0)
    two = np.maximum(one @ weights[2] + weights[3], 0)
    return [one, two, two @ weights[4] + weights[5]]


def _step(weights: list[Floats], speeds: list[Floats], x: Floats, y: NDArray[np.integer], rate: float) -> float:
    """Forward pass, backward pass, update; gives the loss."""
    with np.errstate(all="ignore"):  # a rate that is too high overflows: the loss says so
        one, two, raw = _forward(weights, x)
        raw = np.exp(raw - raw.max(axis=1, keepdims=True))
        raw /= raw.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        loss = float(-np.log(raw[rows, y] + 1e-30).mean())
        raw[rows, y] -= 1
        raw /= len(y)
        to_two = (raw @ weights[4].T) * (two > 0)
        to_one = (to_two @ weights[2].T) * (one > 0)
        gradients = (
            x.T @ to_one, to_one.sum(axis=0), one.T @ to_two, to_two.sum(axis=0), two.T @ raw, raw.sum(axis=0)
        )  # fmt: skip
        for weight, speed, gradient in zip(weights, speeds, gradients, strict=True):
            speed *= np.float32(MOMENTUM)
            speed -= np.float32(rate) * gradient
            weight += speed
    return loss
