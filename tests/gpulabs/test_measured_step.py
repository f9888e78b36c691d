"""The parent of measuring processes, on processes that only pretend to train."""

import contextlib
import os
import signal
import sys
import threading
import time

import psutil
import pytest

from gpulabs import measured_step
from gpulabs.errors import BadInputError, GpulabsError, OutOfMemory
from gpulabs.measured_step import Settings, StepProcess, measure, sweep, watched_utilisation
from gpulabs.training_step import StepPlan
from tests.gpulabs.fake_nvml import FakeNvml

PRETEND = r"""
import json, os, signal, subprocess, sys, time
asked = json.loads(sys.argv[1])
batch = asked["plan"]["batch"]
def tell(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)
tell("built", device="gpu", memory={"current": 100, "peak": 120})
tell("prepared", memory=None)
sys.stdin.readline()
if batch == 13:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print(child.pid, file=sys.stderr, flush=True)
    time.sleep(60)
if batch == 14:
    print("something broke", file=sys.stderr, flush=True)
    sys.exit(3)
if batch == 15:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL)
    tell("child", pid=child.pid)
    os.kill(os.getpid(), signal.SIGKILL)
if batch == 16 and asked["timeout_s"] == 2:
    print("OSError: [Errno 12] Cannot allocate memory", file=sys.stderr, flush=True)
    sys.exit(1)
if batch == 17:
    tell("failed", after="prepared", message="ValueError: no such layer")
if batch >= 64:
    tell("out_of_memory", after="prepared", message="RESOURCE_EXHAUSTED: 1.00GiB")
    sys.exit(0)
tell("compiled", seconds=2.0, memory={"current": 100, "peak": 900}, xla=None)
tell("warm", memory={"current": 100, "peak": 500})
sys.stdin.readline()
tell("timed", times_ms=[1.0 * batch, 2.0 * batch, 3.0 * batch], steps_a_block=1, memory={"current": 100, "peak": 600})
"""


@pytest.fixture(autouse=True)
def pretend(monkeypatch):
    monkeypatch.setattr(measured_step, "PROGRAM", ("-c", PRETEND))


def test_a_measurement_holds_throughput_and_memory():
    found = measure(StepPlan(8), Settings(seconds=0.1))
    assert (found.step.median_ms, found.images_per_s) == (16.0, 500.0)
    assert found.images_per_s_low < found.images_per_s < found.images_per_s_high
    assert (found.state_bytes, found.first_peak_bytes, found.peak_bytes) == (100, 900, 600)


def test_after_a_batch_that_does_not_fit_only_larger_ones_of_its_kind_are_left_out():
    plans = [StepPlan(size, name) for name in ("float32", "bfloat16") for size in (32, 64, 128)]
    found = {(plan.precision, plan.batch): outcome for plan, outcome in sweep(plans, Settings(seconds=0.1))}
    assert list(found) == [("float32", 32), ("float32", 64), ("bfloat16", 32), ("bfloat16", 64)]
    error = found["float32", 64]
    assert isinstance(error, OutOfMemory)
    assert str(error) == "out of memory at batch 64, float32"
    assert "RESOURCE_EXHAUSTED" in error.detail


@pytest.mark.parametrize("cores", [1, 64])
def test_the_next_process_is_prepared_while_this_one_compiles_and_gives_the_same(monkeypatch, cores):
    monkeypatch.setattr(measured_step, "cpu_cores", lambda: cores)
    monkeypatch.setattr(measured_step, "has_gpu", lambda: True)
    plans = [StepPlan(size) for size in (1, 2, 64, 128)]
    found = [(plan.batch, type(outcome).__name__) for plan, outcome in sweep(plans, Settings(seconds=0.1))]
    assert found == [(1, "Measured"), (2, "Measured"), (64, "OutOfMemory")]


@pytest.mark.parametrize(
    ("batch", "kind", "text"),
    [
        (14, GpulabsError, "batch 14, float32: its process ended with code 3: something broke"),
        (16, OutOfMemory, "out of memory at batch 16"),
        (17, GpulabsError, "batch 17, float32: ValueError: no such layer"),
        (13, GpulabsError, "batch 13, float32: no word for 2 s"),
    ],
)
def test_an_end_without_a_result_is_told(batch, kind, text):
    with pytest.raises(kind, match=text):
        measure(StepPlan(batch), Settings(seconds=0.1, timeout_s=2.0))


