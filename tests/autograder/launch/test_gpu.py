"""The launcher on a real GPU: the ladder is right, faults lose one case, the race ends with cuDNN or a note."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from autograder.evidence import FaultKind
from autograder.launch.gpu import CudaGpu, GpuFault, error_name, kernel_attribute


def test_errors_are_read_from_cudas_names() -> None:
    assert error_name(RuntimeError("CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access")) == "ILLEGAL_ADDRESS"
    assert error_name(RuntimeError("something else")) is None
    assert (GpuFault("OUT_OF_MEMORY").kind, GpuFault("OUT_OF_MEMORY").sticky) == (FaultKind.OUT_OF_MEMORY, False)
    assert (GpuFault("ILLEGAL_ADDRESS").kind, GpuFault("ILLEGAL_ADDRESS").sticky) == (FaultKind.OUT_OF_BOUNDS, True)
    assert GpuFault("SOMETHING_NEW").sticky
    assert "SOMETHING_NEW" in GpuFault("SOMETHING_NEW").sentence


def test_kernel_attributes_of_both_generations_of_cuda_core() -> None:
    new, old = SimpleNamespace(num_regs=32), SimpleNamespace(num_regs=lambda: 32)
    for attributes in (new, old):
        assert kernel_attribute(SimpleNamespace(attributes=attributes), "num_regs") == 32


def test_more_than_48_kb_of_shared_memory_is_asked_for_once() -> None:
    asked: list[tuple[object, ...]] = []

    def set_attribute(*arguments: object) -> tuple[int]:
        asked.append(arguments)
        return (0,)

    attributes = SimpleNamespace(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES=8)
    gpu = CudaGpu.__new__(CudaGpu)
    gpu._driver = SimpleNamespace(
        CUfunction=type("CUfunction", (), {}), CUfunction_attribute=attributes, cuKernelSetAttribute=set_attribute
    )
    gpu._core = SimpleNamespace(LaunchConfig=lambda **more: more, launch=lambda *arguments: None)
    gpu._configs, gpu._stream, gpu._raw_device = {}, None, 0
    kernel = SimpleNamespace(handle="handle")
    for shared_bytes in (48 << 10, 60_000, 60_000):
        gpu.launch(kernel, (1, 1, 1), (32, 1, 1), shared_bytes, ())
    assert asked == [(8, 60_000, "handle", 0)]


@pytest.mark.gpu
def test_smoke_run_on_this_machines_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    smoke = importlib.import_module("benchmarks.smoke_gpu")
    assert Path(smoke.__file__).name == "smoke_gpu.py"
    failures = smoke.main()
    assert failures == 0, capsys.readouterr().out
