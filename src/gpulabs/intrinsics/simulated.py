"""Plain Python bodies of the device functions, for Numba's simulator.

They check what the hardware demands and a GPU punishes: an index that is a multiple of 4, all floats in bounds.
Copies arrive here as late as they may on a GPU, when the thread waits for them: a missing or too short wait shows.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

TF32_BITS = 0xFFFFE000
"""The upper 19 bits of a float32: all that a tensor core reads."""
HALF = 0x1000
INFINITY = 0x7F800000


@dataclass
class Copies:
    """What a thread has started to copy: (target, floats), in groups from the oldest on."""

    open: list[tuple[Any, Any]] = field(default_factory=list)
    groups: deque[list[tuple[Any, Any]]] = field(default_factory=deque)


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
    found = _floats("copy4_async", source, j, store=False).copy() if valid else np.zeros(4, np.float32)
    _copies().open.append((_floats("copy4_async", shared, i, store=True), found))


def commit_copies() -> None:
    """Closes a group of copies."""
    copies = _copies()
    copies.groups.append(copies.open)
    copies.open = []


def wait_copies(pending: int) -> None:
    """Lets all groups of copies but the newest few arrive."""
    groups = _copies().groups
    while len(groups) > pending:
        for target, floats in groups.popleft():
            target[:] = floats


def to_tf32(value: Any) -> Any:
    """Rounds a float32 to TF32's 10 bits of mantissa, ties away from zero."""
    bits = int(np.float32(value).view(np.uint32))
    if bits & INFINITY != INFINITY:  # infinity and NaN are cut, not rounded, as GPUs do
        bits += HALF
    return np.uint32(bits & TF32_BITS).view(np.float32)


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


def _copies() -> Copies:
    """The copies of the thread that asks; the block's manager keeps them."""
    thread: Any = threading.current_thread()
    table: dict[int, Copies] = vars(thread._manager).setdefault("_copies", {})
    return table.setdefault(thread.thread_id, Copies())


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
    return (np.float32(value).view(np.uint32) & np.uint32(TF32_BITS)).view(np.float32)
