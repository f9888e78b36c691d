"""Which images come when: the same for a seed and an epoch, whoever trains and however often it was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gpulabs.errors import BadInputError

Augment = Callable[[Any, Any], Any]


class Arrays(NamedTuple):
    """Images and their labels.

    Attributes:
        x: (N, H, W, C), uint8 or float32.
        y: (N,), int32.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[np.int32]


def arrays(x: Any, y: Any, name: str) -> Arrays:
    """Checks images and labels.

    Args:
        x: Images.
        y: Labels.
        name: Of the argument, for messages.

    Raises:
        BadInputError: They are of the wrong shape or type, or don't go together.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 4 or not len(x):
        raise BadInputError(f"fit: {name} has images of shape {x.shape}, expected (N, H, W, C) with N at least 1")
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise BadInputError(f"fit: {name} has images of type {x.dtype}, expected uint8 (0 to 255) or float32")
    if y.dtype.kind not in "iu" or y.shape not in ((len(x),), (len(x), 1)):
        raise BadInputError(
            f"fit: {name} has labels of type {y.dtype} and shape {y.shape}, expected integers of shape ({len(x)},)"
        )
    return Arrays(x if x.dtype == np.uint8 else x.astype(np.float32, copy=False), y.reshape(-1).astype(np.int32))


def order(seed: int, epoch: int, images: int) -> npt.NDArray[np.int32]:
    """Returns the images' order in an epoch: a permutation of `range(images)`.

    Example:
        >>> (order(7, 0, 5) == order(7, 0, 5)).all()
        True
    """
    random = np.random.Generator(np.random.Philox(key=np.array([seed, epoch], np.uint64)))
    return random.permutation(images).astype(np.int32)
