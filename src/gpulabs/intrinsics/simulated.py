"""Plain Python bodies of the device functions, for Numba's simulator.

They check what the hardware demands and a GPU punishes: an index that is a multiple of 4, all floats in bounds.
Copies that are asynchronous on a GPU happen at once here, so a missing wait goes unnoticed.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np


def load1(array: Any, index: int) -> Any:
    """Loads one float at a flat index; see `gpulabs.intrinsics.device.load1`.

    Raises:
        IndexError: It does not lie in the array.
    """
    flat = getattr(array, "_ary", array).reshape(-1)
    if not 0 <= index < flat.size:
        raise IndexError(f"load1: index {index}, in an array of {flat.size} floats")
    _tell(array, index, 1, store=False)
    return flat[index]


def load4(array: Any, index: int) -> tuple[Any, Any, Any, Any]:
    """Loads four neighbouring floats; see `gpulabs.intrinsics.device.load4`.

    Raises:
        IndexError: They don't all lie in the array, or the index is no multiple of 4.
    """
    floats = _floats("load4", array, index, store=False)
    return floats[0], floats[1], floats[2], floats[3]


def store4(array: Any, index: int, a: Any, b: Any, c: Any, d: Any) -> None:
    """Stores four neighbouring floats; see `gpulabs.intrinsics.device.store4`.

    Raises:
        IndexError: They don't all lie in the array, or the index is no multiple of 4.
    """
    _floats("store4", array, index, store=True)[:] = a, b, c, d


def copy4_async(shared: Any, i: int, source: Any, j: int, valid: bool) -> None:
    """Copies four floats, or zeros where not valid; see `gpulabs.intrinsics.device.copy4_async`.

    Raises:
        IndexError: They don't all lie in their arrays, or an index is no multiple of 4.
    """
    found = _floats("copy4_async", source, j, store=False) if valid else 0
    _floats("copy4_async", shared, i, store=True)[:] = found


def commit_copies() -> None:
    """Closes a group of copies: nothing to do, they are done."""


def wait_copies(pending: int) -> None:
    """Waits for groups of copies: nothing to do, they are done."""


def to_tf32(value: Any) -> Any:
    """Rounds a float32 to TF32's 10 bits of mantissa, ties away from zero."""
    bits = np.float32(value).view(np.uint32)
    if (bits & 0x7F800000) == 0x7F800000:  # infinity and NaN stay
        return np.float32(value)
    return np.uint32((int(bits) + 0x1000) & 0xFFFFE000).view(np.float32)


def mma_tf32(
    a0: Any, a1: Any, a2: Any, a3: Any, b0: Any, b1: Any, c0: Any, c1: Any, c2: Any, c3: Any
) -> tuple[Any, Any, Any, Any]:
    """One warp's 16x8x8 multiply-add; see `gpulabs.intrinsics.device.mma_tf32`.

    All warps of the block must call it equally often: lanes meet at the block's barrier here.
    """
    thread: Any = threading.current_thread()
    lane, warp = thread.thread_id % 32, thread.thread_id // 32
    table = vars(thread._manager).setdefault("_tf32_fragments", {})
    a, b = table.setdefault(warp, (np.zeros((16, 8), np.float32), np.zeros((8, 8), np.float32)))
    g, t = lane // 4, lane % 4
    a[g, t], a[g + 8, t], a[g, t + 4], a[g + 8, t + 4] = (_truncated(value) for value in (a0, a1, a2, a3))
    b[t, g], b[t + 4, g] = _truncated(b0), _truncated(b1)
    thread.syncthreads()
    d = a[[g, g + 8]] @ b[:, [2 * t, 2 * t + 1]]
    thread.syncthreads()  # before a lane may bring its next fragment
    return c0 + d[0, 0], c1 + d[0, 1], c2 + d[1, 0], c3 + d[1, 1]


def _floats(name: str, array: Any, index: int, *, store: bool) -> Any:
    """A view of the four floats at a flat index; an array that counts its traffic hears of it."""
    flat = getattr(array, "_ary", array).reshape(-1)
    if index % 4:
        raise IndexError(f"{name}: index {index} is no multiple of 4; 16-byte accesses must be aligned")
    if not 0 <= index <= flat.size - 4:
        raise IndexError(f"{name}: index {index} and the three after it, in an array of {flat.size} floats")
    _tell(array, index, 4, store=store)
    return flat[index : index + 4]


def _tell(array: Any, index: int, floats: int, *, store: bool) -> None:
    """Tells an array that counts its traffic (a class of the grader's) of an access that goes past its own methods."""
    item = getattr(array, "_item", array)
    if hasattr(type(item), "note_vector"):
        item.note_vector(index, floats, store)


def _truncated(value: Any) -> Any:
    """What a tensor core reads of a float32: its upper 19 bits."""
    return (np.float32(value).view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)
