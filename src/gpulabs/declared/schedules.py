"""Learning rates over a training, as plain functions of the step: constant, falling, one cycle, stepwise; warmed up.

Places in a training are shares of it, 0 at the first step and 1 after the last, so that a schedule stays what it is
when epochs or batch size change.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gpulabs.errors import BadInputError
from gpulabs.settings import number, sequence

Rates = NDArray[np.float64]
LARGEST = 10.0


class Schedule(Protocol):
    """A learning rate for every step."""

    def rates(self, steps: int) -> Rates:
        """Returns the learning rate of each of so many steps."""


@dataclass(frozen=True)
class Constant:
    """The same rate throughout, after rising from 0 over the share `warm_up`."""

    rate: float
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        _check(self.rate, self.warm_up)

    def rates(self, steps: int) -> Rates:
        return _warmed(np.full(steps, self.rate), self.warm_up)


@dataclass(frozen=True)
class Linear:
    """Falls in a straight line from `rate` to `end`, after rising from 0 over the share `warm_up`."""

    rate: float
    end: float = 0.0
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        _check(self.rate, self.warm_up)
        number("end", self.end, 0, self.rate)

    def rates(self, steps: int) -> Rates:
        rest = _rest(steps, self.warm_up)
        return _warmed(self.rate + (self.end - self.rate) * rest, self.warm_up)


@dataclass(frozen=True)
class Cosine:
    """Falls along half a cosine from `rate` to `end`, after rising from 0 over the share `warm_up`.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), without restarts.
    """

    rate: float
    end: float = 0.0
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        _check(self.rate, self.warm_up)
        number("end", self.end, 0, self.rate)

    def rates(self, steps: int) -> Rates:
        rest = _rest(steps, self.warm_up)
        return _warmed(self.end + (self.rate - self.end) * (1 + np.cos(math.pi * rest)) / 2, self.warm_up)


@dataclass(frozen=True)
class OneCycle:
    """Rises from rate/25 to `rate` over the share `warm_up`, falls to rate/10,000, both along half a cosine.

    Source: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates"
    (2018).
    """

    rate: float
    warm_up: float = 0.3

    def __post_init__(self) -> None:
        _check(self.rate, self.warm_up)
        number("warm_up", self.warm_up, 0, 0.9, above=True)

    def rates(self, steps: int) -> Rates:
        first, last = self.rate / 25, self.rate / 10_000
        up = np.minimum(_places(steps) / self.warm_up, 1)
        rising = first + (self.rate - first) * (1 - np.cos(math.pi * up)) / 2
        falling = last + (self.rate - last) * (1 + np.cos(math.pi * _rest(steps, self.warm_up))) / 2
        return np.where(up < 1, rising, falling)


@dataclass(frozen=True)
class Piecewise:
    """The first of `values` up to the first place of `at`, the second up to the second ...; one value more."""

    values: tuple[float, ...]
    at: tuple[float, ...]
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        values, at = sequence(self.values, "values", 20), sequence(self.at, "at", 19)
        for place, value in enumerate(values):
            _check(value, self.warm_up, f"values[{place}]")
        for place, value in enumerate(at):
            number(f"at[{place}]", value, 0, 1, above=True)
        if len(values) != len(at) + 1:
            raise BadInputError(
                f"{len(values)} values and {len(at)} places of change: there has to be one value more, the first"
            )
        if any(later <= one for one, later in itertools.pairwise(at)):
            raise BadInputError(f"at: {list(at)} has to grow; they are shares of the training, such as [0.5, 0.75]")
        object.__setattr__(self, "values", tuple(map(float, values)))
        object.__setattr__(self, "at", tuple(map(float, at)))

    def rates(self, steps: int) -> Rates:
        which = np.searchsorted(np.array(self.at), _places(steps), side="right")
        return _warmed(np.array(self.values)[which], self.warm_up)


SCHEDULES: dict[str, type[Any]] = {
    "constant": Constant,
    "linear": Linear,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "piecewise": Piecewise,
}


def _check(rate: Any, warm_up: Any, where: str = "rate") -> None:
    number(where, rate, 0, LARGEST, above=True)
    number("warm_up", warm_up, 0, 0.9)


def _places(steps: int) -> Rates:
    return np.arange(steps) / steps


def _rest(steps: int, warm_up: float) -> Rates:
    """0 up to the end of the warm-up, then growing to 1, which the step after the last would reach."""
    return np.clip((_places(steps) - warm_up) / (1 - warm_up), 0, 1)


def _warmed(rates: Rates, warm_up: float) -> Rates:
    """The same with a straight rise from 0: the first step has a step's share of it, not nothing."""
    if not warm_up:
        return rates
    rise = max(1.0, warm_up * len(rates))
    return rates * np.minimum((np.arange(len(rates)) + 1) / rise, 1)
