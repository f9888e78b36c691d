"""The device header of every table and report: what it ran on, with which versions.

Nothing is asked at import, and no question here creates a CUDA context or imports TensorFlow.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
import importlib.metadata
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpulabs.errors import MissingGpuError

CORES_PER_SM: dict[tuple[int, int], int] = {
    (6, 0): 64, (6, 1): 128, (7, 0): 64, (7, 5): 64, (8, 0): 64, (8, 6): 128, (8, 7): 128, (8, 9): 128,
    (9, 0): 128, (10, 0): 128, (10, 3): 128, (12, 0): 128, (12, 1): 128,
}  # fmt: skip
"""float32 cores of a multiprocessor. Source: CUDA C++ Programming Guide, throughput of arithmetic instructions."""

_MULTIPROCESSOR_COUNT, _L2_CACHE_SIZE = 16, 38  # CUdevice_attribute

PACKAGES = ("numpy", "numba", "numba-cuda", "cuda-core", "tensorflow", "keras", "torch")


@dataclass(frozen=True)
class DeviceHeader:
    """What a result was measured on.

    Attributes:
        os: Name and version.
        cpu: Its name.
        cpu_cores: Cores this process may use.
        gpu: The GPU's name, or None without one.
        compute_capability: e.g. `9.0`.
        multiprocessors: Number of SMs.
        memory_gb: Of the GPU, 10^9 bytes.
        l2_mb: L2 cache, 2^20 bytes; None where only the driver knows.
        driver: Driver version.
        cuda: Newest CUDA that the driver runs.
        cudnn: Version of the installed cuDNN package.
        peak_gflops: float32 peak without tensor cores, at the highest clock.
        bandwidth_gb_s: Peak of the GPU's memory, 10^9 bytes a second.
        packages: Name -> version of what is installed of `PACKAGES`, and Python.
    """

    os: str
    cpu: str
    cpu_cores: int
    gpu: str | None = None
    compute_capability: str | None = None
    multiprocessors: int | None = None
    memory_gb: float | None = None
    l2_mb: float | None = None
    driver: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    peak_gflops: float | None = None
    bandwidth_gb_s: float | None = None
    packages: dict[str, str] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and for `Result.device`."""
        return dataclasses.asdict(self)

    def line(self) -> str:
        """One line for the top of a table."""
        if self.gpu is None:
            return f"no GPU; {self.cpu}, {self.cpu_cores} cores, {self.os}"
        return (
            f"{self.gpu} (compute capability {self.compute_capability}, {self.multiprocessors} SMs, "
            f"{self.memory_gb:.0f} GB), driver {self.driver}, CUDA {self.cuda}; {self.cpu}, {self.cpu_cores} cores"
        )


def header(device: int = 0) -> DeviceHeader:
    """Collects the header; without a GPU its GPU fields are None."""
    base = DeviceHeader(
        os=f"{platform.system()} {platform.release()}",
        cpu=cpu_name(),
        cpu_cores=cpu_cores(),
        cudnn=_first_version("nvidia-cudnn-cu13", "nvidia-cudnn-cu12"),
        packages=versions(),
    )
    with nvml_session() as nvml:
        if nvml is None:
            return base
        try:
            return dataclasses.replace(base, **_gpu_fields(nvml, nvml_device(nvml, device), device))
        except nvml.NVMLError:
            return base


