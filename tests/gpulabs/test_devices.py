import subprocess
import sys

import pytest

from gpulabs import devices
from gpulabs.errors import MissingGpuError
from tests.gpulabs.fake_nvml import FakeNvml


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(count=0))
    monkeypatch.setattr(FakeNvml, "nvmlInit", _no_driver)
    monkeypatch.setattr(devices, "_driver_attribute", lambda device, code: None)


def _no_driver(self: FakeNvml) -> None:
    raise FakeNvml.NVMLError("driver not loaded")


@pytest.mark.usefixtures("h100")
def test_header_of_an_h100() -> None:
    header = devices.header()
    assert (header.gpu, header.compute_capability, header.multiprocessors) == ("NVIDIA H100", "9.0", 132)
    assert (header.memory_gb, header.l2_mb, header.driver, header.cuda) == (80.0, 50.0, "580.1", "13.0")
    assert header.peak_gflops == pytest.approx(66_908, rel=1e-4)  # NVIDIA's datasheet: 67 TFLOP/s
    assert header.bandwidth_gb_s == pytest.approx(3352, rel=1e-3)  # and 3.35 TB/s
    assert "132 SMs, 80 GB), driver 580.1, CUDA 13.0" in header.line()
    assert devices.architecture() == "sm_90"
    assert devices.has_gpu()


@pytest.mark.usefixtures("h100")
@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_gpus_are_not_there(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert not devices.has_gpu()


@pytest.mark.usefixtures("no_gpu")
def test_header_without_a_gpu() -> None:
    header = devices.header()
    assert header.gpu is None
    assert header.line().startswith("no GPU; ")
    assert header.cpu_cores >= 1
    assert not devices.has_gpu()
    with pytest.raises(MissingGpuError, match="gpulabs doctor"):
        devices.architecture()


def test_header_is_plain_data_with_versions() -> None:
    data = devices.header().as_dict()
    assert {"python", "numpy"} <= set(data["packages"])


@pytest.mark.parametrize(("visible", "handle"), [(None, 1), ("3,5", 5), ("GPU-a, GPU-b", "GPU-b"), ("3", 1)])
def test_nvml_follows_the_visible_devices(monkeypatch: pytest.MonkeyPatch, visible: str | None, handle: object) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.nvml_device(FakeNvml(), 1) == handle


def test_unknown_compute_capability_has_no_peak() -> None:
    assert devices.peak_gflops((99, 0), 10, 1000) is None


def test_asking_imports_no_tensorflow() -> None:
    program = (
        "import sys; from gpulabs import devices; before = set(sys.modules); devices.header(); devices.has_gpu();"
        "print([m for m in ('tensorflow', 'numba', 'keras', 'torch') if m in sys.modules], 'pynvml' in before)"
    )
    paths = {"PYTHONPATH": ":".join(sys.path)}
    said = subprocess.run([sys.executable, "-c", program], env=paths, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[] False"


@pytest.mark.gpu
def test_this_machines_gpu() -> None:
    header = devices.header()
    assert header.gpu
    assert header.multiprocessors
    assert header.peak_gflops
    assert header.bandwidth_gb_s
