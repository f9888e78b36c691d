"""Recordings of memory: files that were measured, any number of devices."""

import json

import pytest

from gpulabs.errors import DataError, OutOfMemory
from gpulabs.recorded_memory import recorded_memory

PLAN = {"network": "lab_cnn", "precision": "float32", "optimizer": "adam", "recompute": False}


def write(folder, name, gpu):
    rows = [{"plan": PLAN | {"batch": batch}, "peak_bytes": 100 + 10 * batch} for batch in (8, 2)]
    rows.append({"plan": PLAN | {"batch": 16}, "out_of_memory": "full"})
    device = {"gpu": gpu, "cpu": "A CPU"}
    found = {"schema_version": 1, "device": device, "date": "2026-01-01", "source": "XLA", "rows": rows}
    (folder / name).write_text(json.dumps(found))


def test_the_recordings_of_the_package_are_whole():
    found = {(one.network, one.recompute): one for one in recorded_memory() if not one.on_gpu}
    for network in ("lab_cnn", "small_cnn"):
        device = found[network, False]
        assert {32 << power for power in range(9)} <= set(device.batches)
        sizes = [device.peaks[batch] for batch in device.batches]
        assert sizes == sorted(sizes)
    assert found["lab_cnn", True].peaks[512] < found["lab_cnn", False].peaks[512]


def test_between_two_batches_memory_is_a_straight_line(tmp_path):
    write(tmp_path, "a.json", None)
    write(tmp_path, "b.json", "A GPU")
    gpu, cpu = recorded_memory(tmp_path)
    assert (gpu.name, cpu.name, gpu.on_gpu, cpu.on_gpu) == ("A GPU", "A CPU (CPU)", True, False)
    assert [cpu.peak_bytes(batch) for batch in (2, 5, 8)] == [120, 150, 180]
    with pytest.raises(OutOfMemory, match="16"):
        cpu.peak_bytes(16)
    with pytest.raises(ValueError, match="smallest"):
        cpu.peak_bytes(1)


@pytest.mark.parametrize("text", ["", "[]", '{"schema_version": 2}', '{"schema_version": 1, "device": {}, "rows": []}'])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(DataError, match="bad.json"):
        recorded_memory(tmp_path)
