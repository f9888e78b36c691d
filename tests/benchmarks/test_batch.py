"""The benchmark of batches, on processes that only pretend to train, and what becomes of its record."""

import json

import pytest

from benchmarks import batch, batch_tables
from benchmarks.memory_fit import compare, show
from benchmarks.step_times import taken_from
from gpulabs import measured_step
from gpulabs.memory import predict
from gpulabs.recorded_batches import recorded_batches
from gpulabs.recorded_steps import recorded_steps
from gpulabs.training_step import PRECISIONS, StepPlan
from tests.gpulabs.test_measured_step import PRETEND
from tests.gpulabs.test_memory import BLOCK


def test_every_batch_is_measured_in_every_precision_and_the_knee_comes_first():
    plans = [plan for group in batch.groups() for plan in group]
    assert len(plans) == len(set(plans))
    plain = {(plan.batch, plan.precision) for plan in plans if plan.tf32 and not plan.recompute}
    assert plain == {(1 << power, name) for power in range(14) for name in PRECISIONS}
    assert {plan.batch for plan in batch.groups()[0]} == {32, 512, 2048, 8192}


PLANNED = {
    "compiled_for": "A GPU",
    "by": "XLA",
    "date": "2026-01-02",
    "command": "c",
    "device": {"gpu": None},
    "rows": [{"plan": StepPlan(8).as_dict(), "xla": {"total_bytes": 1 << 20}, "predicted_bytes": 1 << 20}],
}


@pytest.fixture
def rows(monkeypatch):
    monkeypatch.setattr(measured_step, "PROGRAM", ("-c", PRETEND))
    calls = []
    found = list(batch.measure([StepPlan(8), StepPlan(14), StepPlan(64)], lambda: calls.append(1)))
    assert calls == [1]
    return found


def test_one_that_fails_is_a_row_with_its_sentence_and_stops_nobody(rows):
    found = {row["plan"]["batch"]: row for row in rows}
    assert found[8]["times_ms"] == [8.0, 16.0, 24.0]
    assert found[14]["failed"] == "batch 14, float32: its process ended with code 3: something broke"
    assert found[64]["failed"] == "out of memory at batch 64, float32"
    assert "RESOURCE_EXHAUSTED" in found[64]["detail"]

    whole = {"schema_version": 1, "date": "2026-01-01", "network": "lab_cnn", "optimizer": "adam", "command": "c"}
    whole |= {"device": {"gpu": "A GPU", "cpu": "A CPU"}, "rows": rows}
    times = taken_from(whole, ["float32"])
    assert [(row["plan"]["batch"], row["first_step_s"]) for row in times["rows"]] == [(8, 2.0)]


def test_the_times_of_a_record_are_a_recording_of_lab_4(rows, tmp_path):
    whole = {"schema_version": 1, "date": "2026-01-01", "network": "lab_cnn", "optimizer": "adam", "command": "c"}
    whole |= {"device": {"gpu": "A GPU", "cpu": "A CPU"}, "rows": rows}
    (tmp_path / "gpu.json").write_text(json.dumps(taken_from(whole, ["float32"])))
    (found,) = recorded_steps(tmp_path)
    assert (found.name, found.on_gpu, found.step_ms(8)) == ("A GPU", True, 16.0)


def plan_of(batch_size, scratch):
    operations = {"cnn/conv2d/convolution": scratch, "gradient_tape/cnn/conv2d/convolution/Filter": 2 * scratch}
    return {"plan": StepPlan(batch_size).as_dict(), "xla": {"workspaces": operations}}


def test_scratch_space_is_recorded_by_batch_and_lies_on_a_line_between(tmp_path):
    rows = [plan_of(8, 100), plan_of(16, 300), {"plan": StepPlan(32).as_dict(), "failed": "out of memory"}]
    record = {"schema_version": 1, "benchmark": "batch", "device": {"gpu": "A GPU"}, "date": "2026", "rows": rows}
    (tmp_path / "a.json").write_text(json.dumps(record))
    (tmp_path / "other.json").write_text(json.dumps(record | {"benchmark": "xla_for_gpu"}))
    (found,) = recorded_batches(tmp_path)
    asked = [found.workspaces(StepPlan(size))["forward, conv1"] for size in (1, 8, 10, 16, 999)]
    assert asked == [100, 100, 150, 300, 300]
    assert found.workspaces(StepPlan(8))["backward, conv1"] == 200
    assert found.workspaces(StepPlan(8, "bfloat16")) == {}
    assert len(found.failed) == 1


def test_what_a_rule_lacks_and_what_it_has_too_much_is_named():
    plan = StepPlan(8)
    found = predict(BLOCK, plan, "gpu")
    temporary = [t for t in found.tensors if t.part not in ("parameters", "optimizer state", "inputs")]
    sizes = {f"buffer.{place}": tensor.size for place, tensor in enumerate(temporary)}
    xla = {"total_bytes": 9000, "temp_bytes": 900, "live_bytes": 800, "operations": {"extra": "conv/odd"}}
    exact = compare(plan, found, xla | {"peak": sizes}, None)
    assert (exact.missing, exact.surplus, exact.gaps) == ((), (), 100)
    gone = next(tensor for tensor in found.tensors if tensor.name == "conv1: output")
    without = {name: size for name, size in sizes.items() if size != gone.size} | {"extra": 7777}
    off = compare(plan, found, xla | {"peak": without}, 10_000)
    assert off.missing == (("extra", "conv/odd", 7777),)
    assert ("conv1: output", gone.size) in off.surplus
    assert "conv/odd" in show(off, details=True)


def test_a_gpus_record_is_tables_and_without_one_it_says_not_measured_yet(rows, tmp_path):
    (tmp_path / "other.json").write_text(json.dumps({"benchmark": "xla_for_gpu", **PLANNED}))
    text = "\n".join(batch_tables.sections(tmp_path, lambda record: "A GPU."))
    assert "**not measured yet**" in text
    assert "no measurement" in text
    assert "TensorFlow's peak MiB |" not in text
    stopped = {"command": "gpulabs bench", "stderr": "out of memory at batch 64\n", "exit_code": 6, "processes_left": 0}
    measured = [row | {"predicted_bytes": 2 * row["peak_bytes"]} if row.get("peak_bytes") else row for row in rows]
    whole = {"benchmark": "batch", "device": {"gpu": "A GPU"}, "rows": measured, "out_of_memory": stopped}
    (tmp_path / "gpu.json").write_text(json.dumps(whole))
    text = "\n".join(batch_tables.sections(tmp_path, lambda record: "A GPU."))
    assert "not measured yet" not in text
    assert "| +100.0% |" in text
    assert "says `out of memory at batch 64`: exit code 6, 0 processes left" in text
    assert "Failed: " in text
    assert " 500 |" in text  # images a second
