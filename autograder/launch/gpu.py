"""The GPU as the launcher needs it; the only module that knows cuda.core and its versions.

cuda.core (0.3 as `cuda.core.experimental`, 1.x as `cuda.core`) gives the device, the stream,
the kernels and the launch; plain copies, fills and events go through the driver's bindings,
which kept their form from CUDA 12 to 13.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from autograder.evidence import FaultKind
from gpulabs.errors import GraderError, MissingGpuError, MissingPackageError

PLAIN_SHARED_BYTES = 48 << 10
"""Dynamic shared memory of a block beyond this has to be asked for."""

Bytes = npt.NDArray[np.uint8]

ANSWERS: dict[str, tuple[FaultKind, bool, str]] = {
    "OUT_OF_MEMORY": (FaultKind.OUT_OF_MEMORY, False, "the GPU has not enough memory for its arrays"),
    "ILLEGAL_ADDRESS": (FaultKind.OUT_OF_BOUNDS, True, "it reads or writes outside of all arrays: check your indices"),
    "INVALID_ADDRESS_SPACE": (FaultKind.OUT_OF_BOUNDS, True, "it uses an address of the wrong kind of memory"),
    "MISALIGNED_ADDRESS": (FaultKind.OUT_OF_BOUNDS, True, "a vector access is not aligned to its size"),
    "LAUNCH_OUT_OF_RESOURCES": (
        FaultKind.KERNEL_EXCEPTION,
        False,
        "its block needs more registers than an SM has: use fewer threads a block",
    ),
    "INVALID_VALUE": (FaultKind.KERNEL_EXCEPTION, False, "the GPU refuses this grid, block or shared memory"),
    "LAUNCH_TIMEOUT": (FaultKind.KERNEL_TIMEOUT, True, "it ran longer than the display driver allows"),
    "ILLEGAL_INSTRUCTION": (FaultKind.KERNEL_EXCEPTION, True, "it stopped itself with a trap"),
    "ASSERT": (FaultKind.KERNEL_EXCEPTION, True, "an assertion in it failed"),
    "LAUNCH_FAILED": (
        FaultKind.KERNEL_EXCEPTION,
        True,
        "it crashed: shared memory indexed out of its bounds, most often",
    ),
    "HARDWARE_STACK_ERROR": (FaultKind.KERNEL_EXCEPTION, True, "its stack overflowed: a recursion, most often"),
    "INVALID_PC": (FaultKind.KERNEL_EXCEPTION, True, "it jumped out of its own code"),
}
"""CUDA's error -> (fault, whether the context is lost, the sentence's second half)."""


class GpuFault(Exception):
    """The GPU refused or aborted what was asked; `sticky` when the process can do nothing more."""

    def __init__(self, name: str) -> None:
        """Takes CUDA's name of the error, without `CUDA_ERROR_`."""
        super().__init__(name)
        self.name = name
        unknown = (FaultKind.KERNEL_EXCEPTION, True, f"the GPU reports {name}")
        self.kind, self.sticky, self.sentence = ANSWERS.get(name, unknown)


class Gpu(Protocol):
    """What the launcher asks of a GPU; tests have one without any hardware."""

    name: str
    architecture: str
    l2_bytes: int

    def allocate(self, size: int) -> int:
        """Allocates bytes; returns the address."""

    def free(self, address: int) -> None:
        """Frees what `allocate` returned."""

    def upload(self, address: int, data: Bytes) -> None:
        """Copies to the GPU and waits."""

    def download(self, address: int, size: int) -> Bytes:
        """Waits for all work, copies from the GPU."""

    def fill(self, address: int, word: int, words: int) -> None:
        """Writes a 32-bit word many times, in stream order."""

    def load(self, cubin: bytes, entry: str) -> Any:
        """Loads machine code; returns its kernel."""

    def launch(
        self, kernel: Any, grid: tuple[int, ...], block: tuple[int, ...], shared_bytes: int, values: Sequence[Any]
    ) -> None:
        """Launches in stream order."""

    def mark(self) -> Any:
        """Records a timing event in stream order."""

    def elapsed_ms(self, start: Any, end: Any) -> float:
        """Waits for `end`; time between two marks."""

    def synchronize(self) -> None:
        """Waits for all work; raises what it ended in."""


def error_name(error: BaseException) -> str | None:
    """CUDA's name in an exception of cuda.core or of the bindings: `ILLEGAL_ADDRESS`."""
    match = re.search(r"CUDA_ERROR_(\w+)", str(error))
    return match.group(1) if match else None


