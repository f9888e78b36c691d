"""Reads the CIFAR-10 archive without trusting it.

The archive is a tar of Python pickles, and a pickle can run any code. So nothing is unpacked to
disk (a path in the tar can't lead anywhere), only the six members with the expected names are
read, each up to a size, and their pickles are read by an unpickler that knows how to make a
uint8 array and nothing else.
"""

from __future__ import annotations

import io
import pickle
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from gpulabs.data.registry import Split, UInt8
from gpulabs.errors import DataError

TRAIN = tuple(f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6))
TEST = "cifar-10-batches-py/test_batch"
MEMBER_LIMIT = 64 * 2**20
"""Bytes of one batch; the official ones have 31 million."""
TOTAL_LIMIT = 512 * 2**20
"""Bytes of the unpacked archive; the official one has 186 million. Stops a zip bomb."""
PIXELS = 32 * 32 * 3


def read(archive: Path) -> Split:
    """Reads the archive.

    Raises:
        DataError: It is damaged, or not laid out as the official one.
    """
    batches: dict[str, tuple[UInt8, UInt8]] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            total = 0
            for member in tar:
                total += member.size
                if total > TOTAL_LIMIT:
                    raise DataError(f"{archive}: unpacks to over {TOTAL_LIMIT >> 20} MB, not a CIFAR-10 archive")
                name = member.name.removeprefix("./")
                if name in (*TRAIN, TEST) and name not in batches:
                    batches[name] = _batch(tar, member, f"{archive}, {name}")
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's fault, not the archive's
            raise
        raise DataError(f"{archive}: damaged ({error}); {_AGAIN}") from error
    missing = [name for name in (*TRAIN, TEST) if name not in batches]
    if missing:
        raise DataError(f"{archive}: {missing[0]} is not in it; {_AGAIN}")
    x_train = np.concatenate([batches[name][0] for name in TRAIN])
    y_train = np.concatenate([batches[name][1] for name in TRAIN])
    return Split(x_train, y_train, *batches[TEST])


_AGAIN = "fetch it again: gpulabs data fetch cifar10 --force"


def _batch(tar: tarfile.TarFile, member: tarfile.TarInfo, where: str) -> tuple[UInt8, UInt8]:
    if not member.isfile() or member.size > MEMBER_LIMIT:
        raise DataError(f"{where}: expected a file of at most {MEMBER_LIMIT >> 20} MB; {_AGAIN}")
    stream = tar.extractfile(member)
    assert stream is not None  # it is a file
    raw = stream.read()
    try:
        record = _Unpickler(io.BytesIO(raw)).load()
        data, labels = record[b"data"].values, np.asarray(record[b"labels"])
    except DataError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(f"{where}: can't be read ({type(error).__name__}: {error}); {_AGAIN}") from error
    if data is None or data.shape != (len(labels), PIXELS):
        raise DataError(f"{where}: expected uint8 pixels of shape ({len(labels)}, {PIXELS}); {_AGAIN}")
    if labels.ndim != 1 or labels.dtype.kind != "i" or not ((labels >= 0) & (labels < 10)).all():
        raise DataError(f"{where}: expected labels from 0 to 9; {_AGAIN}")
    # Stored as one row an image: all red, all green, all blue. NHWC is what the labs use.
    images = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels.astype(np.uint8)


class _Unpickler(pickle.Unpickler):
    """Makes dicts, lists, bytes, numbers and `_Array`s; refuses everything else."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream, encoding="bytes")

    def find_class(self, module: str, name: str) -> Any:
        """Returns our own stand-ins for the few names that such a pickle needs."""
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): _array,
            ("numpy._core.multiarray", "_reconstruct"): _array,
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
            ("_codecs", "encode"): _latin1,
        }
        if (module, name) not in allowed:
            raise DataError(f"CIFAR-10 batch: it asks for {module}.{name}, which no CIFAR-10 archive needs: not loaded")
        return allowed[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """Refuses references out of the pickle."""
        raise DataError("CIFAR-10 batch: it refers to something outside of itself: not loaded")


class _Dtype:
    """Stands in for `numpy.dtype`, whose `__setstate__` trusts what a pickle says."""

    def __init__(self, code: Any, *_: Any) -> None:
        if code not in ("u1", b"u1"):
            raise DataError(f"CIFAR-10 batch: dtype {code!r}, expected 'u1' (uint8): not loaded")

    def __setstate__(self, state: Any) -> None:
        """Ignores byte order and the like: a byte has none."""


class _Array:
    """Stands in for `numpy.ndarray` until its bytes and its shape are seen to agree."""

    values: UInt8 | None = None

    def __setstate__(self, state: Any) -> None:
        """Takes NumPy's state: version, shape, dtype, column-major, bytes."""
        _, shape, dtype, column_major, raw = state
        if not isinstance(dtype, _Dtype) or column_major or not isinstance(raw, bytes):
            raise DataError("CIFAR-10 batch: its array is not a plain uint8 array: not loaded")
        self.values = np.frombuffer(raw, np.uint8).reshape(shape)


def _array(*_: Any) -> _Array:
    """Stands in for NumPy's `_reconstruct`, which would allocate any shape that the file names."""
    return _Array()


def _latin1(text: str, encoding: Any) -> bytes:
    """How newer Pythons store bytes under protocol 2."""
    if encoding not in ("latin1", b"latin1"):
        raise DataError(f"CIFAR-10 batch: encoding {encoding!r}, expected latin1: not loaded")
    return text.encode("latin1")
