"""TensorFlow as the oracle: expected outputs of real-valued cases, and the time of one CPU core.

    parent:  question = start(cases, arrays_dir, work_dir, device="auto")     returns at once
             answer = question.wait(timeout_s)                                checks and returns
    child:   python -m autograder.oracle DEVICE, which answers requests from a pipe until that closes

TensorFlow lives in a process of its own: its start takes seconds that the parent spends planning, it
takes the GPU's memory, and it writes to stderr whatever it likes, which lands in a log here. On a GPU
its convolutions are cuDNN's; TF32 is off, or they would be wrong from the fourth digit on. Cases with
NaN and infinity are computed on the CPU even so: a Winograd or FFT algorithm spreads a NaN over outputs
that never saw it.

No answer is believed unasked: each must agree with the NumPy reference, so that a broken TensorFlow or
cuDNN withholds points and never takes one.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import autograder
import gpulabs
from autograder import cases as case_module
from autograder import turns
from autograder.evidence import Case, decode, encode
from gpulabs import devices
from gpulabs.errors import GpulabsError, GraderError

# Both sum in at least float32: a sum of a few hundred products differs by about sqrt(300) * 2**-24 = 1e-6
# of the outputs' size. TF32, left on by mistake, is off by 3e-4.
AGREEMENT = 1e-5
CPU_RUNS = 5
_LOG_TAIL = 400  # characters of the log that an error quotes


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
    """A question on its way; a context manager that forgets it."""

    def __init__(self, child: Resident, cases: tuple[Case, ...], request: Path, folder: Path) -> None:
        self._child, self._cases, self._request, self._folder = child, cases, request, folder

    def wait(self, timeout_s: float) -> Answer:
        """Waits for the answer and checks it against the NumPy reference.

        Args:
            timeout_s: How long to wait before the process is ended.

        Raises:
            GraderError: It failed, took too long, or contradicts the reference: points are withheld.
        """
        said = self._child.wait(str(self._request), timeout_s)
        if "error" in said:
            raise GraderError(f"the oracle (TensorFlow) failed: {said['error']}")
        try:
            expected = {case.id: np.load(self._folder / f"{case.id}.expected.npy") for case in self._cases}
        except (OSError, ValueError, EOFError) as error:
            raise GraderError(f"the oracle's answer can't be read: {error}") from error
        for case in self._cases:
            check_agreement(case, expected[case.id], case_module.reference(case))
        return Answer(said["description"], expected, said["cpu_time_ms"])

    def close(self) -> None:
        """Forgets the question; the process stays for the next one."""
        self._child.forget(str(self._request))

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Resident:
    """TensorFlow's process. It stays, since its start takes longer than any answer: a class of 300 starts it once."""

    def __init__(self, device: str) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        # -P: a tensorflow.py in the working folder, a student's perhaps, must not be imported.
        command = [sys.executable, "-P", "-m", "autograder.oracle", device]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=_environment(device),
                text=True,
                # Ctrl-C is for the grader, which then ends this process itself.
                start_new_session=True,
            )
        except OSError as error:
            raise GraderError(f"the oracle can't be started: {error}") from error
        self._answers: dict[str, dict[str, Any]] = {}
        self._arrived = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, request: Path) -> None:
        """Sends a request file's path."""
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(f"{request}\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it is dead, and wait() says why

    def wait(self, request: str, timeout_s: float) -> dict[str, Any]:
        """Waits for the answer to a request; a process that is late is ended."""
        with self._arrived:
            there = self._arrived.wait_for(lambda: request in self._answers or not self.alive(), timeout_s)
            if request in self._answers:
                return self._answers.pop(request)
        self.end()
        if not there:
            raise GraderError(f"the oracle (TensorFlow) gave no answer within {timeout_s:.0f} s: try again")
        raise GraderError(f"the oracle (TensorFlow) ended with code {self.process.returncode}: {self._tail()}")

    def forget(self, request: str) -> None:
        """Drops an answer that nobody wants."""
        with self._arrived:
            self._answers.pop(request, None)

    def alive(self) -> bool:
        """Whether it can still answer."""
        return self.process.poll() is None

    def end(self) -> None:
        """Ends the process."""
        if self.alive():
            self.process.kill()
        self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(json.JSONDecodeError), self._arrived:
                answer = json.loads(line)
                self._answers[answer.pop("request")] = answer
                self._arrived.notify_all()
        self.process.wait()
        with self._arrived:
            self._arrived.notify_all()

    def _tail(self) -> str:
        self._log.seek(0)
        text = self._log.read().decode("utf-8", "replace").strip()
        return text[-_LOG_TAIL:].replace("\n", " | ") or "it said nothing"


_residents: dict[str, Resident] = {}
_starting = threading.Lock()


def _resident(device: str) -> Resident:
    with _starting:
        child = _residents.get(device)
        if child is None or not child.alive():
            child = _residents[device] = Resident(device)
        return child


@atexit.register
def end_all() -> None:
    """Ends all oracle processes; the next question starts a new one."""
    while _residents:
        _residents.popitem()[1].end()


def start(
    cases: Sequence[Case],
    arrays_dir: Path,
    work_dir: Path,
    *,
    device: str,
    cpu_time_case: Case | None = None,
) -> Oracle:
    """Asks the oracle and returns at once; its process is started if there is none.

    Args:
        cases: Those whose expected outputs are wanted; the oracle makes their inputs from their seeds.
        arrays_dir: Where `<case>.expected.npy` files go; exists, and is out of a student's reach.
        work_dir: Where the request goes; likewise.
        device: `gpu`, `cpu`, or `auto` for a GPU if TensorFlow finds one.
        cpu_time_case: A workload to time on one CPU core, or None.

    Returns:
        The question on its way.

    Raises:
        GraderError: The process can't be started.
    """
    request = Path(work_dir).absolute() / "oracle_request.json"
    content = {
        "cases": [encode(case) for case in cases],
        "arrays_dir": str(Path(arrays_dir).absolute()),
        "cpu_time_case": None if cpu_time_case is None else encode(cpu_time_case),
    }
    request.write_text(json.dumps(content), encoding="utf-8")
    child = _resident(device)
    child.ask(request)
    return Oracle(child, tuple(cases), request, Path(arrays_dir))


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


def main(device: str) -> None:
    """Answers requests from standard input until it closes; one JSON line each on standard output."""
    # TensorFlow and the libraries below it write where they like: the pipe is ours alone.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_grader, daemon=True).start()
    tf, gpu = _tensorflow(device)
    # Its convolutions would spoil a race of another grading.
    identity = devices.identity() if gpu is not None else ""
    for line in sys.stdin:
        name = line.rstrip("\n")
        try:
            with turns.turn(identity, alone=False) if identity else contextlib.nullcontext():
                answer = _answer(tf, gpu, json.loads(Path(name).read_text(encoding="utf-8")))
        except Exception as error:  # of one request; the next may be answered
            answer = {"error": f"{type(error).__name__}: {error}"[:_LOG_TAIL]}
        print(json.dumps({"request": name, **answer}), file=answers, flush=True)


def _end_with_grader() -> None:
    """Ends this process when the other end of its input is gone: a killed grader ends nothing, an import takes long."""
    waiting = select.poll()
    waiting.register(0, 0)  # a hang-up is always told
    if any(what & select.POLLHUP for _, what in waiting.poll()):
        os._exit(0)


def _answer(tf: Any, gpu: Any, request: dict[str, Any]) -> dict[str, Any]:
    for number, record in enumerate(request["cases"]):
        case = decode(Case, record, f"cases[{number}]")
        on_gpu = gpu is not None and case.values != "special"
        with tf.device("/GPU:0" if on_gpu else "/CPU:0"):
            np.save(Path(request["arrays_dir"]) / f"{case.id}.expected.npy", _convolve(tf, case)().numpy())
    workload = request["cpu_time_case"]
    time_ms = None if workload is None else _time_ms(tf, decode(Case, workload, "cpu_time_case"))
    return {"description": _describe(tf, gpu), "cpu_time_ms": time_ms}


def _tensorflow(device: str) -> tuple[Any, Any]:
    """Imports TensorFlow with TF32 off and one thread, which a time of one core needs; finds the GPU, if wanted."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    gpus = [] if device == "cpu" else tf.config.list_physical_devices("GPU")
    # On the first alone, which is the one whose turns it takes.
    tf.config.set_visible_devices(gpus[:1], "GPU")
    for gpu in gpus[:1]:
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
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as NVML counts, and as kernels are launched
    }
    if device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    return environment


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except GpulabsError as error:
        print(error, file=sys.stderr)
        sys.exit(int(error.exit_code))
