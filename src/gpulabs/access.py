"""How a GPU moves data: a warp's 32 accesses become sectors of global memory, or passes over shared memory.

Source: NVIDIA, "CUDA C++ Best Practices Guide", sections "Coalesced access to global memory" and "Shared memory
and memory banks".
"""

from __future__ import annotations

from collections.abc import Iterable

WARP_SIZE = 32
SECTOR_BYTES = 32
FLOAT_BYTES = 4
BANKS = 32


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


def bank_words(words: Iterable[int]) -> dict[int, list[int]]:
    """The different words that a warp asks each bank of shared memory for.

    Args:
        words: Indices of float32 words in shared memory, one a thread.

    Returns:
        Bank -> its words, each once, in the order of the threads; banks without a word are left out.

    Example:
        >>> bank_words([0, 32, 32, 5])
        {0: [0, 32], 5: [5]}
    """
    banks: dict[int, list[int]] = {}
    for word in words:
        found = banks.setdefault(word % BANKS, [])
        if word not in found:
            found.append(word)
    return banks


def bank_passes(words: Iterable[int]) -> int:
    """Passes that a warp's access to shared memory takes: a bank delivers one word a pass.

    Args:
        words: Indices of float32 words in shared memory, one a thread.

    Example:
        >>> bank_passes(range(32)), bank_passes(range(0, 64, 2)), bank_passes([7] * 32)
        (1, 2, 1)
    """
    return max(len(found) for found in bank_words(words).values())