class CudaGpu:
    """A real GPU through cuda.core, on a stream of its own."""

    def __init__(self, device: int = 0) -> None:
        """Opens the device's primary context in this process.

        Raises:
            MissingPackageError: cuda.core is not installed.
            MissingGpuError: There is no driver or no such GPU.
        """
        try:
            from cuda.bindings import driver

            core = _core()
        except ImportError as error:
            raise MissingPackageError(f'launching needs cuda-core: pip install "numba-cuda[cu12]" ({error})') from error
        self._driver, self._core = driver, core
        try:
            self._device = core.Device(device)
            self._device.set_current()
        except Exception as error:
            raise MissingGpuError(f"no usable GPU: {error}") from error
        self._stream = self._device.create_stream()
        self._raw_device = driver.CUdevice(device)
        self._raw_stream = driver.CUstream(int(self._stream.handle))
        major, minor = self._device.compute_capability
        self.name = str(self._device.name)
        self.architecture = f"sm_{major}{minor}"
        self.l2_bytes = int(self._device.properties.l2_cache_size)
        self._modules: list[Any] = []
        self._configs: dict[Any, Any] = {}

    @property
    def stream(self) -> int:
        """The stream's handle, for libraries that run on it."""
        return int(self._stream.handle)

    def allocate(self, size: int) -> int:
        """Allocates bytes; returns the address."""
        return int(self._call(self._driver.cuMemAlloc(size))[0])

    def free(self, address: int) -> None:
        """Frees what `allocate` returned."""
        self._call(self._driver.cuMemFree(address))

    def upload(self, address: int, data: Bytes) -> None:
        """Copies to the GPU and waits; on the stream, for a plain copy is not ordered with its kernels."""
        data = np.ascontiguousarray(data)
        self._call(self._driver.cuMemcpyHtoDAsync(address, data.ctypes.data, data.nbytes, self._raw_stream))
        self.synchronize()

    def download(self, address: int, size: int) -> Bytes:
        """Waits for all work, copies from the GPU."""
        data: Bytes = np.empty(size, np.uint8)
        if size:
            self._call(self._driver.cuMemcpyDtoHAsync(data.ctypes.data, address, size, self._raw_stream))
        self.synchronize()
        return data

    def fill(self, address: int, word: int, words: int) -> None:
        """Writes a 32-bit word many times, in stream order."""
        if words:
            self._call(self._driver.cuMemsetD32Async(address, word, words, self._raw_stream))

    def load(self, cubin: bytes, entry: str) -> Any:
        """Loads machine code; returns its kernel."""
        try:
            module = self._core.ObjectCode.from_cubin(cubin)
            kernel = module.get_kernel(entry)
        except Exception as error:
            raise self._translate(error) from error
        self._modules.append(module)  # a kernel is only valid as long as its module
        return kernel

    def launch(
        self, kernel: Any, grid: tuple[int, ...], block: tuple[int, ...], shared_bytes: int, values: Sequence[Any]
    ) -> None:
        """Launches in stream order."""
        key = id(kernel), grid, block, shared_bytes
        if shared_bytes > PLAIN_SHARED_BYTES and key not in self._configs:
            self._allow_shared(kernel, shared_bytes)
        try:
            if key not in self._configs:  # made once: in a timed run it would only delay the launch
                self._configs[key] = self._core.LaunchConfig(grid=grid, block=block, shmem_size=shared_bytes)
            config = self._configs[key]
            self._core.launch(self._stream, config, kernel, *values)
        except Exception as error:
            fault = self._translate(error)
            if isinstance(fault, GpuFault) and fault.name == "LAUNCH_OUT_OF_RESOURCES":
                threads, registers = math.prod(block), kernel_attribute(kernel, "num_regs")
                fault.sentence = (
                    f"a block of {threads} threads with {registers} registers each is more than a multiprocessor "
                    "holds: use fewer threads a block"
                )
            raise fault from error

    def _allow_shared(self, kernel: Any, shared_bytes: int) -> None:
        """Asks for more dynamic shared memory than a block gets unasked."""
        attribute = self._driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        handle = getattr(kernel, "handle", None) or kernel._handle  # a property since cuda.core 1.0
        if isinstance(handle, self._driver.CUfunction):  # what older ones load
            self._call(self._driver.cuFuncSetAttribute(handle, attribute, shared_bytes))
        else:
            self._call(self._driver.cuKernelSetAttribute(attribute, shared_bytes, handle, self._raw_device))

    def mark(self) -> Any:
        """Records a timing event in stream order."""
        event = self._call(self._driver.cuEventCreate(0))[0]
        self._call(self._driver.cuEventRecord(event, self._raw_stream))
        return event

    def elapsed_ms(self, start: Any, end: Any) -> float:
        """Waits for `end`; time between two marks, which are used up by this."""
        self._call(self._driver.cuEventSynchronize(end))
        elapsed = float(self._call(self._driver.cuEventElapsedTime(start, end))[0])
        for event in (start, end):
            self._call(self._driver.cuEventDestroy(event))
        return elapsed

    def synchronize(self) -> None:
        """Waits for all work; raises what it ended in."""
        self._call(self._driver.cuStreamSynchronize(self._raw_stream))

    def _call(self, answer: tuple[Any, ...]) -> tuple[Any, ...]:
        status, *values = answer
        if int(status) != 0:
            raise GpuFault(str(getattr(status, "name", status)).removeprefix("CUDA_ERROR_"))
        return tuple(values)

    def _translate(self, error: Exception) -> Exception:
        name = error_name(error)
        return GpuFault(name) if name else GraderError(f"launch: {type(error).__name__}: {error}")


def kernel_attribute(kernel: Any, name: str) -> int:
    """A kernel's attribute, e.g. `num_regs`: a property in cuda.core 1.x, a method before."""
    value = getattr(kernel.attributes, name)
    return int(value() if callable(value) else value)


def _core() -> Any:
    import cuda.core

    if hasattr(cuda.core, "Device"):
        return cuda.core
    import cuda.core.experimental

    return cuda.core.experimental
