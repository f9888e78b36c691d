import json
import re

import pytest

from gpulabs.commands import bench
from gpulabs.roofline import Roof

ROW = {"low_ms": 0.9, "high_ms": 1.1, "error": 1e-7, "registers": 40}
RECORD = {
    "date": "2026-11-25T00:00:00+00:00",
    "device": {"name": "NVIDIA H100 80GB HBM3", "driver": "580"},
    "shapes": [
        {
            "name": "medium",
            "workload": "64x58x58x64 * 3x3x64->64",
            "flops": 1e9,
            "bytes": 1e6,
            "rows": [
                {"kernel": "naive", "median_ms": 10.0, "gflops": 500.0, **ROW},
                {"kernel": "buffered", "median_ms": 1.0, "gflops": 5000.0, **ROW},
                {"kernel": "cudnn", "median_ms": 0.5, "gflops": 10000.0, **ROW},
                {"kernel": "tensor_core", "median_ms": 0.5, "gflops": 10000.0, **ROW},
            ],
            "notes": ["winograd: does not take these shapes"],
        }
    ],
}


@pytest.fixture
def record(tmp_path, monkeypatch):
    (tmp_path / "ladder.json").write_text(json.dumps(RECORD), encoding="utf-8")
    monkeypatch.setattr(bench, "folders", lambda: [tmp_path])
    return tmp_path


def test_record_as_a_table(gpulabs, record):
    done = gpulabs("bench", "conv", "--recorded")
    assert done.code == 0
    assert "NVIDIA H100 80GB HBM3" in done.out
    assert "recorded 2026-11-25" in done.out
    assert "fastest in float32: buffered, 5 TFLOP/s, 0.50 of cuDNN's speed" in done.out
    assert "winograd: does not take these shapes" in done.out


def test_record_as_json_with_shares(gpulabs, record):
    done = gpulabs("bench", "conv", "--recorded", "--json")
    rows = {row["kernel"]: row for row in json.loads(done.out)["shapes"][0]["rows"]}
    assert rows["naive"]["share_of_cudnn"] == 0.05
    assert rows["naive"]["share_of_roof"] == pytest.approx(500 / 67_000)
    assert rows["tensor_core"]["share_of_cudnn"] is None  # cuDNN in TF32 is not in this record
    assert rows["tensor_core"]["share_of_roof"] == pytest.approx(10_000 / 494_700)


def test_roofline_is_drawn(gpulabs, record):
    target = record / "roof.png"
    assert gpulabs("bench", "conv", "--recorded", "--figure", str(target)).code == 0
    assert target.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--shape", "3x3"], 3, "give NxHxWxC"),
        (["--rungs", "naive,quick"], 3, "'quick'"),
        (["--figure", "roof.gif"], 3, r"\.png"),
        (["--recorded", "--shape", "1x5x5x1*3x3x1->1"], 3, "in the record"),
        (["--runs", "2"], 2, "--runs"),
    ],
)
def test_bad_input_is_named(gpulabs, record, arguments, code, says):
    done = gpulabs("bench", "conv", *arguments)
    assert done.code == code
    assert re.search(says, done.err)


def test_no_record_is_said(gpulabs, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "folders", lambda: [tmp_path])
    done = gpulabs("bench", "conv", "--recorded")
    assert done.code == 4
    assert "no record is installed" in done.err


def test_limits_of_an_unknown_device_are_left_open():
    each = {"flops": 1.0, "bytes": 1.0, "rows": [{"kernel": "naive", "median_ms": 1.0, "gflops": 1.0}]}
    bench.add_limits(each, None, None)
    assert each["rows"][0]["share_of_roof"] is None
    bench.add_limits(each, Roof(2.0, 2.0, "r"), None)
    assert each["rows"][0]["share_of_roof"] == 0.5
