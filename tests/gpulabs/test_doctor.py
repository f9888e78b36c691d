"""Each trap that the team fell into, as facts; the doctor has to name it and its fix."""

import dataclasses

import pytest

from gpulabs.doctor import Status, judge, verdict
from gpulabs.probes import Facts, Gpu, View

H100 = Gpu("NVIDIA H100", (9, 0), 81_000, 80_000)
V100 = Gpu("Tesla V100", (7, 0), 16_000, 15_000)
PACKAGES = {
    "numpy": "2.4.6",
    "numba": "0.68.1",
    "numba-cuda": "0.30.4",
    "tensorflow": "2.21.0",
    "keras": "3.15.1",
    "nvidia-cudnn-cu12": "9.28.0.42",
    "nvidia-cuda-runtime-cu12": "12.9.79",
    "cuda-toolkit": "12.9.2.0",
}
LAPTOP = Facts(
    python=(3, 12, 1),
    system="Linux",
    packages=PACKAGES,
    free_disk_gb=50.0,
    data_sets={"cifar10": True},
    isolation=("strong", "bubblewrap"),
)
SERVER = dataclasses.replace(
    LAPTOP,
    driver="580.65",
    driver_cuda=(13, 0),
    gpus=(H100,),
    tensorflow=View(("NVIDIA H100",)),
    numba=View(("NVIDIA H100",)),
)


def with_packages(facts, **changes):
    packages = facts.packages | {name.replace("_", "-"): version for name, version in changes.items()}
    return dataclasses.replace(facts, packages={name: version for name, version in packages.items() if version})


def findings(facts, *statuses):
    return [finding for finding in judge(facts) if finding.status in statuses]


@pytest.mark.parametrize("facts", [LAPTOP, SERVER], ids=["laptop", "server"])
def test_a_healthy_machine_has_nothing_to_mend(facts):
    assert findings(facts, Status.PROBLEM, Status.WARN) == []
    assert verdict(judge(facts), facts).startswith("ready")


def test_no_gpu_is_no_problem():
    assert "no GPU: labs run in the simulator, speed points are pending" in verdict(judge(LAPTOP), LAPTOP)
    assert {finding.name for finding in findings(LAPTOP, Status.ABSENT)} == {"driver", "GPU"}


TRAPS = {
    "numpy 2.5 breaks numba-cuda": (with_packages(LAPTOP, numpy="2.5.0"), "NumPy", '"numpy<2.5"'),
    "cuDNN too old for XLA": (with_packages(SERVER, nvidia_cudnn_cu12="9.5.1.17"), "cuDNN", ">=9.24"),
    "Volta with a cuDNN without Volta": (dataclasses.replace(SERVER, gpus=(V100,)), "cuDNN", "9.10.2.21"),
    "two toolkits": (with_packages(SERVER, nvidia_cuda_nvcc_cu13="13.0.1"), "CUDA packages", "uninstall"),
    "two toolkits, unnumbered": (with_packages(SERVER, nvidia_cuda_runtime="13.1.0"), "CUDA packages", "uninstall"),
    "TensorFlow on the CPU": (dataclasses.replace(SERVER, tensorflow=View()), "TensorFlow", "gpulabs[cuda]"),
    "Numba without the GPU": (dataclasses.replace(SERVER, numba=View()), "Numba", "gpulabs[cuda]"),
    "TensorFlow crashes": (dataclasses.replace(LAPTOP, tensorflow=View(error="no answer")), "TensorFlow", "install"),
    "no numba-cuda": (with_packages(LAPTOP, numba_cuda=""), "Numba", "numba-cuda[cu12]"),
    "hidden GPU": (
        dataclasses.replace(SERVER, numba=View(), environment={"CUDA_VISIBLE_DEVICES": ""}),
        "Numba",
        "unset",
    ),
    "driver does not answer": (dataclasses.replace(SERVER, driver_error="version mismatch"), "driver", "nvidia-smi"),
    "driver too old": (dataclasses.replace(SERVER, driver_cuda=(11, 8)), "driver", "525"),
    "Python too new": (dataclasses.replace(LAPTOP, python=(3, 15, 0)), "Python", "3.13"),
}


@pytest.mark.parametrize(("facts", "name", "fix"), TRAPS.values(), ids=TRAPS.keys())
def test_traps(facts, name, fix):
    problems = {finding.name: finding for finding in findings(facts, Status.PROBLEM)}
    assert name in problems
    assert fix in problems[name].fix
    assert "to mend" in verdict(judge(facts), facts)


WARNINGS = {
    "no compiler": (
        dataclasses.replace(LAPTOP, numba=View(facts={"compile_error": "no nvvm"})),
        "kernel compiler",
    ),
    "full disk": (dataclasses.replace(LAPTOP, free_disk_gb=0.5), "disk"),
    "GPU memory in use": (
        dataclasses.replace(SERVER, gpus=(dataclasses.replace(H100, memory_free_mb=300),)),
        "GPU 0",
    ),
    "simulator forced": (dataclasses.replace(SERVER, environment={"NUMBA_ENABLE_CUDASIM": "1"}), "Numba"),
    "no cuDNN": (with_packages(SERVER, nvidia_cudnn_cu12=""), "cuDNN"),
}


@pytest.mark.parametrize(("facts", "name"), WARNINGS.values(), ids=WARNINGS.keys())
def test_warnings(facts, name):
    warned = {finding.name: finding for finding in findings(facts, Status.WARN)}
    assert name in warned
    assert warned[name].fix
    assert findings(facts, Status.PROBLEM) == []


def test_volta_with_the_right_cudnn_is_told_about_xla():
    facts = with_packages(dataclasses.replace(SERVER, gpus=(V100,)), nvidia_cudnn_cu12="9.10.2.21")
    assert findings(facts, Status.PROBLEM) == []
    assert any("jit_compile=False" in finding.detail for finding in judge(facts))


def test_a_missing_data_set_comes_with_its_command():
    facts = dataclasses.replace(LAPTOP, data_sets={"cifar10": False})
    found = next(finding for finding in judge(facts) if finding.name == "cifar10")
    assert (found.status, found.fix) == (Status.ABSENT, "gpulabs data fetch cifar10")


def test_a_cudnn_of_the_system_counts():
    facts = with_packages(SERVER, nvidia_cudnn_cu12="")
    facts = dataclasses.replace(facts, tensorflow=View(("NVIDIA H100",), facts={"cudnn": "9.5.1"}))
    assert [finding.name for finding in findings(facts, Status.PROBLEM)] == ["cuDNN"]
