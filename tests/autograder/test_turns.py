"""One race at a time on a GPU, whoever grades; correctness runs go side by side."""

import subprocess
import sys
import threading
import types

import pytest

from autograder import launch, timing_stage, turns
from autograder.evidence import Measurement, PlanSet
from gpulabs import devices
from gpulabs.errors import GraderError


def holder(folder, alone):
    """Another process that holds a turn until its input closes."""
    code = (
        "import sys; from pathlib import Path; from autograder.turns import turn\n"
        f"with turn('GPU-1', alone={alone}, folder=Path(sys.argv[1])): print('mine', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert process.stdout.readline() == "mine\n"
    return process


@pytest.mark.parametrize(("theirs", "mine"), [(True, True), (True, False), (False, True)])
def test_a_race_is_alone(tmp_path, theirs, mine):
    told = []
    with holder(tmp_path, theirs) as other:
        with (
            pytest.raises(GraderError, match="another grading held the GPU for 0 s"),
            turns.turn("GPU-1", alone=mine, wait_s=0.2, folder=tmp_path, waiting=lambda: told.append(1)),
        ):
            pytest.fail("two at a time")
        threading.Timer(0.2, other.stdin.close).start()
        with turns.turn("GPU-1", alone=mine, wait_s=20, folder=tmp_path):
            pass
    assert told == [1]


def test_correctness_runs_and_other_gpus_do_not_wait(tmp_path):
    with holder(tmp_path, False) as other:
        with turns.turn("GPU-1", alone=False, wait_s=0, folder=tmp_path):
            pass
        with turns.turn("../GPU-2", alone=True, wait_s=0, folder=tmp_path):
            pass
        other.stdin.close()
    assert sorted(path.name for path in tmp_path.glob("*.lock")) == [
        "gpulabs-gpu-GPU-1.lock",
        "gpulabs-gpu-___GPU-2.lock",
    ]


def test_a_race_that_waits_is_not_overtaken(tmp_path):
    """Launches that come one after the other without a gap would keep a race out for ever."""
    order, waits = [], threading.Event()

    def race():
        with turns.turn("GPU-1", alone=True, wait_s=20, folder=tmp_path, waiting=waits.set):
            order.append("race")

    def launch_later():
        with turns.turn("GPU-1", alone=False, wait_s=20, folder=tmp_path):
            order.append("launch")

    with holder(tmp_path, False) as other:
        threads = [threading.Thread(target=race), threading.Thread(target=launch_later)]
        threads[0].start()
        assert waits.wait(20)
        threads[1].start()
        threads[1].join(0.3)
        assert order == []
        other.stdin.close()
        for thread in threads:
            thread.join()
    assert order == ["race", "launch"]


def test_waiting_can_be_stopped(tmp_path):
    stop = threading.Event()
    stop.set()
    with holder(tmp_path, True) as other:
        with (
            pytest.raises(GraderError, match="stopped while it waited"),
            turns.turn("GPU-1", alone=True, folder=tmp_path, stop=stop),
        ):
            pytest.fail("two at a time")
        other.stdin.close()


def test_a_dead_process_gives_its_turn_back(tmp_path):
    with holder(tmp_path, True) as other:
        other.kill()
        with turns.turn("GPU-1", alone=True, wait_s=20, folder=tmp_path):
            pass


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "gpulabs-gpu-0.lock").symlink_to(tmp_path / "made")
    with pytest.raises(GraderError, match=r"gpulabs-gpu-0\.lock"), turns.turn("0", alone=True, folder=tmp_path):
        pass
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("race", [False, True])
def test_only_a_task_with_a_race_has_the_gpu_alone(tmp_path, monkeypatch, race):
    """Two jobs of one process, on a fake GPU, launch at the same time unless one of them is timed."""
    spec = types.SimpleNamespace(baseline="naive", high="", peers=(), case="c") if race else None
    beside, most, lock = [0], [0], threading.Lock()

    def measure(*_, turn, race, **__):
        with turn(race is not None):
            with lock:
                beside[0] += 1
                most[0] = max(most[0], beside[0])
            threading.Event().wait(0.3)
            with lock:
                beside[0] -= 1
        return Measurement("t", "gpu")

    monkeypatch.setattr(timing_stage, "_race", lambda task, cases, architecture: spec)
    monkeypatch.setattr(timing_stage, "_case", lambda cases, name: None)
    monkeypatch.setattr(timing_stage.ladder, "rung", lambda name: None)
    monkeypatch.setattr(timing_stage.ladder, "plan_for", lambda rung, case: (None, {}))
    assembled = types.SimpleNamespace(faults={}, code=dict)
    monkeypatch.setattr(timing_stage.assemble, "assemble", lambda kernels, architecture: assembled)
    monkeypatch.setattr(launch, "measure", measure)
    monkeypatch.setattr(devices, "identity", lambda gpu=0: "fake")
    monkeypatch.setattr(turns.tempfile, "gettempdir", lambda: str(tmp_path))
    said = []
    task = types.SimpleNamespace(id="t")

    def job():
        timing_stage.measure_task(
            task, PlanSet("t"), {}, (), tmp_path, tmp_path, "sm_90", lambda stage, text: said.append(text)
        )

    threads = [threading.Thread(target=job) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == (1 if race else 2)
    assert said == (["t: waiting for another grading's turn on the GPU"] if race else [])
