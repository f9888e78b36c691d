"""TensorFlow as the oracle: expected outputs of real-valued cases, and the time of one CPU core.

    parent:  oracle = start(cases, arrays_dir, work_dir, device="auto")     returns at once
             answer = oracle.wait(timeout_s)                                checks and returns
    child:   python -m autograder.oracle work_dir/oracle_request.json

TensorFlow lives in a process of its own: its start takes seconds that the parent spends planning, it
takes the GPU's memory, and it writes to stderr whatever it likes, which lands in a log here. On a GPU
its convolutions are cuDNN's; TF32 is off, or they would be wrong from the fourth digit on. Cases with
NaN and infinity are computed on the CPU even so: a Winograd or FFT algorithm spreads a NaN over outputs
that never saw it.

No answer is believed unasked: each must agree with the NumPy reference, so that a broken TensorFlow or
cuDNN withholds points and never takes one.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

import autograder
import gpulabs
from autograder import cases as case_module
from autograder.evidence import Case, decode, encode
from gpulabs.errors import GraderError, GpulabsError

# Both sum in at least float32: a sum of a few hundred products differs by about sqrt(300) * 2**-24 = 1e-6
# of the outputs' size. TF32, left on by mistake, is off by 3e-4.
AGREEMENT = 1e-5
CPU_RUNS = 5
_LOG_TAIL = 400  # characters of the log that an error quotes
_ANSWER = "oracle_answer.json"


@dataclass(frozen=True)
class Answer:
    """What the oracle computed.

    Attributes:
        description: Who computed it, for the report: libraries, versions, device, precision.
        expected: Output by case id.
        cpu_time_ms: Median time of the workload on one CPU core, or None.
    """

    description: str
    expected: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    cpu_time_ms: float | None = None


class Oracle:
    """A running oracle process; a context manager that ends it."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes], cases: tuple[Case, ...], folder: Path) -> None:
        self._process, self._log, self._cases, self._folder = process, log, cases, folder
        self._answer = Path(log.name).with_name(_ANSWER)

    def wait(self, timeout_s: float) -> Answer:
        """Waits for the answer and checks it against the NumPy reference.

        Args:
            timeout_s: How long to wait before the process is ended.

        Raises:
            GraderError: It failed, took too long, or contradicts the reference: points are withheld.
        """
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise GraderError(f"the oracle (TensorFlow) gave no answer within {timeout_s:.0f} s: try again") from None
        finally:
            self.close()
        if code != 0:
            raise GraderError(f"the oracle (TensorFlow) ended with code {code}: {self._tail()}")
        try:
            answer = json.loads(self._answer.read_text(encoding="utf-8"))
            expected = {case.id: np.load(self._folder / f"{case.id}.expected.npy") for case in self._cases}
        except (OSError, ValueError, EOFError) as error:
            raise GraderError(f"the oracle's answer can't be read: {error}") from error
        for case in self._cases:
            check_agreement(case, expected[case.id], case_module.reference(case))
        return Answer(answer["description"], expected, answer["cpu_time_ms"])

    def close(self) -> None:
        """Ends the process if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tail(self) -> str:
        text = Path(self._log.name).read_text(encoding="utf-8", errors="replace").strip()
        return text[-_LOG_TAIL:].replace("\n", " | ") or "it said nothing"


def start(
    cases: Sequence[Case],
    arrays_dir: Path,
    work_dir: Path,
    *,
    device: str,
    cpu_time_case: Case | None = None,
) -> Oracle:
    """Starts the oracle and returns at once.

    Args:
        cases: Those whose expected outputs are wanted; the oracle makes their inputs from their seeds.
        arrays_dir: Where `<case>.expected.npy` files go; exists, and is out of a student's reach.
        work_dir: Where request, answer and log go; likewise.
        device: `gpu`, `cpu`, or `auto` for a GPU if TensorFlow finds one.
        cpu_time_case: A workload to time on one CPU core, or None.

    Returns:
        The running oracle.

    Raises:
        GraderError: The process can't be started.
    """
    request = Path(work_dir) / "oracle_request.json"
    content = {
        "cases": [encode(case) for case in cases],
        "arrays_dir": str(Path(arrays_dir).absolute()),
        "answer": str(Path(work_dir).absolute() / _ANSWER),
        "device": device,
        "cpu_time_case": None if cpu_time_case is None else encode(cpu_time_case),
    }
    request.write_text(json.dumps(content), encoding="utf-8")
    log = (Path(work_dir) / "oracle.log").open("wb")
    # -P: a tensorflow.py in the working folder, a student's perhaps, must not be imported.
    command = [sys.executable, "-P", "-m", "autograder.oracle", str(request)]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=_environment(device)
        )
    except OSError as error:
        log.close()
        raise GraderError(f"the oracle can't be started: {error}") from error
    return Oracle(process, log, tuple(cases), Path(arrays_dir))


def check_agreement(case: Case, answer: NDArray[Any], reference: NDArray[Any]) -> None:
    """Compares an oracle's answer with the NumPy reference.

    Args:
        case: Whose output it is.
        answer: The oracle's.
        reference: `cases.reference(case)`.

    Raises:
        GraderError: Another shape, a NaN or infinity elsewhere, or an error above `AGREEMENT` of the outputs' size.
    """
    if answer.shape != reference.shape:
        raise GraderError(f"case {case.id}: the oracle's output has shape {answer.shape}, not {reference.shape}")
    finite = np.isfinite(reference)
    if not np.array_equal(answer[~finite], reference[~finite], equal_nan=True) or not np.isfinite(answer[finite]).all():
        raise GraderError(f"case {case.id}: the oracle has NaN or infinity in other places than IEEE arithmetic gives")
    if not finite.any():
        return
    size = np.maximum(np.abs(reference[finite]), np.sqrt(np.mean(np.square(reference[finite], dtype=np.float64))))
    worst = float(np.max(np.abs(answer[finite] - reference[finite]) / np.maximum(size, np.finfo(np.float32).tiny)))
    if worst > AGREEMENT:
        raise GraderError(
            f"case {case.id}: the oracle differs from the NumPy reference by {worst:.1e} relative, "
            f"more than {AGREEMENT:.0e}: TensorFlow or cuDNN computes wrongly on this machine"
        )


def main(argv: Sequence[str]) -> int:
    """Computes what a request file asks for, in the oracle's own process."""
    request = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    cases = [decode(Case, case, f"cases[{i}]") for i, case in enumerate(request["cases"])]
    workload = request["cpu_time_case"]
    tf, gpu = _tensorflow(request["device"])
    for case in cases:
        on_gpu = gpu is not None and case.values != "special"
        with tf.device("/GPU:0" if on_gpu else "/CPU:0"):
            np.save(Path(request["arrays_dir"]) / f"{case.id}.expected.npy", _convolve(tf, case)().numpy())
    time_ms = None if workload is None else _time_ms(tf, decode(Case, workload, "cpu_time_case"))
    answer = {"description": _describe(tf, gpu), "cpu_time_ms": time_ms}
    Path(request["answer"]).write_text(json.dumps(answer), encoding="utf-8")
    return 0


