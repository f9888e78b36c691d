"""Probes run elsewhere and come back as facts, whatever happens to them."""

import types

import pytest

from gpulabs import probes


def test_an_answer_after_noise():
    program = 'import sys; print("noise"); print("E cuda", file=sys.stderr); print(\'{"gpus": ["A"], "version": "2"}\')'
    assert probes._view(program) == probes.View(("A",), facts={"version": "2"})


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("raise ImportError('libcudart missing')", "libcudart missing"),
        ("import os; os.abort()", "ended with code"),
        ("print('{}')", "could not be read"),
        ("pass", "could not be read"),
    ],
)
def test_what_goes_wrong_is_a_fact(program, says):
    assert says in probes._view(program).error


def test_a_hanging_probe_is_ended():
    assert "no answer within" in probes._view("import time; time.sleep(60)", timeout_s=0.3).error


class Nvml(types.SimpleNamespace):
    class NVMLError(Exception):
        pass

    class NVMLError_LibraryNotFound(NVMLError):
        pass


def nvml(**more):
    memory = types.SimpleNamespace(total=80 << 30, free=79 << 30)
    calls = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetCudaDriverVersion": lambda: 12090,
        "nvmlSystemGetDriverVersion": lambda: b"580.65.06",
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetMemoryInfo": lambda handle: memory,
        "nvmlDeviceGetCudaComputeCapability": lambda handle: (9, 0),
        "nvmlDeviceGetName": lambda handle: "NVIDIA H100",
    }
    return Nvml(**calls | more)


def raising(error):
    def call():
        raise error

    return call


def test_driver(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pynvml", nvml())
    gpu = probes.Gpu("NVIDIA H100", (9, 0), 80 << 10, 79 << 10)
    assert probes._driver() == ("580.65.06", (12, 9), (gpu,), "")


def test_no_driver_is_no_error_but_a_broken_one_is(monkeypatch):
    modules = __import__("sys").modules
    monkeypatch.setitem(modules, "pynvml", nvml(nvmlInit=raising(Nvml.NVMLError_LibraryNotFound())))
    assert probes._driver() == ("", (0, 0), (), "")
    monkeypatch.setitem(modules, "pynvml", nvml(nvmlInit=raising(Nvml.NVMLError("version mismatch"))))
    assert probes._driver()[3] == "version mismatch"


def test_free_disk_of_a_folder_to_come(tmp_path):
    assert probes._free_disk_gb(tmp_path / "not" / "yet") > 0


@pytest.mark.slow
def test_this_machine():
    facts = probes.gather()
    assert facts.packages["numpy"]
    assert facts.numba.error == ""
    assert facts.tensorflow.error == ""
    assert facts.tensorflow.facts["version"] == facts.packages["tensorflow"]
