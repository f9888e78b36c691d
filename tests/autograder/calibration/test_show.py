import dataclasses
import json
from pathlib import Path

import pytest

from autograder.calibration import record, show, summary, survey
from autograder.cli import app
from gpulabs.exit_codes import ExitCode
from gpulabs.terminal import run_cli
from tests.autograder.calibration.samples import calibration, workload


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        run_cli(app, "autograder", ["calibrate", *map(str, arguments)])
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def _gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(record.VARIABLE, raising=False)
    traces = [{"workload": "w", "candidate": "naive", "baseline": "naive", "launch": 1, "pairs": [[1.0, 2.0]]}]
    monkeypatch.setattr(survey, "calibrate", lambda *_: (calibration(), traces))


def test_calibrate_writes_where_grading_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--traces", tmp_path / "traces.json") == ExitCode.OK
    assert record.read(record.location("GPU-1")) == calibration()
    assert json.loads((tmp_path / "traces.json").read_text())["traces"][0]["pairs"] == [[1.0, 2.0]]
    shown = capsys.readouterr().out
    assert "NVIDIA Test (GPU-1), driver 580.1, calibrated 2026-11-25" in shown
    assert "coalesced" in shown
    assert "Note" not in shown


def test_show_and_json_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.json"
    close = calibration(workload(4.0, 3.6))
    assert run("--show", "--out", path) == ExitCode.BAD_INPUT
    path.write_text(record.to_text(close))
    capsys.readouterr()
    assert run("--show", "--out", path, "--json") == ExitCode.OK
    said = json.loads(capsys.readouterr().out)
    assert said["schema_version"] == 1
    assert said["calibration"]["uuid"] == "GPU-1"
    assert "can't tell them apart here; its points are given" in said["warnings"][0]


def test_show_without_a_calibration_says_what_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--show") == ExitCode.MISSING
    assert "not calibrated" in capsys.readouterr().err


def test_warnings_name_curves_between_rungs_that_are_too_close() -> None:
    curve = next(target for target in survey.targets("lab2") if target.item.kind == "speed_curve")
    times = {curve.item.low or "": 1.1, curve.item.high or "": 1.0}
    kernels = {name: summary.kernel_time([[time], [time]]) for name, time in times.items()}
    names = {"lab": curve.lab, "task": curve.task.id, "item": curve.item.id, "baseline": curve.baseline}
    close = dataclasses.replace(workload(), kernels=kernels, ratios={}, **names)
    (line,) = show.warnings(calibration(close))
    assert f"{curve.item.high} is only 1.10 times as fast as {curve.item.low}" in line


def test_warnings_name_wandering_times_and_launches_set_aside() -> None:
    wandering = workload()
    times = dataclasses.replace(wandering.kernels["naive"], spread=0.08)
    found = calibration(dataclasses.replace(wandering, kernels=wandering.kernels | {"naive": times}))
    told = show.warnings(dataclasses.replace(found, set_aside=("w: too hot",)))
    assert ["8.0%" in told[0], told[1:]] == [True, ["a launch was set aside: w: too hot"]]
    assert show.warnings(calibration()) == []