def _tensorflow(device: str) -> tuple[Any, Any]:
    """Imports TensorFlow with TF32 off and one thread, which a time of one core needs; finds the GPU, if wanted."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    gpus = [] if device == "cpu" else tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if device == "gpu" and not gpus:
        raise GraderError("TensorFlow finds no GPU: `gpulabs doctor` says why")
    return tf, gpus[0] if gpus else None


def _convolve(tf: Any, case: Case) -> Any:
    x, w = (tf.constant(array) for array in case_module.inputs(case))
    return lambda: tf.nn.conv2d(x, w, case.stride, case.padding.upper())


def _time_ms(tf: Any, case: Case) -> float:
    with tf.device("/CPU:0"):
        run = _convolve(tf, case)
        run().numpy()  # warm-up: oneDNN chooses its kernel and reorders the filter
        times = []
        for _ in range(CPU_RUNS):
            begin = time.perf_counter()
            run().numpy()
            times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


def _describe(tf: Any, gpu: Any) -> str:
    if gpu is None:
        return f"TensorFlow {tf.__version__} on the CPU"
    name = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return f"cuDNN {_cudnn_version(tf)} through TensorFlow {tf.__version__} on {name}, TF32 off"


def _cudnn_version(tf: Any) -> str:
    """Asks the library that TensorFlow has loaded; what TensorFlow was built with can be older."""
    import ctypes

    try:
        version = int(ctypes.CDLL("libcudnn.so.9").cudnnGetVersion())
    except (OSError, AttributeError):
        return str(tf.sysconfig.get_build_info().get("cudnn_version", "of unknown version"))
    return f"{version // 10000}.{version // 100 % 100}.{version % 100}"


def _environment(device: str) -> dict[str, str]:
    paths = [str(Path(package.__path__[0]).parent.absolute()) for package in (autograder, gpulabs)]
    inherited = os.environ.get("PYTHONPATH", "")
    environment = dict(os.environ) | {
        "PYTHONPATH": os.pathsep.join([*dict.fromkeys(paths), *([inherited] if inherited else [])]),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "NVIDIA_TF32_OVERRIDE": "0",
    }
    if device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    return environment


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except GpulabsError as error:
        print(error, file=sys.stderr)
        sys.exit(int(error.exit_code))
