"""What a report says of the calibration, from the path's own part of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from autograder import calibration, path
from autograder.calibration import review
from gpulabs import devices
from tests.autograder.calibration.samples import calibration as made_up


def yardstick(where: str) -> tuple[dict[str, object], review.Yardstick]:
    header = dataclasses.replace(devices.header(), gpu="NVIDIA H100 80GB HBM3", peak_gflops=6e4, bandwidth_gb_s=3e3)
    return path.device_facts(header, where, 0)


def test_gpu_is_told_with_its_calibration_and_races_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "current", lambda gpu: (made_up(), made_up().line()))
    facts, found = yardstick("gpu")
    assert (facts["where"], facts["calibration"]) == ("gpu", "calibrated 2026-11-25, 2 launches")
    assert found.calibration == made_up()
    assert found.roof is not None
    assert found.roof.peak_gflops == 6e4


def test_gpu_without_one_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("GPULABS_CALIBRATION", raising=False)
    facts, found = yardstick("gpu")
    assert facts["calibration"] == "not calibrated"
    assert found.calibration is None


def test_simulator_has_no_yardstick() -> None:
    facts, found = yardstick("simulator")
    assert "calibration" not in facts
    assert found == review.UNKNOWN
