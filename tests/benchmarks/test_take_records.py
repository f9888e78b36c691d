"""A new record, of whatever GPU, takes the place of an older one with one command, or leaves it where it is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with a copy of the recorded results."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import result_tables
    import take_records

    shutil.copytree(ROOT / "benchmarks" / "results", tmp_path / "results")
    monkeypatch.setattr(result_tables, "RESULTS", tmp_path / "results")
    return take_records


def as_of_an_h200(found: dict[str, Any]) -> None:
    found["device"] |= {"name": "NVIDIA H200", "gpu": "NVIDIA H200", "bandwidth_gb_s": 4800.0}
    for each in found["shapes"]:
        for row in each["rows"]:
            row["median_ms"] *= 0.75


def without_a_gpu(found: dict[str, Any]) -> None:
    found["device"]["gpu"] = None


def without_cudnn(found: dict[str, Any]) -> None:
    found["shapes"][0]["rows"] = [row for row in found["shapes"][0]["rows"] if row["kernel"] != "cudnn"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (as_of_an_h200, "NVIDIA H100 80GB HBM3, 2026-11-25 -> NVIDIA H200, 2026-11-25"),
        (without_a_gpu, "left out, ValueError: it is of a run without a GPU"),
        (without_cudnn, "left out, KeyError: 'cudnn'"),
    ],
)
def test_a_ladder_is_taken_or_left(
    script: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], None],
    said: str,
) -> None:
    results = tmp_path / "results"
    before = (results / "ladder.json").read_bytes()
    found = json.loads(before)
    found["device"] |= {"name": "NVIDIA H100 80GB HBM3", "gpu": "NVIDIA H100 80GB HBM3"}
    found["date"] = "2026-11-25T02:15:03+00:00"
    (results / "ladder.json").write_text(json.dumps(found))
    change(found)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ladder.json").write_text(json.dumps(found))

    left_out = script.main([str(tmp_path / "out")], results)

    assert said in capsys.readouterr().out
    taken = json.loads((results / "ladder.json").read_text())
    assert left_out == (0 if change is as_of_an_h200 else 1)
    assert (taken["device"]["gpu"] == "NVIDIA H200") is (change is as_of_an_h200)
    sentence = "\n".join(script.result_tables.in_short())
    assert f"On one {taken['device']['name']} the best direct float32 kernel" in sentence
    assert len(script.result_tables.page("docs/measurements.md")) > 1000
