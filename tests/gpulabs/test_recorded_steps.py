"""Recordings of training steps: files that were measured, and any number of devices."""

import json
import statistics

import pytest

from gpulabs.errors import DataError, OutOfMemory
from gpulabs.recorded_steps import recorded_steps


def write(folder, name, gpu, utilisation):
    rows = [
        {"plan": {"batch": batch, "network": "lab_cnn", "precision": precision}, "times_ms": [1.0, 2.0, 9.0],
         "utilisation": utilisation}
        for precision in ("float32", "bfloat16")
        for batch in (8, 1)
    ]  # fmt: skip
    rows.append({"plan": rows[0]["plan"] | {"batch": 16}, "out_of_memory": "full"})
    device = {"gpu": gpu, "cpu": "A CPU"}
    found = {"schema_version": 1, "device": device, "date": "2026-01-01", "rows": rows}
    (folder / name).write_text(json.dumps(found))


def test_the_recordings_of_the_package_are_whole():
    found = recorded_steps()
    assert found
    for device in found:
        assert device.header["cpu"]
        assert device.date.startswith("20")
        assert device.batches[0] == 1
        for batch in device.batches:
            assert min(device.times_ms[batch]) > 0
            assert device.images_per_s(batch) == batch * 1e3 / statistics.median(device.times_ms[batch])


def test_one_more_device_is_one_more_file_and_gpus_come_first(tmp_path):
    write(tmp_path, "a.json", None, None)
    write(tmp_path, "b.json", "A GPU", 0.5)
    found = recorded_steps(tmp_path)
    assert [(one.name, one.precision) for one in found] == [
        ("A GPU", "bfloat16"), ("A GPU", "float32"), ("A CPU (CPU)", "bfloat16"), ("A CPU (CPU)", "float32"),
    ]  # fmt: skip
    assert found[0].batches == (1, 8)
    assert (found[0].utilisation, found[2].utilisation) == ({1: 0.5, 8: 0.5}, {})
    with pytest.raises(OutOfMemory):
        found[0].step_ms(16)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema_version": 2}', '{"schema_version": 1, "device": {}, "rows": [{"times_ms": [1]}]}']
)
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(DataError, match="bad.json"):
        recorded_steps(tmp_path)
