"""Peaks taken from another record: what Lab 5 reads of them."""

import json

from benchmarks.step_memory import taken
from gpulabs.measured_step import Measured
from gpulabs.recorded_memory import recorded_memory
from gpulabs.training_step import StepPlan


def test_peaks_of_a_gpu_come_from_the_record_of_throughput(tmp_path):
    plans = [StepPlan(32), StepPlan(512), StepPlan(512, tf32=False), StepPlan(512, "bfloat16")]
    rows = [Measured(plan, "gpu", 1.0, peak_bytes=plan.batch * 1000).as_dict() for plan in plans]
    rows.append({"plan": StepPlan(8192).as_dict(), "failed": "out of memory", "detail": ""})
    device = {"gpu": "A GPU", "cpu": "A CPU"}
    found = {"schema_version": 1, "date": "2026-01-01", "device": device, "rows": rows}
    (tmp_path / "gpu.json").write_text(json.dumps(taken(found, "gpu.json")))

    half, full = recorded_memory(tmp_path)

    assert (half.name, half.precision, half.peaks) == ("A GPU", "bfloat16", {512: 512_000})
    assert full.peaks == {32: 32_000, 512: 512_000}
    assert full.source == "TensorFlow's allocator"
