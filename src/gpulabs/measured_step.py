"""Measures training steps, each in a fresh process: time, memory, the GPU's utilisation.

    for plan, outcome in sweep([StepPlan(batch) for batch in (1, 2, 4)], Settings(seconds=1.0)):
        ...     # outcome: a Measured, or the OutOfMemory of a batch that did not fit

No process is left behind, whatever ends the sweep: Ctrl-C, an exception, a step that hangs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from gpulabs.devices import cpu_cores, has_gpu, nvml_device, nvml_session
from gpulabs.errors import GpulabsError, OutOfMemory
from gpulabs.step_process import OUT_OF_MEMORY
from gpulabs.timing import Summary, summarize
from gpulabs.training_step import StepPlan

PROGRAM = ("-P", "-m", "gpulabs.step_process")  # -P: no file in the current folder is imported
TIMEOUT_S = 300.0
OVERLAP_CORES = 4
"""With this many cores the next process imports TensorFlow while a step is compiled; never while one is timed."""
UTILISATION_EVERY_S = 0.05
UTILISATION_SETTLES_S = 0.3
"""NVML averages over up to this long: earlier readings tell of the time before."""

LAST_LINES = 10
"""Of what a process wrote before it died; earlier ones may tell of memory that it could do without."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How steps are measured.

    Attributes:
        seconds: Of timed steps a configuration; 0 measures memory only.
        memory_limit_mb: A step that needs more, in MiB, is out of memory; None: what the device has.
        dump: Whether XLA's buffer assignment is read.
        timeout_s: After this long without a word a process is killed.
    """

    seconds: float = 1.0
    memory_limit_mb: int | None = None
    dump: bool = False
    timeout_s: float = TIMEOUT_S


@dataclass(frozen=True)
class Measured:
    """What one configuration took.

    Attributes:
        plan: The configuration.
        device: `gpu` or `cpu`.
        compile_s: The first step: XLA's compilation, or TensorFlow's own preparation.
        step: Milliseconds a step; None where only memory was measured.
        images_per_s: Throughput, median.
        images_per_s_low: Lower end of its 95 % interval.
        images_per_s_high: Upper end.
        utilisation: Share of time in which some kernel ran on the GPU, mean of NVML's readings; None without a GPU.
        peak_bytes: Largest memory in use in a step, as TensorFlow's allocator counts; None on a CPU.
        first_peak_bytes: The same up to the end of the first step, in which XLA tries kernels out.
        state_bytes: In use before the first batch: variables of network and optimizer.
        xla: XLA's buffer assignment, as `gpulabs.xla_memory` reads it; None if it was not asked for.
    """

    plan: StepPlan
    device: str
    compile_s: float
    step: Summary | None = None
    images_per_s: float | None = None
    images_per_s_low: float | None = None
    images_per_s_high: float | None = None
    utilisation: float | None = None
    peak_bytes: int | None = None
    first_peak_bytes: int | None = None
    state_bytes: int | None = None
    xla: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def measure(plan: StepPlan, settings: Settings, environment: Mapping[str, str] | None = None) -> Measured:
    """Measures one configuration.

    Args:
        plan: What to measure.
        settings: How.
        environment: Variables for its process, beside this one's.

    Raises:
        OutOfMemory: It does not fit.
        GpulabsError: Its process failed otherwise, or hung.
    """
    with contextlib.closing(sweep([plan], settings, environment=environment)) as outcomes:
        _, outcome = next(outcomes)
    if isinstance(outcome, OutOfMemory):
        raise outcome
    return outcome


def sweep(
    plans: Iterable[StepPlan],
    settings: Settings,
    report: Report = lambda text: None,
    environment: Mapping[str, str] | None = None,
) -> Generator[tuple[StepPlan, Measured | OutOfMemory], None, None]:
    """Measures configurations one after the other.

    After one that does not fit, larger batches that are otherwise the same are left out.

    Args:
        plans: What to measure.
        settings: How.
        report: Takes what is being measured.
        environment: Variables for the processes, beside this one's.

    Yields:
        A plan and its outcome.

    Raises:
        GpulabsError: A process failed for another reason than memory, or hung.
    """
    waiting = list(plans)
    overlap = cpu_cores() >= OVERLAP_CORES and has_gpu()
    running: list[StepProcess] = []

    def start() -> StepProcess | None:
        if not waiting:
            return None
        running.append(StepProcess(waiting.pop(0), settings, environment))
        return running[-1]

    try:
        current = start()
        while current is not None:
            report(describe(current.plan))
            following = None
            try:
                current.until("prepared")
                following = start() if overlap else None
                current.go()
                current.until("warm")
                if following is not None:
                    with contextlib.suppress(GpulabsError):
                        following.until("prepared")
                outcome: Measured | OutOfMemory = current.finish()
            except OutOfMemory as error:
                outcome = error
                failed = current.plan
                waiting[:] = [plan for plan in waiting if not larger(plan, failed)]
                if following is not None and larger(following.plan, failed):
                    following.end()
                    following = None
            current.end()
            yield current.plan, outcome
            current = following or start()
    finally:
        for process in running:
            process.end()


def larger(plan: StepPlan, than: StepPlan) -> bool:
    """Whether a plan is another with a larger batch."""
    return plan.batch > than.batch and plan.as_dict() | {"batch": than.batch} == than.as_dict()


def describe(plan: StepPlan) -> str:
    """A plan in a few words."""
    return f"batch {plan.batch}, {plan.precision}" + (", recomputation" if plan.recompute else "")


class StepProcess:
    """A process that runs one plan, and what it told so far."""

    def __init__(self, plan: StepPlan, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
        self.plan, self.settings = plan, settings
        self.told: dict[str, dict[str, Any]] = {}
        self._hung = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `end`)
        asked = {"plan": plan.as_dict()} | asdict(settings)
        self._process = subprocess.Popen(
            [sys.executable, *PROGRAM, json.dumps(asked)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end it
            env={**os.environ, **(environment or {})},
        )

    def go(self) -> None:
        """Lets it go on from where it waits."""
        with contextlib.suppress(OSError):  # it may have died: `until` says so
            assert self._process.stdin is not None
            self._process.stdin.write("\n")
            self._process.stdin.flush()

    def until(self, event: str) -> dict[str, Any]:
        """Reads what it tells up to an event.

        Raises:
            OutOfMemory: It ran out of memory before.
            GpulabsError: It failed before, or said nothing for too long.
        """
        assert self._process.stdout is not None
        killer = threading.Timer(self.settings.timeout_s, self._give_up)
        killer.start()
        try:
            while event not in self.told:
                self._complain()
                line = self._process.stdout.readline()
                if not line:
                    raise self._death()
                told = json.loads(line)
                self.told[told["event"]] = told
        finally:
            killer.cancel()
        return self.told[event]

    def finish(self) -> Measured:
        """Lets it time its steps and sums up."""
        warm, utilisation = self.until("warm"), None
        if self.settings.seconds:
            with watched_utilisation() as readings:
                self.go()
                self.until("timed")
            utilisation = statistics.fmean(readings) / 100 if readings else None
        compiled, timed = self.told["compiled"], self.told.get("timed")
        memory = (timed or warm)["memory"] or {}
        found = Measured(
            plan=self.plan,
            device=self.told["built"]["device"],
            compile_s=compiled["seconds"],
            utilisation=utilisation,
            peak_bytes=memory.get("peak"),
            first_peak_bytes=(compiled["memory"] or {}).get("peak"),
            state_bytes=(self.told["built"]["memory"] or {}).get("current"),
            xla=compiled["xla"],
        )
        return found if timed is None else with_times(found, timed["times_ms"])

    def _complain(self) -> None:
        """Raises what it has told of its end, however often it is asked for."""
        if "out_of_memory" in self.told:
            raise out_of_memory(self.plan, self.told["out_of_memory"]["message"])
        if "failed" in self.told:
            raise GpulabsError(f"{describe(self.plan)}: {self.told['failed']['message'].splitlines()[0][:300]}")

    def end(self) -> None:
        """Kills it and whatever it started: what the system killed may have left children."""
        self._kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()

    def _kill(self) -> None:
        if self._process.returncode is None:  # not waited for yet: its number is nobody else's, though it may be dead
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: of a dead one
                os.killpg(self._process.pid, signal.SIGKILL)

    def _give_up(self) -> None:
        self._hung = True
        self._kill()

    def _death(self) -> GpulabsError:
        """What to say of a process that ended without a word."""
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        self._kill()  # its children; only then its number is given back
        code = self._process.wait()
        if self._hung:
            return GpulabsError(f"{describe(self.plan)}: no word for {self.settings.timeout_s:.0f} s; it was ended")
        self._log.seek(0)
        said = self._log.read().decode("utf-8", "replace").strip().splitlines()
        if code == -signal.SIGKILL:
            return out_of_memory(self.plan, "the system ended the process (SIGKILL), as it does when memory is used up")
        last = (said or [f"exit code {code}"])[-1]
        if sign := next((line for line in said[-LAST_LINES:] if OUT_OF_MEMORY.search(line)), None):
            return out_of_memory(self.plan, sign[:300])
        return GpulabsError(f"{describe(self.plan)}: its process ended with code {code}: {last[:300]}")


def with_times(found: Measured, times_ms: list[float]) -> Measured:
    """Adds the summary of times to a measurement."""
    step = summarize(times_ms)
    rate = found.plan.batch * 1e3
    return Measured(
        **{
            **found.__dict__,
            "step": step,
            "images_per_s": rate / step.median_ms,
            "images_per_s_low": rate / step.high_ms,
            "images_per_s_high": rate / step.low_ms,
        }
    )


def out_of_memory(plan: StepPlan, detail: str) -> OutOfMemory:
    """The error of a plan that does not fit."""
    return OutOfMemory(f"out of memory at {describe(plan)}", detail)


def what_fits(plan: StepPlan, worked: Iterable[StepPlan]) -> tuple[str, int | None]:
    """A sentence on a plan that does not fit, and the largest batch that worked; None if none did.

    Args:
        plan: What did not fit.
        worked: What did; plans that differ by more than their batch don't count.
    """
    largest = max((one.batch for one in worked if replace(one, batch=plan.batch) == plan), default=None)
    end = f"the largest batch that worked is {largest}" if largest else "no batch worked, try smaller ones"
    return f"out of memory at {describe(plan)}; {end}", largest


@contextlib.contextmanager
def watched_utilisation(clock: Callable[[], float] = time.monotonic) -> Iterator[list[float]]:
    """Reads the GPU's utilisation, in percent, while its body runs; without a GPU nothing."""
    readings: list[float] = []
    with nvml_session() as nvml:
        if nvml is None:
            yield readings
            return
        over = threading.Event()
        begin = clock()

        def watch() -> None:
            with contextlib.suppress(nvml.NVMLError):
                handle = nvml_device(nvml)
                while not over.wait(UTILISATION_EVERY_S):
                    if clock() - begin > UTILISATION_SETTLES_S:
                        readings.append(float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu))

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield readings
        finally:
            over.set()
            thread.join()
