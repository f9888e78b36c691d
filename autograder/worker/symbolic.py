"""Arrays without data: what a host function sees while its launches are being recorded."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

MAX_ARRAY_BYTES = 64 * 2**30
"""More than any GPU of a student has; a shape beyond it is a slip, reported as out of memory."""


class SymbolicError(Exception):
    """A host function wanted what symbolic arrays can't give; the text is for the student."""


class SymbolicMemoryError(SymbolicError):
    """A host function asked for more memory than any GPU has."""


class SymbolicArray:
    """A device array's shape, dtype and order, and which array of the plan it is.

    Args:
        index: Index into the plan's arrays.
        shape: Its shape.
        dtype: Its NumPy dtype.
        order: `C` or `F`.
        recorder: Whatever has `view(array, shape)`, which makes a new array of the plan.
    """

    def __init__(self, index: int, shape: tuple[int, ...], dtype: Any, order: str, recorder: Any) -> None:
        self.index = index
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.order = order
        self._recorder = recorder
        self.ndim = len(shape)
        self.size = math.prod(shape)
        self.nbytes = self.size * self.dtype.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes to the next element along each axis."""
        dims = self.shape if self.order == "C" else self.shape[::-1]
        steps = [self.dtype.itemsize * math.prod(dims[i + 1 :]) for i in range(len(dims))]
        return tuple(steps if self.order == "C" else steps[::-1])

    @property
    def _numba_type_(self) -> Any:
        from numba import types
        from numba.np import numpy_support

        return types.Array(numpy_support.from_dtype(self.dtype), self.ndim, self.order)

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, *shape: Any, order: str = "C") -> SymbolicArray:
        """The same memory in another shape; one axis may be -1."""
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        dims = [int(size) for size in wanted]
        if dims.count(-1) == 1:
            known = -math.prod(dims)
            dims[dims.index(-1)] = self.size // known if known else 0
        if math.prod(dims) != self.size or self.order != "C" or order != "C":
            raise ValueError(f"cannot reshape an array of shape {self.shape} into shape {tuple(wanted)}")
        return self._recorder.view(self, tuple(dims))  # type: ignore[no-any-return]

    def ravel(self, order: str = "C") -> SymbolicArray:
        """The same memory as one axis."""
        return self.reshape(self.size, order=order)

    def copy_to_host(self, *_: Any, **__: Any) -> NoReturn:
        """Not there: a host function has no data to copy."""
        raise SymbolicError("calls copy_to_host(): return the device array itself, its values are read afterwards")

    def copy_to_device(self, *_: Any, **__: Any) -> NoReturn:
        """Not there likewise."""
        raise SymbolicError("calls copy_to_device(): only kernels may fill arrays, or cuda.to_device a constant")

    def _no_data(self, *_: Any, **__: Any) -> NoReturn:
        raise SymbolicError(
            "reads or computes with array values on the host: do it in a kernel "
            "(the grader plans your launches with arrays that have a shape but no values)"
        )

    __getitem__ = __setitem__ = __array__ = __iter__ = __float__ = __int__ = __bool__ = _no_data
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __matmul__ = _no_data

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise SymbolicError(f"uses array.{name}, which a device array does not have or the grader does not plan")


def shape_of(shape: Any, dtype: Any) -> tuple[int, ...]:
    """Checks a shape as `cuda.device_array` would, and its size.

    Raises:
        TypeError: An axis is no integer.
        ValueError: An axis is negative.
        SymbolicMemoryError: More bytes than any GPU has.
    """
    dims = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    for size in dims:
        if isinstance(size, bool) or not isinstance(size, int | np.integer):
            raise TypeError(f"array shape {dims}: {size!r} is {type(size).__name__}, not an integer")
        if size < 0:
            raise ValueError(f"array shape {dims}: an axis of {size}")
    sizes = tuple(int(size) for size in dims)
    wanted = math.prod(sizes) * np.dtype(dtype).itemsize
    if wanted > MAX_ARRAY_BYTES:
        raise SymbolicMemoryError(
            f"asks for an array of shape {sizes}, {wanted / 2**30:.0f} GiB, more than any GPU has: check the shape"
        )
    return sizes
