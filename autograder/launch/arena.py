"""One allocation for all arrays of a run, with guard bands around each.

Guards and poison are quiet NaNs with a payload of their own: a kernel that reads past an array
spoils its result instead of finding a harmless zero, and one that writes past it leaves a trace.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autograder.evidence import ArraySpec
from autograder.launch.gpu import Gpu, GpuFault

GUARD_WORD = 0x7FC0A5A5
POISON_WORD = 0x7FC0BEEF
ALIGNMENT = 256  # what cudaMalloc gives, so that vector loads work as they would in a student's own run
SMALLEST_GUARD, LARGEST_GUARD = 64 << 10, 4 << 20
PAGE = 2 << 20
"""What the driver maps at least: the last guard fills it up, so that no memory behind the arrays goes unwatched."""


@dataclass(frozen=True)
class Layout:
    """Where arrays and guards lie.

    Attributes:
        offsets: Of each array; a view has its origin's.
        guards: (offset, size) of each band, one before the first array and one after each.
        size: Of the whole allocation.
    """

    offsets: tuple[int, ...]
    guards: tuple[tuple[int, int], ...]
    size: int


def array_bytes(spec: ArraySpec) -> int:
    """Bytes of an array."""
    return math.prod(spec.shape) * np.dtype(spec.dtype).itemsize


def guard_bytes(spec: ArraySpec) -> int:
    """Width of the band behind an array.

    One step along the first axis (an image), so that the commonest overrun, one index too far
    along any axis, lands in the band and not in the next array; within limits for tiny and huge arrays.
    """
    step = array_bytes(spec) // max(spec.shape[0], 1) if spec.shape else 0
    return _aligned(min(max(step, SMALLEST_GUARD), LARGEST_GUARD))


def lay_out(specs: Sequence[ArraySpec]) -> Layout:
    """Places arrays one after the other, each between two guards; views lie where their origins lie."""
    guards = [(0, SMALLEST_GUARD)]
    offsets: list[int] = []
    position = SMALLEST_GUARD
    for spec in specs:
        if spec.view_of is not None:
            offsets.append(offsets[spec.view_of])
            continue
        offsets.append(position)
        end = position + _words(array_bytes(spec)) * 4
        position = _aligned(end) + guard_bytes(spec)
        guards.append((end, position - end))
    start, _ = guards.pop()
    whole = -(-position // PAGE) * PAGE
    guards.append((start, whole - start))
    return Layout(tuple(offsets), tuple(guards), whole)


class Arena:
    """The arrays of a run in GPU memory; close it to free them."""

    def __init__(self, gpu: Gpu, specs: Sequence[ArraySpec]) -> None:
        """Allocates, writes the guards and poisons everything else."""
        self.gpu, self.specs, self.layout = gpu, tuple(specs), lay_out(specs)
        self._base = gpu.allocate(self.layout.size)
        for offset, size in self.layout.guards:
            gpu.fill(self._base + offset, GUARD_WORD, size // 4)
        for index, spec in enumerate(self.specs):
            if spec.view_of is None:
                self.poison(index)

    def address(self, index: int) -> int:
        """Device address of an array."""
        return self._base + self.layout.offsets[index]

    def poison(self, index: int) -> None:
        """Fills an array with poison, in stream order."""
        self.gpu.fill(self.address(index), POISON_WORD, _words(array_bytes(self.specs[index])))

    def upload(self, index: int, values: npt.NDArray[Any]) -> None:
        """Copies an array to the GPU."""
        if values.size:
            self.gpu.upload(self.address(index), np.ascontiguousarray(values).reshape(-1).view(np.uint8))

    def set_constant(self, index: int, spec: ArraySpec) -> None:
        """Writes a constant's values; a single 4-byte value is filled in on the GPU, in stream order."""
        if len(spec.values) == 1 and np.dtype(spec.dtype).itemsize == 4:
            word = int(np.asarray(spec.values, spec.dtype).view(np.uint32)[0])
            self.gpu.fill(self.address(index), word, _words(array_bytes(spec)))
        else:
            self.upload(index, constant(spec))

    def download(self, index: int) -> npt.NDArray[Any]:
        """Copies an array back."""
        spec = self.specs[index]
        raw = self.gpu.download(self.address(index), array_bytes(spec))
        return raw.view(spec.dtype).reshape(spec.shape)

    def guards_intact(self) -> bool:
        """Whether every guard still holds its pattern."""
        return all(
            bool(np.all(self.gpu.download(self._base + offset, size).view(np.uint32) == GUARD_WORD))
            for offset, size in self.layout.guards
        )

    def close(self) -> None:
        """Frees the memory; silent in a context that a kernel has ruined, where nothing can be freed."""
        with contextlib.suppress(GpuFault):
            self.gpu.free(self._base)


def count_poison(values: npt.NDArray[Any]) -> int:
    """Elements that were never written.

    Exact for elements of 4 and 8 bytes. Smaller ones can't hold the pattern: they count as written.
    """
    if values.dtype.itemsize not in (4, 8):
        return 0
    words = np.ascontiguousarray(values).reshape(-1).view(np.uint32) == POISON_WORD
    return int(np.count_nonzero(words.reshape(values.size, -1).all(axis=1))) if values.size else 0


def constant(spec: ArraySpec) -> npt.NDArray[Any]:
    """A constant's values; a single one fills the array."""
    if len(spec.values) == 1:
        return np.full(spec.shape, spec.values[0], spec.dtype)
    return np.asarray(spec.values, spec.dtype).reshape(spec.shape)


def _words(size: int) -> int:
    return -(-size // 4)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
