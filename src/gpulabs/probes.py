"""What `gpulabs doctor` finds out about a machine, as plain facts; `gpulabs.doctor` judges them.

TensorFlow and Numba are looked at in processes of their own: importing them takes seconds, prints
a page, takes GPU memory, and can crash.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

PROBE_TIMEOUT_S = 120.0
PACKAGES = (
    "gpulabs",
    "numpy",
    "numba",
    "numba-cuda",
    "tensorflow",
    "keras",
    "cuda-core",
    "nbgrader",
    "nvidia-cudnn-cu12",
    "nvidia-cudnn-cu13",
    "nvidia-cuda-runtime-cu12",
    "nvidia-cuda-runtime-cu13",
    "nvidia-cuda-runtime",
    "nvidia-cuda-nvcc-cu12",
    "nvidia-cuda-nvcc-cu13",
    "nvidia-cuda-nvcc",
    "cuda-toolkit",
)


@dataclass(frozen=True)
class Gpu:
    """One GPU as the driver sees it.

    Attributes:
        name: Its product name.
        compute_capability: Major and minor.
        memory_total_mb: Memory it has.
        memory_free_mb: Memory that nobody uses now.
    """

    name: str
    compute_capability: tuple[int, int]
    memory_total_mb: int
    memory_free_mb: int


@dataclass(frozen=True)
class View:
    """What TensorFlow or Numba says in a process of its own.

    Attributes:
        gpus: Names of the GPUs that it can use.
        error: Why the probe failed; empty if it did not.
        facts: Further values: versions, whether a kernel compiled.
    """

    gpus: tuple[str, ...] = ()
    error: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """All that `gpulabs doctor` knows before it judges.

    Attributes:
        python: Its version.
        system: Operating system and machine.
        driver: NVIDIA driver version; empty without one.
        driver_cuda: Newest CUDA version that the driver supports, e.g. (12, 9).
        driver_error: Why the driver does not answer although its library is there.
        gpus: As the driver sees them.
        packages: Name -> version of those installed.
        tensorflow: TensorFlow's view.
        numba: Numba's view.
        data_folder: Where data sets are kept.
        free_disk_gb: There.
        data_sets: Name -> whether it is here.
        isolation: Name and description of the sandbox tier; empty when unknown.
        environment: The variables that matter, of those set.
    """

    python: tuple[int, int, int]
    system: str
    driver: str = ""
    driver_cuda: tuple[int, int] = (0, 0)
    driver_error: str = ""
    gpus: tuple[Gpu, ...] = ()
    packages: dict[str, str] = field(default_factory=dict)
    tensorflow: View = field(default_factory=View)
    numba: View = field(default_factory=View)
    data_folder: str = ""
    free_disk_gb: float = 0.0
    data_sets: dict[str, bool] = field(default_factory=dict)
    isolation: tuple[str, str] = ("", "")
    environment: dict[str, str] = field(default_factory=dict)


def gather() -> Facts:
    """Looks at this machine; takes as long as TensorFlow's import."""
    from gpulabs import data

    with ThreadPoolExecutor() as pool:
        tensorflow = pool.submit(_view, TENSORFLOW_PROBE)
        numba = pool.submit(_view, NUMBA_PROBE)
        driver, driver_cuda, gpus, driver_error = _driver()
        return Facts(
            python=sys.version_info[:3],
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            driver=driver,
            driver_cuda=driver_cuda,
            driver_error=driver_error,
            gpus=gpus,
            packages=_packages(),
            data_folder=str(data.folder()),
            free_disk_gb=_free_disk_gb(data.folder()),
            data_sets={name: data.is_here(name) for name in data.SETS},
            isolation=_isolation(),
            environment={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
            tensorflow=tensorflow.result(),
            numba=numba.result(),
        )


ENVIRONMENT = ("CUDA_VISIBLE_DEVICES", "NUMBA_ENABLE_CUDASIM", "LD_LIBRARY_PATH", "CUDA_HOME")

TENSORFLOW_PROBE = """
import ctypes, json, os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
import keras
import tensorflow as tf
build = tf.sysconfig.get_build_info()
gpus = tf.config.list_physical_devices("GPU")
try:
    cudnn = ctypes.CDLL("libcudnn.so.9").cudnnGetVersion()
    loaded = f"{cudnn // 10000}.{cudnn // 100 % 100}.{cudnn % 100}"
except (OSError, AttributeError):
    loaded = ""
names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
print(json.dumps({"gpus": names, "version": tf.__version__, "keras": keras.__version__, "cudnn": loaded,
                  "built_for_cuda": build.get("cuda_version", ""), "built_for_cudnn": build.get("cudnn_version", "")}))
"""

# Compiling needs no GPU: it tells whether PTX for grading can be made on this machine.
NUMBA_PROBE = """
import json, os
os.environ.pop("NUMBA_ENABLE_CUDASIM", None)
from numba import cuda, types
try:
    cuda.compile_ptx(lambda x: None, (types.float32[::1],), cc=(7, 5))
    compiles = ""
except Exception as error:
    compiles = f"{type(error).__name__}: {error}"
names = []
if cuda.is_available():
    names = [gpu.name.decode() if isinstance(gpu.name, bytes) else gpu.name for gpu in cuda.gpus]
print(json.dumps({"gpus": names, "compile_error": compiles}))
"""


def _view(program: str, timeout_s: float = PROBE_TIMEOUT_S) -> View:
    """Runs a probe and reads the JSON in its last line."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return View(error=f"no answer within {timeout_s:.0f} s")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
        return View(error=lines[-1][:300])
    try:
        facts = json.loads(done.stdout.strip().splitlines()[-1])
        return View(gpus=tuple(facts.pop("gpus")), facts=facts)
    except (ValueError, IndexError, KeyError):
        return View(error="its answer could not be read")


def _driver() -> tuple[str, tuple[int, int], tuple[Gpu, ...], str]:
    """Asks the driver through NVML: version, newest CUDA, GPUs, and what went wrong."""
    try:
        import pynvml
    except ImportError as error:
        return "", (0, 0), (), str(error)
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return "", (0, 0), (), ""  # no driver: a laptop
    except pynvml.NVMLError as error:
        return "", (0, 0), (), str(error)
    try:
        cuda = pynvml.nvmlSystemGetCudaDriverVersion()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        gpus = tuple(_gpu(pynvml, handle) for handle in handles)
        return _text(pynvml.nvmlSystemGetDriverVersion()), (cuda // 1000, cuda % 1000 // 10), gpus, ""
    except pynvml.NVMLError as error:
        return "", (0, 0), (), str(error)
    finally:
        pynvml.nvmlShutdown()


def _gpu(pynvml: Any, handle: Any) -> Gpu:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return Gpu(_text(pynvml.nvmlDeviceGetName(handle)), (major, minor), memory.total >> 20, memory.free >> 20)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _free_disk_gb(folder: Path) -> float:
    """Free space where the folder is or will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e9


def _isolation() -> tuple[str, str]:
    try:
        from autograder import isolation

        tier = isolation.tier()
        return str(tier.name), str(tier.description)
    except Exception as error:  # a doctor reports what is broken, it does not break with it
        return "", f"{type(error).__name__}: {error}"
