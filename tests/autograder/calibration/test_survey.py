"""From the rubrics' workloads to a calibration and its traces, with launches that are made up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from autograder import ladder
from autograder.calibration import survey as module
from autograder.calibration.survey import calibrate, targets, widest
from autograder.launch.survey import Survey, SurveyRequest
from gpulabs import devices
from gpulabs.errors import GraderError
from tests.autograder.calibration.samples import workload


@pytest.fixture(autouse=True)
def _gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices, "architecture", lambda: "sm_90")
    monkeypatch.setattr(devices, "identity", lambda: "GPU-1")
    monkeypatch.setattr(module.turns.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(module, "busy", lambda: ())
    assembled = SimpleNamespace(faults={}, code=lambda: {"ladder:naive": b"no machine code"})
    monkeypatch.setattr(module, "assemble", lambda kernels, architecture: assembled)  # it takes seconds


class Launches:
    """Answers requests; the numbers of launches in `hot` are troubled."""

    def __init__(self, *hot: int) -> None:
        self.hot, self.requests = hot, list[SurveyRequest]()

    def __call__(self, request: SurveyRequest) -> Survey:
        self.requests.append(request)
        folder = Path(request.launch.arrays_dir)
        assert np.load(folder / f"{request.case}.x.npy").dtype == np.float32
        number = len(self.requests)
        times = {name: (2.0 if name == "naive" else 1.0,) * request.rounds for name in request.rungs}
        return Survey(
            times_ms=times | {"cudnn": (0.1,)},
            pairs={name: ((times[name][0], 2.0),) * 4 for name in request.rungs},
            conditions={"sm_mhz": 1900.0 + number, "power_w": 300.0},
            trouble=("too hot",) if number in self.hot else (),
        )


def test_targets_are_the_speed_items_of_the_rubrics() -> None:
    found = {(target.lab, target.task.id, target.item.id): target.workload for target in targets("lab1")}
    assert found == {("lab1_conv_kernel", "conv_coalesced", "speed"): "8x58x58x64 * 3x3x64->64"}
    assert {target.lab for target in targets()} == {"lab1_conv_kernel", "lab2_fast_conv"}


def test_curves_are_calibrated_against_their_lower_rung() -> None:
    curves = [target for target in targets("lab2") if target.item.kind == "speed_curve"]
    assert curves
    assert [target.baseline for target in curves] == [target.item.low for target in curves]


def test_calibration_of_quiet_launches() -> None:
    launches = Launches()
    found, traces = calibrate("lab1", launches=3, rounds=5, run=launches)
    assert len(launches.requests) == 3
    assert next(iter(launches.requests[0].rungs)) == "naive"
    assert len({request.seed for request in launches.requests}) == 3
    (one,) = found.workloads
    assert set(one.kernels) == {"cudnn", *launches.requests[0].rungs}
    assert one.kernels["naive"].median_ms == 2.0
    assert one.ratios["coalesced"].ratio == 2.0
    assert one.ratios["naive"].ratio == 1.0
    assert (found.uuid, found.launches, found.rounds, found.set_aside) == ("GPU-1", 3, 5, ())
    assert [each.sm_mhz for each in found.conditions] == [1901.0, 1902.0, 1903.0]
    assert set(found.ladder) == set(ladder.NAMES)
    assert len(traces) == 3 * len(launches.requests[0].rungs)
    assert {(trace["candidate"], trace["launch"]) for trace in traces} >= {("naive", 1), ("coalesced", 3)}


def test_troubled_launches_are_set_aside_and_repeated() -> None:
    launches = Launches(1, 3)
    found, traces = calibrate("lab1", launches=2, rounds=5, run=launches)
    assert len(launches.requests) == 4
    assert found.set_aside == ("8x58x58x64 * 3x3x64->64: too hot",) * 2
    assert len(found.workloads[0].kernels["naive"].launches_ms) == 2
    assert len(traces) == 2 * len(launches.requests[0].rungs)


def test_gpu_that_is_never_quiet_is_not_calibrated() -> None:
    with pytest.raises(GraderError, match="only 0 of 5 launches .*too hot.*calibrate again"):
        calibrate("lab1", launches=2, rounds=5, run=Launches(*range(1, 9)))


def test_rungs_that_an_older_gpu_lacks_are_left_out_and_named(tmp_path: Path) -> None:
    (target,) = targets("lab1")
    needs = {name: int(ladder.rung(name).target.removeprefix("sm_")) for name in ladder.NAMES}
    plans, _, notes = module.prepare(target, "sm_75", tmp_path)
    assert set(plans) == {name for name, least in needs.items() if least <= 75}
    assert len(notes) == len(needs) - len(plans)
    with pytest.raises(GraderError, match="naive needs sm_75, this GPU is sm_60, and it is the baseline"):
        module.prepare(target, "sm_60", tmp_path)


def test_child_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (target,) = targets("lab1")
    plans, request, _ = module.prepare(target, "sm_90", tmp_path)
    asked = SurveyRequest(request, target.case.id, plans, 1, 1, 1, False, 0)
    with pytest.raises(GraderError, match="a launch ended with status"):  # no GPU here, or no such machine code
        module.run_child(asked)


def test_widest_spread_is_the_baselines() -> None:
    assert widest([workload()]) == pytest.approx(0.00995, rel=0.01)
    assert widest([]) == 0.0
