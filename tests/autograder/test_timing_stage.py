"""Stage 4 of a task: which measurement of its race counts, on a launcher that is made up."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autograder import calibration, cases, launch, rubric, timing_stage
from autograder.evidence import Measurement, Outcome, PlanSet, Race
from gpulabs import devices

TASK = rubric.load("lab1").task("conv_coalesced")
CASES = cases.draw(rubric.load("lab1"), 3, "gpu", [TASK.id])
RACED = next(case for case in CASES if case.item == "speed")


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """A launcher whose first race is troubled; what it was asked to run, call by call."""
    asked: list[list[str]] = []

    def measure(plans: PlanSet, cubins: Any, *, cases: Any, race: launch.RaceSpec, **__: Any) -> Measurement:
        asked.append([case.id for case in cases])
        found = Race(plans.task, race.workload, race.baseline, ((1.0, 2.0),) * 16)
        found = dataclasses.replace(found, trouble=("too hot",) if len(asked) == 1 else ())
        return Measurement(plans.task, "gpu", tuple(Outcome(case.id) for case in cases), (found,))

    monkeypatch.setattr(timing_stage, "_machine_code", lambda names, case, architecture: {})
    monkeypatch.setattr(timing_stage.trust, "PAUSE_S", 0.0)
    monkeypatch.setattr(launch, "measure", measure)
    monkeypatch.setattr(devices, "identity", lambda gpu=0: "GPU-1")
    monkeypatch.setattr(calibration, "current", lambda gpu=0: (None, "not calibrated"))
    monkeypatch.setattr(timing_stage.turns.tempfile, "gettempdir", lambda: str(tmp_path))
    return asked


def test_troubled_race_is_run_again_alone_and_the_record_says_why(launched: list[list[str]], tmp_path: Path) -> None:
    told: list[str] = []
    found = timing_stage.measure_task(
        TASK, PlanSet(TASK.id), {}, CASES, tmp_path, tmp_path, "sm_90", lambda stage, text: told.append(text)
    )
    assert launched == [[case.id for case in CASES], [RACED.id]]
    (race,) = found.races
    assert (race.discarded, race.trouble) == (("too hot",), ())
    assert [outcome.case for outcome in found.outcomes] == [case.id for case in CASES]
    assert told == ["conv_coalesced: measuring again, the first timing can't be trusted"]


def test_a_curve_races_both_its_rungs_with_the_others_beside() -> None:
    lab2 = rubric.load("lab2")
    drawn = cases.draw(lab2, 3, "gpu", ["conv_tiled"])

    race = timing_stage._race(lab2.task("conv_tiled"), drawn, "sm_75")

    assert race is not None
    assert (race.case, race.baseline, race.high) == ("conv_tiled-speed-0", "coalesced", "tiled")
    assert race.curve[-1] == (0.95, 7.0)
    assert "naive" in race.peers
    assert not {"coalesced", "tiled", "few_channels"} & set(race.peers)  # that one does not take 64 channels


def test_without_one_of_its_rungs_there_is_no_race(monkeypatch: pytest.MonkeyPatch) -> None:
    lab2 = rubric.load("lab2")
    drawn = cases.draw(lab2, 3, "gpu", ["conv_tiled"])
    monkeypatch.setattr(timing_stage.ladder, "ALL", ("naive", "coalesced"))

    assert timing_stage._race(lab2.task("conv_tiled"), drawn, "sm_75") is None


def test_the_ladder_is_assembled_once_for_a_whole_class(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def assemble(kernels: Any, architecture: str) -> Any:
        asked.append(sorted(kernels))
        return SimpleNamespace(faults={}, code=lambda: {key: key.encode() for key in kernels})

    monkeypatch.setattr(timing_stage.assemble, "assemble", assemble)
    monkeypatch.setattr(timing_stage, "_assembled", {})
    for names in (["naive"], ["naive", "coalesced"], ["naive", "coalesced"]):
        code = timing_stage._machine_code(names, RACED, "sm_90")
    assert asked == [["ladder:naive"], ["ladder:coalesced"]]
    assert code == {"ladder:naive": b"ladder:naive", "ladder:coalesced": b"ladder:coalesced"}
    timing_stage._machine_code(["naive"], RACED, "sm_75")
    assert len(asked) == 3
