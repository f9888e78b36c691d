"""Turns Numba's CUDA interface into a recorder: launches are written down, nothing runs.

All that touches numba-cuda's internals on the worker's side is here. The same recorder serves the
compiler (real numba-cuda) and the simulator (NUMBA_ENABLE_CUDASIM=1), checked with 0.22 and 0.30.
"""

from __future__ import annotations

import importlib
import types as pytypes
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from numba import cuda

from autograder.evidence import Argument, ArraySpec, Launch
from autograder.worker.symbolic import SymbolicArray, SymbolicError, shape_of

# A convolution takes a handful of launches and arrays, a launch an image (batch 32) at the most; a loop
# that never ends is stopped here first. Constants are small tables, Winograd's matrices say.
MAX_LAUNCHES = 64
MAX_ARRAYS = 128
MAX_CONSTANTS = 4096
KEPT_OPTIONS = ("device", "fastmath", "inline", "max_registers", "launch_bounds")
"""Of @cuda.jit; the others say how to compile, which the grader does in its own way. The simulator takes three."""
FORALL_THREADS = 128
"""Threads a block for kernel.forall(n), where Numba would ask the device's occupancy calculator."""


class Recorder:
    """Arrays and launches of the host function that is running now.

    Args:
        compute_capability: What `cuda.get_current_device()` says, e.g. (7, 5).
        kernel_key: Called with (dispatcher, arguments); gives the key of the compiled kernel.
    """

    def __init__(self, compute_capability: tuple[int, int], kernel_key: Callable[[Any, Sequence[Any]], str]) -> None:
        self._kernel_key = kernel_key
        self.arrays: list[ArraySpec] = []
        self.launches: list[Launch] = []
        self.active = False
        self.device = pytypes.SimpleNamespace(
            compute_capability=compute_capability,
            name=b"a device that the grader plans for",
            MULTIPROCESSOR_COUNT=16,
            MAX_THREADS_PER_BLOCK=1024,
            WARP_SIZE=32,
            MAX_SHARED_MEMORY_PER_BLOCK=48 * 1024,
        )
        self._install()

    def start(self, x_shape: tuple[int, ...], w_shape: tuple[int, ...]) -> tuple[SymbolicArray, SymbolicArray]:
        """Forgets the last host function and makes the next one's inputs."""
        self.arrays, self.launches = [], []
        self.active = True
        return self._array("x", x_shape, np.float32), self._array("w", w_shape, np.float32)

    def view(self, array: SymbolicArray, shape: tuple[int, ...]) -> SymbolicArray:
        """Another shape of the same memory."""
        source = self.arrays[array.index]
        origin = array.index if source.view_of is None else source.view_of
        return self._array("view", shape, array.dtype, view_of=origin)

    def _array(self, role: str, shape: Any, dtype: Any, order: str = "C", **more: Any) -> SymbolicArray:
        dims = shape_of(shape, dtype)
        if len(self.arrays) >= MAX_ARRAYS:
            raise SymbolicError(f"makes more than {MAX_ARRAYS} arrays: reuse them")
        self.arrays.append(ArraySpec(role, dims, np.dtype(dtype).name, **more))
        return SymbolicArray(len(self.arrays) - 1, dims, dtype, order, self)

    def _device_array(
        self, shape: Any, dtype: Any = np.float64, strides: Any = None, order: str = "C", **_: Any
    ) -> Any:
        if strides is not None:
            raise SymbolicError("asks for an array with strides of its own: the grader plans C-ordered arrays")
        return self._array("temporary", shape, dtype, order)

    def _device_array_like(self, like: Any, **_: Any) -> SymbolicArray:
        return self._array("temporary", like.shape, like.dtype)

    def _to_device(self, data: Any, *_: Any, **__: Any) -> SymbolicArray:
        if isinstance(data, SymbolicArray):
            return data
        data = np.ascontiguousarray(data)
        flat = data.ravel()
        if flat.size and bool((flat == flat[0]).all()):
            return self._array("constant", data.shape, data.dtype, values=(float(flat[0]),))
        if flat.size > MAX_CONSTANTS:
            raise SymbolicError(f"sends a table of {flat.size} values to the device, more than {MAX_CONSTANTS}")
        return self._array("constant", data.shape, data.dtype, values=tuple(float(value) for value in flat))

    def _launch(self, kernel: Any, configuration: Sequence[Any], arguments: Sequence[Any]) -> None:
        if not self.active:
            raise SymbolicError("launches a kernel outside its host function: launch it inside")
        if len(self.launches) >= MAX_LAUNCHES:
            raise SymbolicError(f"launches more than {MAX_LAUNCHES} kernels: that is a loop that never ends")
        grid, block = _axes(configuration[0], "grid"), _axes(configuration[1], "block")
        shared = int(configuration[3]) if len(configuration) > 3 else 0
        arguments = [self._to_device(a) if isinstance(a, np.ndarray) else a for a in arguments]
        packed = tuple(_argument(value, position) for position, value in enumerate(arguments, start=1))
        self.launches.append(Launch(self._kernel_key(kernel, arguments), grid, block, shared, packed))

    def _install(self) -> None:
        recorder = self

        class Configured:
            def __init__(self, kernel: Any, configuration: Sequence[Any]) -> None:
                self._kernel, self._configuration = kernel, configuration

            def __call__(self, *arguments: Any) -> None:
                recorder._launch(self._kernel, self._configuration, arguments)

        def configure(kernel: Any, *configuration: Any) -> Configured:
            return Configured(kernel, configuration)

        def subscript(kernel: Any, configuration: Any) -> Configured:
            if not isinstance(configuration, tuple) or not 2 <= len(configuration) <= 4:
                raise ValueError("a launch is kernel[grid, block](...): give the grid and the block")
            return Configured(kernel, configuration)

        def forall(kernel: Any, ntasks: int, tpb: int = 0, stream: Any = 0, sharedmem: int = 0) -> Configured:
            threads = tpb or FORALL_THREADS
            return Configured(kernel, ((ntasks + threads - 1) // threads, threads, stream, sharedmem))

        kept = KEPT_OPTIONS[:3] if _simulated() else KEPT_OPTIONS
        kind = _kernel_class()
        kind.__getitem__, kind.configure, kind.forall = subscript, configure, forall
        _guard_bare_call(kind)
        jit = cuda.jit

        def lazy_jit(function: Any = None, *args: Any, **options: Any) -> Any:
            if options.get("link"):
                raise SymbolicError("links foreign code into a kernel: write the kernel in Python")
            # A signature would compile at once, for a device that is not here; types come with the launch.
            keep = {name: options[name] for name in kept if name in options}
            return jit(function, **keep) if callable(function) else jit(**keep)

        fakes: dict[str, Any] = {
            "jit": lazy_jit,
            "device_array": self._device_array,
            "device_array_like": self._device_array_like,
            "to_device": self._to_device,
            "synchronize": lambda: None,
            "stream": lambda: 0,
            "default_stream": lambda: 0,
            "get_current_device": lambda: self.device,
            "is_available": lambda: True,
        }
        for name, fake in fakes.items():
            setattr(cuda, name, fake)
        dispatcher = importlib.import_module("numba.cuda.dispatcher")
        if hasattr(dispatcher, "get_current_device"):
            # Compiling a device function asks for the current device's architecture.
            setattr(dispatcher, "get_current_device", fakes["get_current_device"])  # noqa: B010 (not in its type)


def _simulated() -> bool:
    from numba.core import config

    return bool(config.ENABLE_CUDASIM)


def _kernel_class() -> Any:
    if _simulated():
        from numba.cuda.simulator.kernel import FakeCUDAKernel

        return FakeCUDAKernel
    from numba.cuda.dispatcher import CUDADispatcher

    return CUDADispatcher


def _guard_bare_call(kind: Any) -> None:
    """Calling a kernel without a configuration is a slip, calling a device function is not."""
    call = kind.__call__

    def guarded(kernel: Any, *arguments: Any, **more: Any) -> Any:
        if any(isinstance(argument, SymbolicArray) for argument in arguments):
            _no_configuration(kernel)
        return call(kernel, *arguments, **more)

    kind.__call__ = guarded


def _no_configuration(kernel: Any) -> NoReturn:
    name = kernel.py_func.__name__
    raise ValueError(f"kernel {name} is called without a launch configuration: write {name}[grid, block](...)")


def _axes(size: Any, what: str) -> tuple[int, int, int]:
    axes = tuple(size) if isinstance(size, tuple | list) else (size,)
    if not 1 <= len(axes) <= 3:
        raise ValueError(f"{what} {size!r} has {len(axes)} axes: a launch has 1 to 3")
    for axis in axes:
        if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
            raise TypeError(f"{what} {axes}: {axis!r} is a {type(axis).__name__}, not an integer: divide with //")
        if axis < 1:
            raise ValueError(f"{what} {axes}: every axis needs at least 1")
    padded = (*(int(axis) for axis in axes), 1, 1)
    return padded[0], padded[1], padded[2]


def _argument(value: Any, position: int) -> Argument:
    if isinstance(value, SymbolicArray):
        return Argument(value.index, None, f"array({value.dtype.name}, {value.ndim}d, {value.order})")
    if isinstance(value, bool | np.bool_):
        return Argument(None, bool(value), "boolean")
    if isinstance(value, int | np.int64):
        return Argument(None, int(value), "int64")
    if isinstance(value, float | np.float64):
        return Argument(None, float(value), "float64")
    if isinstance(value, np.integer | np.floating):
        return Argument(None, value.item(), value.dtype.name)
    raise SymbolicError(
        f"passes {type(value).__name__} as argument {position} of a kernel: kernels take arrays and numbers "
        "(spread a tuple or a string into numbers)"
    )
