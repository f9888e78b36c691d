"""Runs a recorded plan in Numba's simulator, on real arrays, and counts memory traffic by warp.

The simulator starts one Python thread for each CUDA thread and lets the operating system mix them. Here
the threads of a block take turns on a single one, a greenlet each where they meet at barriers: some ten
times faster, in an order that is always the same.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import greenlet
import numpy as np
from numba.cuda.simulator import kernel as sim_kernel
from numba.cuda.simulator import kernelapi
from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray
from numba.cuda.simulator.kernelapi import Dim3

from autograder.evidence import Case, Coalescing, Fault, FaultKind, Launch, Outcome, Plan
from autograder.worker.cells import TimeIsUpError, describe, place, time_limit

SECTOR_BYTES = 32
REQUEST_BYTES = 128
WARP = 32
POISON = np.array(0x7FC0DEAD, np.uint32).view(np.float32)[()]
"""A NaN with a payload of its own: an output that still holds it was never written."""

BARRIERS = frozenset(
    [
        "syncthreads",
        "syncthreads_count",
        "syncthreads_and",
        "syncthreads_or",
        "syncwarp",
        "cg",
        "this_grid",
        "shfl_sync",
        "vote_sync",
    ]
)


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


def install() -> None:
    """Makes the simulator let the threads of a block take turns, and gives it a shared memory that knows more."""
    sim_kernel.BlockManager = TurnTaking
    kernelapi.FakeCUDAShared = Shared


class Shared:
    """Shared memory of a block: the simulator's own knows neither `alignment` nor dynamic arrays of NumPy's types.

    What was never written is poison: a tile with a hole gives NaN here, and on a GPU what another block left.
    """

    def __init__(self, dynshared_size: int) -> None:
        self._arrays: dict[tuple[str, int, int], Any] = {}
        self._dynamic = np.full(-(-dynshared_size // 4), POISON, np.float32)
        self._bytes = dynshared_size

    def array(self, shape: Any, dtype: Any, alignment: int | None = None) -> Any:
        """One array for each call in the code; all dynamic ones (shape 0) are the same memory."""
        kind = np.dtype(kernelapi.numpy_support.as_dtype(dtype) if isinstance(dtype, kernelapi.types.Type) else dtype)
        if shape == 0:
            return self._dynamic.view(np.uint8)[: self._bytes // kind.itemsize * kind.itemsize].view(kind)
        caller = sys._getframe(1)
        place = caller.f_code.co_filename, caller.f_lineno, caller.f_lasti  # a line may make two of them
        if place not in self._arrays:
            self._arrays[place] = np.full(shape, POISON if kind.kind == "f" else 0x5A, kind)
        return self._arrays[place]


class Turns(sim_kernel.BlockThread):  # type: ignore[misc]
    """The one thread that plays all threads of a block; a barrier hands over to the next of them."""

    def play(self, function: Any, args: Sequence[Any]) -> None:
        """Runs every thread of the block to its end.

        Each runs until it ends or meets a barrier; when all that are left wait, the barrier opens.
        Without a barrier that is one call after the other.
        """
        block = self._manager._block_dim
        places = [Dim3(x, y, z) for z in range(block[2]) for y in range(block[1]) for x in range(block[0])]
        if not uses_barrier(function):
            for number, self.threadIdx in enumerate(places):
                self.thread_id = number
                function(*args)
            return
        left = {number: greenlet.greenlet(function) for number in range(len(places))}
        first = True
        while left:
            for number, thread in list(left.items()):
                self.threadIdx, self.thread_id = places[number], number
                thread.switch(*(args if first else ()))
                if thread.dead:
                    del left[number]
            first = False

    def syncthreads(self) -> None:
        """Waits at a barrier: lets the block's other threads come here, or end."""
        greenlet.getcurrent().parent.switch()


class TurnTaking(sim_kernel.BlockManager):  # type: ignore[misc]
    """Runs a block's threads in turns on one thread; the order is always the same, and so is the time it takes."""

    def run(self, grid_point: Sequence[int], *args: Any) -> None:
        """Runs one block."""
        thread: Any = Turns(lambda: thread.play(self._f, args), self, grid_point, (0, 0, 0), False)
        thread.start()
        thread.join()
        if thread.exception:
            error, trace = thread.exception
            # The simulator named the thread that it started; ours moved on since.
            spot = f"thread {tuple(thread.threadIdx)} of block {tuple(thread.blockIdx)}"
            text = str(error).partition(": ")[2]
            raise type(error)(f"{spot}: {text}").with_traceback(trace)


def uses_barrier(function: Any, seen: set[int] | None = None) -> bool:
    """Whether a kernel, or a device function that it calls, waits for other threads."""
    seen = seen if seen is not None else set()
    function = getattr(function, "fn", function)
    code = getattr(function, "__code__", None)
    if code is None or id(code) in seen:
        return False
    seen.add(id(code))
    if BARRIERS & set(code.co_names):
        return True
    named = [function.__globals__.get(name) for name in code.co_names]
    named += [getattr(value, name, None) for value in named if inspect.ismodule(value) for name in code.co_names]
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # a name that its factory has not set yet
            named.append(cell.cell_contents)
    return any(uses_barrier(value, seen) for value in named if hasattr(value, "fn") or hasattr(value, "__code__"))


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
    if isinstance(error, IndexError):
        text = (
            f"{name} reaches outside an array{at}: {describe(error).removeprefix('IndexError: ')}. "
            "Compare the thread's coordinates with the output's shape, and each tap with the image, before you index."
        )
        return Fault(FaultKind.OUT_OF_BOUNDS, text, cell, line, case.id)
    return Fault(FaultKind.KERNEL_EXCEPTION, f"{name} raised {describe(error)}{at}.", cell, line, case.id)
