"""The survey of a workload on a GPU in plain Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from autograder import ladder
from autograder.evidence import Case, Kernel, decode, encode
from autograder.launch import race as race_module
from autograder.launch import survey as module
from autograder.launch.race import WARM_UPS
from autograder.launch.request import Request
from autograder.launch.survey import Survey, SurveyRequest, survey
from gpulabs.errors import GraderError
from tests.autograder.launch.fake_gpu import FakeGpu

CASE = Case("c", "t", "speed", "f", (4, 3, 4, 2), (2, 2, 2, 5))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race_module, "SMALLEST_FLUSH_BYTES", 1 << 12)
    monkeypatch.setattr(module, "throttled", lambda device: ())
    monkeypatch.setattr(module, "_conditions", lambda device: {"sm_mhz": 1980.0})


def surveyed(folder: Path, gpu: FakeGpu, *names: str) -> Survey:
    random = np.random.default_rng(5)
    for role, shape in (("x", CASE.x_shape), ("w", CASE.w_shape)):
        np.save(folder / f"c.{role}.npy", random.integers(-9, 9, shape).astype(np.float32))
    plan = ladder.plan_for(ladder.rung("naive"), CASE)[0]
    plans, kernels, files = {}, {}, {}
    for name in names:
        key = f"ladder:{name}"
        launches = tuple(type(each)(key, each.grid, each.block, 0, each.arguments) for each in plan.launches)
        plans[name] = type(plan)(plan.case, plan.arrays, launches, plan.result)
        kernels[key] = Kernel(name, name, "")
        (folder / f"{name}.cubin").write_bytes(name.encode())
        files[key] = str(folder / f"{name}.cubin")
    request = Request("t", (), kernels, files, str(folder), str(folder))
    asked = SurveyRequest(request, "c", plans, rounds=3, pairs=4, stride=1, cudnn=True, seed=1)
    read = decode(SurveyRequest, json.loads(json.dumps(encode(asked))))
    assert read == asked
    return survey(gpu, read)


def test_all_rungs_take_turns_and_run_in_pairs_with_the_baseline(tmp_path: Path) -> None:
    gpu = FakeGpu(times_ms={"naive": 2.0, "coalesced": 1.0})
    found = surveyed(tmp_path, gpu, "naive", "coalesced")
    assert found.times_ms == {"naive": (2.0,) * 3, "coalesced": (1.0,) * 3}
    assert found.pairs == {"naive": ((2.0, 2.0),) * 4, "coalesced": ((1.0, 2.0),) * 4}
    assert found.conditions == {"sm_mhz": 1980.0}
    assert decode(Survey, json.loads(json.dumps(encode(found)))) == found
    before = 2 * WARM_UPS + 2  # warm-ups, then one run each whose answers are compared
    rounds = [set(gpu.launched[before + i : before + i + 2]) for i in (0, 2, 4)]
    assert rounds == [{"naive", "coalesced"}] * 3
    quads = {tuple(gpu.launched[-8:-4]), tuple(gpu.launched[-4:])}
    assert quads <= {("coalesced", "naive", "naive", "coalesced"), ("naive", "coalesced", "coalesced", "naive")}


def test_much_slower_rungs_get_times_and_no_pairs(tmp_path: Path) -> None:
    found = surveyed(
        tmp_path, FakeGpu(times_ms={"coalesced": 1.0, "tiled": 4.0, "naive": 4.1}), "coalesced", "tiled", "naive"
    )
    assert set(found.times_ms) == {"coalesced", "tiled", "naive"}
    assert set(found.pairs) == {"coalesced", "tiled"}


def test_rungs_that_disagree_are_no_yardstick(tmp_path: Path) -> None:
    with pytest.raises(GraderError, match="skips_last differs from naive"):
        surveyed(tmp_path, FakeGpu(), "naive", "skips_last")


def test_trouble_during_the_launch_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signs = iter([(), ("too hot",)])
    monkeypatch.setattr(module, "throttled", lambda device: next(signs))
    assert surveyed(tmp_path, FakeGpu(), "naive").trouble == ("too hot",)