def test_a_process_that_the_system_killed_is_out_of_memory_and_leaves_no_child():
    process = StepProcess(StepPlan(15), Settings(seconds=0.1))
    process.go()
    with pytest.raises(OutOfMemory, match="out of memory at batch 15, float32") as caught:
        process.until("warm")
    child = psutil.Process(process.told["child"]["pid"]) if psutil.pid_exists(process.told["child"]["pid"]) else None
    assert "SIGKILL" in caught.value.detail
    if child is not None:
        with contextlib.suppress(psutil.NoSuchProcess):  # a killed one takes a moment to go, and init to reap it
            assert psutil.wait_procs([child], timeout=10)[0] or child.status() == psutil.STATUS_ZOMBIE
    process.end()


def test_what_a_process_told_of_its_end_is_told_again():
    """The next process is prepared while this one compiles; what it says then is asked for later."""
    process = StepProcess(StepPlan(17), Settings(seconds=0.1))
    process.go()
    for _ in range(2):
        with pytest.raises(GpulabsError, match="no such layer"):
            process.until("warm")
    process.end()


def test_no_process_is_left_when_a_sweep_is_stopped():
    """What a process started is ended with it; here the process itself hangs and has a child."""
    process = StepProcess(StepPlan(13), Settings(seconds=0.1))
    process.until("prepared")
    process.go()
    family = psutil.Process(process._process.pid)
    for _ in range(100):
        if children := family.children():
            break
        time.sleep(0.05)
    process.end()
    assert not psutil.pid_exists(family.pid)
    left = psutil.wait_procs(children, timeout=10)[1]  # a killed one takes a moment to go
    with contextlib.suppress(psutil.NoSuchProcess):  # a dead one may wait for init to reap it
        assert [child for child in left if child.status() != psutil.STATUS_ZOMBIE] == []


def test_a_sweep_that_is_closed_ends_its_process():
    outcomes = sweep([StepPlan(1), StepPlan(2)], Settings(seconds=0.1))
    next(outcomes)
    outcomes.close()
    assert not [child for child in psutil.Process().children() if "-c" in child.cmdline()]


class UnsupportedNvml(FakeNvml):
    """NVML on a device that it has no utilisation of: a share of a GPU, some boards."""

    def nvmlDeviceGetUtilizationRates(self, handle):
        raise self.NVMLError("not supported")


@pytest.mark.filterwarnings("error")  # also of what a thread raises
@pytest.mark.parametrize(
    ("nvml", "seen"),
    [(FakeNvml(), {87.0}), (UnsupportedNvml(), set()), (None, set())],
    ids=["nvml", "none of it", "no nvml"],
)
def test_utilisation_is_read_where_there_is_nvml_and_nothing_fails_where_there_is_none(monkeypatch, nvml, seen):
    monkeypatch.setitem(sys.modules, "pynvml", nvml)  # None: its import fails
    monkeypatch.setattr(measured_step, "UTILISATION_EVERY_S", 0.001)
    now, before = [0.0], threading.active_count()
    with watched_utilisation(lambda: now[0]) as readings:
        time.sleep(0.05)
        early, now[0] = list(readings), 1.0
        time.sleep(0.3)
    assert (early, set(readings), threading.active_count()) == ([], seen, before)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_process_dies_with_its_parent():
    program = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'from gpulabs.step_process import die_with_parent as d;"
        " d(); print(1, flush=True); import time; time.sleep(60)'], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)"
    )
    import subprocess

    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        orphan = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
    assert psutil.wait_procs([orphan], timeout=5)[0] or orphan.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"batch": 0}, "batch 0"),
        ({"batch": 1, "precision": "int8"}, "there are float32"),
        ({"batch": 1, "network": "vgg"}, "lab_cnn"),
    ],
)
def test_a_plan_that_cannot_run_starts_nothing(wrong, text):
    with pytest.raises(BadInputError, match=text):
        StepPlan(**wrong)
