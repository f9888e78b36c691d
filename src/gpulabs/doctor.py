"""Judges the facts of `gpulabs.probes`: what is fine, what is not, and how to mend it.

Pure functions, so that each trap can be tested on any machine. A machine without a GPU is no
problem: labs run in the simulator there, and speed points are pending.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gpulabs.probes import Facts

NUMPY_LIMIT = (2, 5)
"""numpy 2.5 removed row_stack, which numba-cuda 0.30 calls on the first launch."""
CUDNN_FOR_XLA = (9, 19)
"""cuDNN 9.3 and 9.5 break Conv2D under XLA with TensorFlow 2.21; 9.19 and 9.24 do not."""
CUDNN_WITHOUT_VOLTA = (9, 11)
"""The first cuDNN without kernels for compute capability 7.0."""
TURING = (7, 5)
OLDEST_CUDA = (12, 0)
"""What the driver has to support for the CUDA 12 packages."""
LOW_DISK_GB = 2.0
"""CIFAR-10 with a copy while it is verified, and some reports."""
LOW_MEMORY_MB = 2000
"""The largest case of the labs, with its rotated buffers and cuDNN's workspace, fits in this."""


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    PROBLEM = "problem"
    ABSENT = "absent"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        name: What was checked.
        status: `absent` is for what a machine may do without.
        detail: What was found.
        fix: What to do; empty if nothing.
    """

    name: str
    status: Status
    detail: str
    fix: str = ""


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Turns facts into findings, in the order in which one would mend them."""
    return (
        _python(facts),
        Finding("system", Status.OK, facts.system),
        _driver(facts),
        *_gpus(facts),
        _numpy(facts),
        _toolkit(facts),
        _compiler(facts),
        _numba(facts),
        _tensorflow(facts),
        *_cudnn(facts),
        _disk(facts),
        *_data(facts),
        _isolation(facts),
    )


def verdict(findings: Iterable[Finding], facts: Facts) -> str:
    """Returns the one line that sums the findings up."""
    found = list(findings)
    problems = sum(finding.status is Status.PROBLEM for finding in found)
    warnings = sum(finding.status is Status.WARN for finding in found)
    where = "labs run on the GPU" if facts.gpus else "no GPU: labs run in the simulator, speed points are pending"
    if problems:
        return f"{problems} problem{'s' if problems > 1 else ''} to mend, see the fixes above"
    return f"ready; {where}" + (f"; {warnings} warning{'s' if warnings > 1 else ''}" if warnings else "")


def _python(facts: Facts) -> Finding:
    version = ".".join(map(str, facts.python))
    if not (3, 11) <= facts.python[:2] <= (3, 13):
        return Finding(
            "Python", Status.PROBLEM, version, "use Python 3.11, 3.12 or 3.13: TensorFlow has no wheels for others"
        )
    return Finding("Python", Status.OK, version)


def _driver(facts: Facts) -> Finding:
    if facts.driver_error:
        fix = "run nvidia-smi; after a driver update restart the machine, in a container start it with --gpus all"
        return Finding("driver", Status.PROBLEM, f"NVIDIA driver does not answer: {facts.driver_error}", fix)
    if not facts.driver:
        return Finding("driver", Status.ABSENT, "no NVIDIA driver")
    detail = f"{facts.driver}, CUDA up to {_dots(facts.driver_cuda)}"
    if facts.driver_cuda < OLDEST_CUDA:
        return Finding("driver", Status.PROBLEM, detail, "update the driver to 525 or later, which supports CUDA 12")
    return Finding("driver", Status.OK, detail)


def _gpus(facts: Facts) -> list[Finding]:
    if not facts.gpus:
        return [Finding("GPU", Status.ABSENT, "no GPU: labs run in the simulator, speed points are pending")]
    findings = []
    for index, gpu in enumerate(facts.gpus):
        free = f"{gpu.memory_free_mb / 1024:.1f} of {gpu.memory_total_mb / 1024:.1f} GB free"
        detail = f"{gpu.name}, compute capability {_dots(gpu.compute_capability)}, {free}"
        status, fix = Status.OK, ""
        if gpu.memory_free_mb < LOW_MEMORY_MB:
            status, fix = (
                Status.WARN,
                "another process holds its memory: nvidia-smi names it; shut down other notebooks",
            )
        findings.append(Finding(f"GPU {index}", status, detail, fix))
    return findings


def _numpy(facts: Facts) -> Finding:
    version = facts.packages.get("numpy", "")
    if _numbers(version) >= NUMPY_LIMIT:
        return Finding("NumPy", Status.PROBLEM, f"{version} breaks numba-cuda", 'pip install "numpy<2.5"')
    return Finding("NumPy", Status.OK, version)


def _toolkit(facts: Facts) -> Finding:
    """One CUDA toolkit, of version 12, may be installed from packages."""
    newer = {name: version for name, version in facts.packages.items() if _is_cuda13(name, version)}
    twelve = [name for name in facts.packages if name.endswith("-cu12")]
    if newer:
        names = ", ".join(f"{name} {version}" for name, version in newer.items())
        fix = f'pip uninstall {" ".join(newer)}; then: pip install --force-reinstall "gpulabs[cuda]"'
        return Finding("CUDA packages", Status.PROBLEM, f"a second toolkit beside CUDA 12: {names}", fix)
    if not twelve:
        return Finding("CUDA packages", Status.ABSENT, "none from pip; a toolkit of the system may still be used")
    runtime = facts.packages.get("nvidia-cuda-runtime-cu12", "")
    return Finding("CUDA packages", Status.OK, f"CUDA 12, runtime {runtime or 'of the system'}")


