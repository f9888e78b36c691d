"""How a GPU moves data: a warp's 32 accesses become sectors of 32 bytes.

Source: NVIDIA, "CUDA C++ Best Practices Guide", section "Coalesced access to global memory".
"""

from __future__ import annotations

from collections.abc import Iterable

WARP_SIZE = 32
SECTOR_BYTES = 32
FLOAT_BYTES = 4


def sectors(words: Iterable[int], word_bytes: int = FLOAT_BYTES) -> set[int]:
    """The sectors that hold these words of one array.

    Args:
        words: Flat indices into the array, one a thread.
        word_bytes: Size of an element; 4 for float32.

    Returns:
        Numbers of the sectors; their count times 32 bytes is what the GPU moves.

    Example:
        >>> len(sectors(range(32)))
        4
        >>> len(sectors(range(0, 32 * 64, 64)))
        32
    """
    return {word * word_bytes // SECTOR_BYTES for word in words}


def flat_index(index: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Where an element of a C-order array lies in memory, counted in elements.

    Example:
        >>> flat_index((0, 1, 2), (2, 3, 4))
        6
    """
    position = 0
    for i, extent in zip(index, shape, strict=True):
        position = position * extent + i
    return position
