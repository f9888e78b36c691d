"""Runs a recorded plan in Numba's simulator, on real arrays, and counts memory traffic by warp.

The simulator is the one of notebooks, `gpulabs.simulator`.
"""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

from autograder.evidence import Case, Coalescing, Fault, FaultKind, Launch, Outcome, Plan
from autograder.worker.cells import TimeIsUpError, describe, place, time_limit
from gpulabs.simulator import POISON

SECTOR_BYTES = 32
REQUEST_BYTES = 128
WARP = 32


class Traffic:
    """Loads and stores of one launch, grouped by warp and by place in the code."""

    def __init__(self) -> None:
        self._sectors: dict[tuple[Any, ...], set[int]] = defaultdict(set)
        self._counts: dict[tuple[Any, ...], int] = defaultdict(int)

    def add(self, array: int, store: bool, byte: int, size: int, frame: Any) -> None:
        """Notes one thread's access; the n-th time at one place of the code is one request of its warp.

        Memory serves 128 bytes at a time, so that an access of 16 bytes is a request for every 8 threads: 4 sectors
        are ideal for it too.
        """
        thread: Any = threading.current_thread()
        block = (thread.blockIdx.x, thread.blockIdx.y, thread.blockIdx.z)
        # By line, not by bytecode: Python moves f_lasti when it specialises a hot instruction.
        site = (array, store, frame.f_code, frame.f_lineno)
        counter = (block, thread.thread_id, site)
        turn = self._counts[counter]
        self._counts[counter] = turn + 1
        together = WARP if size <= 8 else REQUEST_BYTES // size
        sectors = self._sectors[block, thread.thread_id // together, site, turn]
        sectors.add(byte // SECTOR_BYTES)
        sectors.add((byte + size - 1) // SECTOR_BYTES)

    def total(self, kernel: str) -> Coalescing:
        """Requests and sectors of the launch."""
        loads = [len(s) for key, s in self._sectors.items() if not key[2][1]]
        stores = [len(s) for key, s in self._sectors.items() if key[2][1]]
        return Coalescing(kernel, len(loads), sum(loads), len(stores), sum(stores))


class TracedArray(FakeCUDAArray):  # type: ignore[misc]
    """A simulated device array that notes each element access in `Traffic`."""

    def __init__(self, ary: Any, number: int, traffic: Traffic) -> None:
        super().__init__(ary)
        self._number, self._traffic = number, traffic

    def _note(self, index: Any, store: bool) -> None:
        axes = index if isinstance(index, tuple) else (index,)
        ary = self._ary
        if len(axes) == ary.ndim and all(isinstance(axis, int | np.integer) for axis in axes):
            offset = sum(int(a) % n * s for a, n, s in zip(axes, ary.shape, ary.strides, strict=True))
            # Two frames up: the kernel, above the array's wrapper and this class's own method.
            self._traffic.add(self._number, store, offset, ary.itemsize, sys._getframe(3))

    def note_vector(self, index: int, count: int, store: bool) -> None:
        """Notes one access to several neighbouring elements at a flat index: `load4` and its like."""
        size, frame = self._ary.itemsize, sys._getframe(1)
        while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("gpulabs.intrinsics"):
            frame = frame.f_back  # up to the kernel, above the intrinsic and its helpers
        self._traffic.add(self._number, store, index * size, count * size, frame)

    def __getitem__(self, index: Any) -> Any:
        value = super().__getitem__(index)
        self._note(index, store=False)
        return value

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value)
        self._note(index, store=True)


def run_plan(
    plan: Plan, replay: Sequence[tuple[Any, Launch]], case: Case, x: Any, w: Any, *, trace: bool, seconds: float
) -> tuple[Outcome, Any]:
    """Runs a plan's launches.

    Args:
        plan: The recorded plan.
        replay: Its kernels and launches, in order.
        case: For messages.
        x: Input, NHWC float32.
        w: Filter, HWIO float32.
        trace: Whether to count memory traffic.
        seconds: Limit for all launches of the case.

    Returns:
        The outcome, and the output array or None.
    """
    arrays = _allocate(plan, x, w)
    traffics: list[Coalescing] = []
    try:
        with time_limit(seconds):
            for kernel, launch in replay:
                traffic = Traffic() if trace else None
                _launch(kernel, launch, arrays, traffic)
                if traffic:
                    traffics.append(traffic.total(kernel.__name__))
    except BaseException as error:
        return Outcome(case.id, _kernel_fault(error, kernel.__name__, case, seconds)), None
    y = arrays[plan.result or 0]
    poisoned = int((y.view(np.uint32) == POISON.view(np.uint32)).sum()) if y.dtype == np.float32 else 0
    intact = np.array_equal(arrays[0], x, equal_nan=True) and np.array_equal(arrays[1], w, equal_nan=True)
    return Outcome(case.id, None, poisoned, True, bool(intact), tuple(traffics)), y


def _allocate(plan: Plan, x: Any, w: Any) -> list[Any]:
    arrays: list[Any] = [x.copy(), w.copy()]
    for spec in plan.arrays[2:]:
        if spec.view_of is not None:
            arrays.append(arrays[spec.view_of].reshape(spec.shape))
        elif spec.role == "constant":
            values = np.array(spec.values, spec.dtype)
            arrays.append(np.full(spec.shape, values[0]) if values.size == 1 else values.reshape(spec.shape))
        else:
            poison = POISON if np.dtype(spec.dtype).kind == "f" else 0x5A
            arrays.append(np.full(spec.shape, poison, spec.dtype))
    return arrays


def _launch(kernel: Any, launch: Launch, arrays: Sequence[Any], traffic: Traffic | None) -> None:
    values: list[Any] = []
    for argument in launch.arguments:
        if argument.array is None:
            kind = None if argument.type in ("int64", "float64", "boolean") else np.dtype(argument.type).type
            values.append(kind(argument.scalar) if kind else argument.scalar)
        elif traffic:
            values.append(TracedArray(arrays[argument.array], argument.array, traffic))
        else:
            values.append(FakeCUDAArray(arrays[argument.array]))
    kernel.grid_dim, kernel.block_dim = launch.grid, launch.block
    kernel.dynshared_size = launch.shared_bytes
    kernel(*values)


def _kernel_fault(error: BaseException, name: str, case: Case, seconds: float) -> Fault:
    cell, line = place(error)
    at = f" (cell {cell}, line {line})" if cell else ""
    if isinstance(error, TimeIsUpError):
        text = f"{name} did not end within {seconds:g} s in the simulator: a loop in the kernel never ends{at}."
        return Fault(FaultKind.KERNEL_TIMEOUT, text, cell, line, case.id)
    if isinstance(error, IndexError) and "no multiple of 4" in str(error):
        text = (
            f"{name} makes a 16-byte access at an odd place{at}: {describe(error).removeprefix('IndexError: ')}. "
            "Take another kernel where the axis whose neighbours you load is no multiple of 4."
        )
        return Fault(FaultKind.OUT_OF_BOUNDS, text, cell, line, case.id)
    if isinstance(error, IndexError):
        text = (
            f"{name} reaches outside an array{at}: {describe(error).removeprefix('IndexError: ')}. "
            "Compare the thread's coordinates with the output's shape, and each tap with the image, before you index."
        )
        return Fault(FaultKind.OUT_OF_BOUNDS, text, cell, line, case.id)
    return Fault(FaultKind.KERNEL_EXCEPTION, f"{name} raised {describe(error)}{at}.", cell, line, case.id)
