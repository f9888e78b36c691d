"""The sets that scikit-learn ships: always there, no network."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gpulabs.data.registry import Split, UInt8
from gpulabs.errors import MissingPackageError

DIGITS_TRAIN = 1500
"""The first 1,500 digits train, the last 297 test: other people wrote those."""


def photographs() -> dict[str, UInt8]:
    """Returns `china` and `flower`, HWC, uint8, 427 x 640 x 3."""
    return {name: photograph(f"{name}.jpg") for name in ("china", "flower")}


@functools.cache
def photograph(file: str) -> UInt8:
    """Reads a photograph that scikit-learn ships, (427, 640, 3); without importing scikit-learn, which takes seconds.

    Args:
        file: `china.jpg` or `flower.jpg`.

    Raises:
        MissingPackageError: scikit-learn isn't installed.
    """
    import PIL.Image

    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise MissingPackageError("the photographs come with scikit-learn: pip install scikit-learn")
    with PIL.Image.open(Path(spec.origin).parent / "datasets" / "images" / file) as image:
        return np.asarray(image.convert("RGB"))


def digits() -> Split:
    """Returns the handwritten digits, 8 x 8 x 1, grey levels 0 to 16."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = bunch.images.astype(np.uint8)[..., np.newaxis]
    y = bunch.target.astype(np.uint8)
    return Split(x[:DIGITS_TRAIN], y[:DIGITS_TRAIN], x[DIGITS_TRAIN:], y[DIGITS_TRAIN:])


def identity(arrays: Split | Mapping[str, UInt8]) -> str:
    """Returns a sha256 over names, shapes, dtypes and values of a set's arrays.

    Of the arrays and not of the files: two JPEG decoders may give other pixels for one file.
    """
    named = arrays._asdict() if isinstance(arrays, Split) else dict(arrays)
    digest = hashlib.sha256()
    for name in sorted(named):
        array = named[name]
        digest.update(f"{name} {array.shape} {array.dtype.str}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