def has_gpu() -> bool:
    """Whether there is a GPU with a working driver; asks NVML, creates no context.

    `CUDA_VISIBLE_DEVICES=""` and `-1` hide all GPUs, here as in CUDA.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    with nvml_session() as nvml:
        if nvml is not None:
            with contextlib.suppress(nvml.NVMLError):
                return int(nvml.nvmlDeviceGetCount()) > 0
    return _driver_attribute(0, _MULTIPROCESSOR_COUNT) is not None  # boards without NVML


def gpu_count() -> int:
    """How many GPUs this process may use; asks NVML, creates no context."""
    if not has_gpu():
        return 0
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    with nvml_session() as nvml:
        if nvml is not None:
            with contextlib.suppress(nvml.NVMLError):
                count = int(nvml.nvmlDeviceGetCount())
                return min(len(visible), count) if visible else count
    return 1


def architecture(device: int = 0) -> str:
    """The GPU's architecture as the assembler names it, e.g. `sm_90`.

    Raises:
        MissingGpuError: There is no GPU.
    """
    with nvml_session() as nvml:
        if nvml is not None:
            with contextlib.suppress(nvml.NVMLError):
                major, minor = nvml.nvmlDeviceGetCudaComputeCapability(nvml_device(nvml, device))
                return f"sm_{major}{minor}"
    raise MissingGpuError("no GPU: no NVIDIA driver answers on this machine; `gpulabs doctor` says more")


def identity(device: int = 0) -> str:
    """What tells the GPU from others of this machine, whoever can see how many: its UUID, or else its number."""
    with nvml_session() as nvml:
        if nvml is not None:
            with contextlib.suppress(nvml.NVMLError):
                return _text(nvml.nvmlDeviceGetUUID(nvml_device(nvml, device)))
    return str(device)


def nvml_device(nvml: Any, device: int = 0) -> Any:
    """NVML's handle of the GPU that CUDA calls `device`: NVML itself ignores `CUDA_VISIBLE_DEVICES`.

    Args:
        nvml: The module `pynvml`, started.
        device: CUDA's number.
    """
    name = cuda_name(device)
    if name.isdecimal():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    return nvml.nvmlDeviceGetHandleByUUID(name)


def cuda_name(device: int) -> str:
    """The GPU that CUDA calls `device` here, as `CUDA_VISIBLE_DEVICES` of a child process names it."""
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return visible[device] if device < len(visible) else str(device)


def peak_gflops(compute_capability: tuple[int, int], multiprocessors: int, clock_mhz: float) -> float | None:
    """float32 peak without tensor cores: 2 operations (a fused multiply-add) a core and cycle.

    Args:
        compute_capability: (major, minor).
        multiprocessors: Number of SMs.
        clock_mhz: SM clock.

    Returns:
        GFLOP/s, or None for a compute capability newer than this table.

    Example:
        >>> round(peak_gflops((9, 0), 132, 1980))
        66908
    """
    cores = CORES_PER_SM.get(compute_capability)
    return None if cores is None else 2 * cores * multiprocessors * clock_mhz / 1e3


def bandwidth_gb_s(bus_bits: int, memory_clock_mhz: float) -> float:
    """Peak of the GPU's memory: two transfers a clock over the whole bus.

    Args:
        bus_bits: Width of the memory bus.
        memory_clock_mhz: As NVML and the driver report it (half the transfer rate).

    Example:
        >>> round(bandwidth_gb_s(5120, 2619))
        3352
    """
    return 2 * memory_clock_mhz * 1e6 * bus_bits / 8 / 1e9


@functools.cache
def cpu_name() -> str:
    """The CPU's name, from /proc on Linux."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def cpu_cores() -> int:
    """Cores this process may use: affinity, not the machine's total."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def versions() -> dict[str, str]:
    """Versions of Python and the packages that results depend on, without importing them."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        if version := _first_version(name):
            found[name] = version
    return found


def _first_version(*names: str) -> str | None:
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return None


@contextlib.contextmanager
def nvml_session() -> Iterator[Any]:
    """NVML, started; None where there is no driver or no `nvidia-ml-py`."""
    try:
        import pynvml
    except ImportError:
        yield None
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _gpu_fields(nvml: Any, handle: Any, device: int) -> dict[str, Any]:
    capability = tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle))
    cuda = nvml.nvmlSystemGetCudaDriverVersion_v2()

    def ask(name: str, *arguments: Any) -> Any:
        """An attribute that some boards or drivers don't report."""
        try:
            return getattr(nvml, name)(handle, *arguments)
        except (nvml.NVMLError, AttributeError):
            return None

    multiprocessors, l2_bytes = (_driver_attribute(device, code) for code in (_MULTIPROCESSOR_COUNT, _L2_CACHE_SIZE))
    sm_clock = ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM)
    memory_clock, bus = ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_MEM), ask("nvmlDeviceGetMemoryBusWidth")
    return {
        "gpu": _text(nvml.nvmlDeviceGetName(handle)),
        "compute_capability": "{}.{}".format(*capability),
        "multiprocessors": multiprocessors,
        "l2_mb": l2_bytes / 2**20 if l2_bytes else None,
        "memory_gb": nvml.nvmlDeviceGetMemoryInfo(handle).total / 1e9,
        "driver": _text(nvml.nvmlSystemGetDriverVersion()),
        "cuda": f"{cuda // 1000}.{cuda % 1000 // 10}",
        "peak_gflops": peak_gflops(capability, multiprocessors, sm_clock) if multiprocessors and sm_clock else None,
        "bandwidth_gb_s": bandwidth_gb_s(bus, memory_clock) if bus and memory_clock else None,
    }


def _driver_attribute(device: int, code: int) -> int | None:
    """An attribute from the driver itself; `cuInit` creates no context."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return None
    handle, value = ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(handle), device):
        return None
    return None if driver.cuDeviceGetAttribute(ctypes.byref(value), code, handle) else value.value


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
