import pytest

from gpulabs import recorded_batches as recorded
from gpulabs.commands import memory as command
from gpulabs.errors import GpulabsError
from gpulabs.exit_codes import ExitCode
from gpulabs.lifetimes import PARTS
from gpulabs.measured_step import Measured, out_of_memory
from gpulabs.training_step import StepPlan
from tests.gpulabs.test_memory import BLOCK

MIB = 2**20


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    """No TensorFlow: a network of four layers, and measurements that are made up."""
    monkeypatch.setattr(command, "read_layers", lambda plans: {plan.precision: BLOCK for plan in plans})

    def sweep(plans, settings, report):
        for plan in plans:
            if plan.batch == 65:
                raise GpulabsError("batch 65: it broke")
            fits = plan.batch <= 64
            yield plan, Measured(plan, "cpu", 1.0, xla={"total_bytes": MIB}) if fits else out_of_memory(plan, "")

    monkeypatch.setattr(command, "sweep", sweep)


def test_one_batch_is_a_table_of_parts(gpulabs, tmp_path):
    run = gpulabs("memory", "--batch", "64", "--measure", "--figure", "bars.png", "--memory-limit", 100)
    assert run.code == ExitCode.OK
    assert all(part in run.out for part in PARTS)
    assert "measured peak (XLA's buffer assignment): 1.0 MiB" in run.out
    assert "largest batch that should fit in 100 MiB" in run.out
    assert "at batch 1 they were off by up to 7 MB. All of it with Adam; other optimizers were not compared." in run.out
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")


def test_several_batches_are_rows(gpulabs):
    run = gpulabs("memory", "--batch", "8,16", "--json")
    assert run.code == ExitCode.OK
    first, second = run.json["rows"]
    assert sum(first["parts_at_peak_bytes"].values()) == first["peak_bytes"] < second["peak_bytes"]
    assert first["measured_bytes"] is None
    assert run.json["predicted_for"] == "cpu"


def test_a_batch_that_does_not_fit_is_named(gpulabs):
    run = gpulabs("memory", "--batch", "32-128", "--measure")
    assert run.code == ExitCode.OUT_OF_MEMORY
    assert "out of memory at batch 128, float32; the largest batch that worked is 64" in run.err


def test_another_failure_keeps_what_was_measured(gpulabs):
    run = gpulabs("memory", "--batch", "64,65", "--measure", "--json")
    assert run.code == ExitCode.FAILED
    assert run.err.splitlines()[-1] == "gpulabs: memory: batch 65: it broke; 1 of 2 were measured before"
    assert [row["measured_bytes"] for row in run.json["rows"]] == [MIB, None]


def test_a_gpu_that_is_not_here_cannot_be_measured(gpulabs):
    run = gpulabs("memory", "--device", "gpu", "--measure")
    assert run.code == ExitCode.BAD_INPUT
    assert "this machine has a cpu" in run.err


def test_a_prediction_for_a_gpu_says_how_sure_it_is_and_takes_recorded_scratch_space(gpulabs, monkeypatch):
    monkeypatch.setattr(recorded, "recorded_batches", lambda: ())
    plain = gpulabs("memory", "--device", "gpu", "--batch", "64", "--json").json
    assert plain["scratch_space_from"] is None
    told = gpulabs("memory", "--device", "gpu", "--batch", "64").out
    assert "not in it" in told
    assert "worst known: small_cnn at batch 128, 7 % too low. All of it with Adam" in told
    assert "nobody has compared it with the memory that a GPU's allocator hands out" in told
    operations = {"cnn/conv2d/convolution": 64 * MIB}
    row = {"plan": StepPlan(64).as_dict(), "xla": {"workspaces": operations}}
    device = recorded.RecordedBatches("NVIDIA H200", {"gpu": "NVIDIA H200"}, "2026-01-02T03", [row], [])
    monkeypatch.setattr(recorded, "recorded_batches", lambda: (device,))
    found = gpulabs("memory", "--device", "gpu", "--batch", "64", "--json").json
    assert found["scratch_space_from"] == "NVIDIA H200, 2026-01-02"
    assert found["rows"][0]["peak_bytes"] > 64 * MIB > plain["rows"][0]["peak_bytes"]
    told = gpulabs("memory", "--device", "gpu", "--batch", "64").out
    assert "as recorded on NVIDIA H200, 2026-01-02" in told
    assert "nobody" not in told
