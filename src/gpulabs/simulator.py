"""Numba's simulator, mended: it takes what a GPU takes, the same in a notebook as in the grader.

    install()    where NUMBA_ENABLE_CUDASIM=1 came before Numba's import; before kernels are defined

The simulator starts one Python thread for each CUDA thread and lets the operating system mix them. Here the threads
of a block take turns on a single one, a greenlet each where they meet at barriers: some ten times faster, in an order
that is always the same. Shared memory knows `alignment`, several arrays of one line and dynamic arrays of NumPy's
types; `cuda.jit` takes options that only matter to a compiler.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import greenlet
import numpy as np
from numba import cuda
from numba.cuda.simulator import kernel as sim_kernel
from numba.cuda.simulator import kernelapi
from numba.cuda.simulator.kernelapi import Dim3

POISON = np.array(0x7FC0DEAD, np.uint32).view(np.float32)[()]
"""A NaN with a payload of its own: memory that still holds it was never written."""

COMPILER_ONLY = ("launch_bounds", "lineinfo", "max_registers")
"""Options of `cuda.jit` that say how to compile: a GPU's decorator takes them, the simulator's does not."""

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


def install() -> None:
    """Mends the simulator of this process; once is enough, again does no harm."""
    sim_kernel.BlockManager = TurnTaking
    kernelapi.FakeCUDAShared = Shared
    if not hasattr(cuda.jit, "mends"):
        cuda.jit = _tolerant(cuda.jit)


def _tolerant(jit: Callable[..., Any]) -> Callable[..., Any]:
    """The simulator's decorator, which passes over what only a compiler needs."""

    @functools.wraps(jit)
    def mended(*arguments: Any, **options: Any) -> Any:
        return jit(*arguments, **{name: value for name, value in options.items() if name not in COMPILER_ONLY})

    mended.mends = jit  # type: ignore[attr-defined]
    return mended


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
