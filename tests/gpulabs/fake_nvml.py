"""NVML as a machine with an H100 has it; for tests on machines without."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class FakeNvml:
    """An H100 as NVML reports it."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM = 1, 2

    class NVMLError(Exception):
        pass

    def __init__(self, count: int = 1) -> None:
        self.count = count

    def nvmlInit(self) -> None: ...

    def nvmlShutdown(self) -> None: ...

    def __getattr__(self, name: str) -> Any:
        answers: dict[str, Any] = {
            "nvmlDeviceGetCount": lambda: self.count,
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetHandleByUUID": lambda name: name,
            "nvmlDeviceGetCudaComputeCapability": lambda handle: [9, 0],
            "nvmlDeviceGetName": lambda handle: b"NVIDIA H100",
            "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(total=80_000_000_000),
            "nvmlSystemGetDriverVersion": lambda: "580.1",
            "nvmlSystemGetCudaDriverVersion_v2": lambda: 13000,
            "nvmlDeviceGetMaxClockInfo": lambda handle, kind: {1: 1980, 2: 2619}[kind],
            "nvmlDeviceGetMemoryBusWidth": lambda handle: 5120,
            "nvmlDeviceGetUtilizationRates": lambda handle: SimpleNamespace(gpu=87),
        }
        if name not in answers:
            raise AttributeError(name)
        return answers[name]
