"""`gpulabs bench batch` on processes that only pretend to train; `tests/gpulabs/test_measured_step.py` has them."""

import pytest

from gpulabs import measured_step
from gpulabs import recorded_batches as recorded
from gpulabs.exit_codes import ExitCode
from gpulabs.recorded_batches import RecordedBatches
from tests.gpulabs.test_measured_step import PRETEND


@pytest.fixture(autouse=True)
def pretend(monkeypatch):
    monkeypatch.setattr(measured_step, "PROGRAM", ("-c", PRETEND))


def test_a_sweep_is_a_table_a_conclusion_and_a_picture(gpulabs, tmp_path):
    run = gpulabs("bench", "batch", "--batch", "8,16", "--precision", "float32", "--figure", "curve.png")
    assert run.code == ExitCode.OK
    assert "small_cnn on" in run.out
    assert "float32: fastest at batch" in run.out
    assert "CPU result" in run.out
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_out_of_memory_names_the_batch_that_failed_and_the_largest_that_worked(gpulabs):
    run = gpulabs("bench", "batch", "--batch", "16-128", "--json")
    assert run.code == ExitCode.OUT_OF_MEMORY == 6
    assert run.err.splitlines()[-1] == (
        "gpulabs: bench batch: out of memory at batch 64, float32; the largest batch that worked is 32"
    )
    assert [row["plan"]["batch"] for row in run.json["rows"]] == [16, 32]
    assert run.json["schema_version"] == 1
    assert run.json["cpu_result"]


def test_what_the_system_killed_is_out_of_memory(gpulabs):
    run = gpulabs("bench", "batch", "--batch", "8,15")
    assert run.code == ExitCode.OUT_OF_MEMORY
    assert "out of memory at batch 15, float32; the largest batch that worked is 8" in run.err
    assert "fastest at batch 8" in run.out


def test_another_failure_keeps_what_was_measured_before_it(gpulabs):
    run = gpulabs("bench", "batch", "--batch", "8,14", "--json")
    assert run.code == ExitCode.FAILED
    assert "batch 14, float32: its process ended with code 3: something broke; 1 of 2" in run.err.splitlines()[-1]
    assert ([row["plan"]["batch"] for row in run.json["rows"]], run.json["complete"]) == ([8], False)
    assert "something broke" in run.json["stopped_by"]


def test_a_sweep_on_a_gpu_shows_how_busy_it_was(gpulabs, h100, monkeypatch):
    monkeypatch.setattr(measured_step, "UTILISATION_SETTLES_S", 0.0)
    monkeypatch.setattr(measured_step, "UTILISATION_EVERY_S", 0.001)
    monkeypatch.setattr(
        measured_step, "PROGRAM", ("-c", PRETEND.replace('tell("timed"', 'time.sleep(0.2); tell("timed"'))
    )
    run = gpulabs("bench", "batch", "--batch", "8,16", "--precision", "float32")
    assert run.code == ExitCode.OK
    assert "lab_cnn on NVIDIA H100; training steps" in run.out
    assert run.out.count("87%") == 2
    assert "CPU result" not in run.out


def test_a_gpu_that_tensorflow_does_not_find_is_a_cpu_result(gpulabs, h100, monkeypatch):
    monkeypatch.setattr(measured_step, "PROGRAM", ("-c", PRETEND.replace('device="gpu"', 'device="cpu"')))
    assert gpulabs("bench", "batch", "--batch", "8", "--precision", "float32", "--json").json["cpu_result"]


def test_a_sweep_in_which_nothing_fits_says_so(gpulabs):
    run = gpulabs("bench", "batch", "--batch", "64,128")
    assert run.code == ExitCode.OUT_OF_MEMORY
    assert "no batch worked, try smaller ones" in run.err


def test_ctrl_c_keeps_what_was_measured(gpulabs, monkeypatch):
    finish = measured_step.StepProcess.finish

    def stopped(process):
        if process.plan.batch == 16:
            raise KeyboardInterrupt
        return finish(process)

    monkeypatch.setattr(measured_step.StepProcess, "finish", stopped)
    run = gpulabs("bench", "batch", "--batch", "8-32", "--json")
    assert run.code == ExitCode.INTERRUPTED
    assert "1 of 3 configurations were measured" in run.err
    assert (len(run.json["rows"]), run.json["complete"]) == (1, False)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--batch", "0"), "from 1 to"),
        (("--precision", "int8"), "there are float32"),
        (("--network", "vgg"), "there are lab_cnn"),
        (("--figure", "a.jpg"), "ends in .png"),
    ],
)
def test_bad_input_is_one_sentence(gpulabs, arguments, text):
    run = gpulabs("bench", "batch", *arguments)
    assert run.code == ExitCode.BAD_INPUT
    assert text in run.err
    assert run.err.count("\n") == 1


def test_what_was_recorded_is_shown_without_a_measurement(gpulabs, monkeypatch, tmp_path):
    measured = gpulabs("bench", "batch", "--batch", "8,16", "--json").json["rows"]
    rows = [row | {"plan": row["plan"] | {"network": "lab_cnn"}, "utilisation": 0.5} for row in measured]
    device = RecordedBatches("A GPU", {"gpu": "A GPU", "cpu": "A CPU"}, "2026-01-02", rows, [{"failed": "it broke"}])
    monkeypatch.setattr(recorded, "recorded_batches", lambda: (device,))
    monkeypatch.setattr(measured_step, "PROGRAM", ("-c", "raise SystemExit(9)"))
    run = gpulabs("bench", "batch", "--recorded", "--figure", "curve.png")
    assert run.code == ExitCode.OK
    assert "lab_cnn on A GPU; training steps with Adam; recorded 2026-01-02" in run.out
    assert "50%" in run.out
    assert (tmp_path / "curve.png").is_file()
    assert gpulabs("bench", "batch", "--recorded", "--batch", "2").code == ExitCode.MISSING
    monkeypatch.setattr(recorded, "recorded_batches", lambda: ())
    run = gpulabs("bench", "batch", "--recorded")
    assert run.code == ExitCode.MISSING
    assert "no recording of a GPU is installed yet" in run.err