def _is_cuda13(name: str, version: str) -> bool:
    unnumbered = name in ("nvidia-cuda-runtime", "nvidia-cuda-nvcc", "cuda-toolkit")
    return name.endswith("-cu13") or (unnumbered and _numbers(version) >= (13,))


def _compiler(facts: Facts) -> Finding:
    name = "kernel compiler"
    if facts.numba.error:
        return Finding(
            name, Status.PROBLEM, f"Numba failed: {facts.numba.error}", 'pip install --upgrade "numba-cuda[cu12]"'
        )
    if error := str(facts.numba.facts.get("compile_error", "")):
        fix = 'pip install "numba-cuda[cu12]"; until then the simulator alone checks kernels'
        return Finding(name, Status.WARN, f"kernels don't compile to PTX: {error}", fix)
    return Finding(name, Status.OK, "kernels compile to PTX" + ("" if facts.gpus else ", no GPU needed"))


def _numba(facts: Facts) -> Finding:
    versions = f"numba {facts.packages.get('numba', '?')}, numba-cuda {facts.packages.get('numba-cuda', 'missing')}"
    if "numba-cuda" not in facts.packages:
        return Finding("Numba", Status.PROBLEM, versions, 'pip install "numba-cuda[cu12]"')
    if facts.environment.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0") and facts.gpus:
        return Finding("Numba", Status.WARN, f"{versions}; NUMBA_ENABLE_CUDASIM forces the simulator", "unset it")
    return _sees(facts, "Numba", versions, facts.numba.gpus, facts.numba.error, 'pip install "gpulabs[cuda]"')


def _tensorflow(facts: Facts) -> Finding:
    version = facts.packages.get("tensorflow", "missing")
    detail = f"tensorflow {version}, keras {facts.packages.get('keras', 'missing')}"
    fix = 'pip install "gpulabs[cuda]": it brings the CUDA libraries that TensorFlow looks for'
    return _sees(facts, "TensorFlow", detail, facts.tensorflow.gpus, facts.tensorflow.error, fix)


def _sees(facts: Facts, name: str, detail: str, gpus: tuple[str, ...], error: str, fix: str) -> Finding:
    if error:
        return Finding(name, Status.PROBLEM, f"{detail}: {error}", 'pip install --force-reinstall "gpulabs"')
    if not facts.gpus:
        return Finding(name, Status.OK, f"{detail}; on the CPU")
    if "CUDA_VISIBLE_DEVICES" in facts.environment and not gpus:
        hidden = facts.environment["CUDA_VISIBLE_DEVICES"]
        return Finding(name, Status.PROBLEM, f"{detail}; CUDA_VISIBLE_DEVICES={hidden!r} hides the GPU", "unset it")
    if not gpus:
        return Finding(name, Status.PROBLEM, f"{detail}; runs on the CPU although a GPU is there", fix)
    return Finding(name, Status.OK, f"{detail}; sees {', '.join(gpus)}")


def _cudnn(facts: Facts) -> list[Finding]:
    version = facts.packages.get("nvidia-cudnn-cu12", "") or str(facts.tensorflow.facts.get("cudnn", ""))
    if not version:
        if not facts.gpus:
            return [Finding("cuDNN", Status.ABSENT, "not installed; needed on a GPU only")]
        return [Finding("cuDNN", Status.WARN, "not found", 'pip install "gpulabs[cuda]"')]
    volta = [gpu.name for gpu in facts.gpus if gpu.compute_capability < TURING]
    if volta and _numbers(version) >= CUDNN_WITHOUT_VOLTA:
        fix = 'pip install "nvidia-cudnn-cu12==9.10.2.21", and compile models with jit_compile=False'
        return [Finding("cuDNN", Status.PROBLEM, f"{version} has no kernels for {volta[0]} (older than Turing)", fix)]
    if volta:
        return [Finding("cuDNN", Status.OK, f"{version}; on {volta[0]} compile models with jit_compile=False")]
    if facts.gpus and _numbers(version) < CUDNN_FOR_XLA:
        fix = 'pip install --upgrade "nvidia-cudnn-cu12>=9.24,<10"'
        return [Finding("cuDNN", Status.PROBLEM, f"{version} is too old: Conv2D under XLA fails with it", fix)]
    return [Finding("cuDNN", Status.OK, version)]


def _disk(facts: Facts) -> Finding:
    detail = f"{facts.free_disk_gb:.1f} GB free at {facts.data_folder}"
    if facts.free_disk_gb < LOW_DISK_GB:
        return Finding("disk", Status.WARN, detail, "free some space, or choose another folder with GPULABS_DATA")
    return Finding("disk", Status.OK, detail)


def _data(facts: Facts) -> list[Finding]:
    return [
        Finding(name, Status.OK, "here")
        if here
        else Finding(name, Status.ABSENT, "not fetched; Lab 1 does without", f"gpulabs data fetch {name}")
        for name, here in facts.data_sets.items()
    ]


def _isolation(facts: Facts) -> Finding:
    tier, description = facts.isolation
    if not tier:
        return Finding(
            "isolation", Status.WARN, f"unknown: {description}", "needed only to grade other people's notebooks"
        )
    if tier == "none":
        fix = "to grade other people's notebooks install bubblewrap (Debian, Ubuntu: apt install bubblewrap)"
        return Finding("isolation", Status.ABSENT, f"none: {description}", fix)
    return Finding("isolation", Status.OK, f"{tier}: {description}")


def _numbers(version: str) -> tuple[int, ...]:
    """Reads `9.19.0.56` as numbers, for comparison."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]) or (0,)


def _dots(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
