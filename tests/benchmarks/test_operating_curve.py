"""The operating curve of the speed test: its promise, its twin of the grader's own test, its machines, its picture."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from autograder.decision import LOOKS, MARGIN, Verdict, decide
from benchmarks import machines, operating_curve, operating_picture
from benchmarks.machines import PAIRS, SIMULATED
from benchmarks.operating_curve import FAIL, PASS, TOO_CLOSE, curve, decide_many

CODES = {Verdict.PASS: PASS, Verdict.FAIL: FAIL, Verdict.TOO_CLOSE: TOO_CLOSE}
RECORDED = json.loads(operating_curve.OUT.read_text(encoding="utf-8"))
ALL = {**SIMULATED, "recorded spread": machines.recorded_spread}
if (TRACES := machines.recorded_traces()) is not None:
    ALL["recorded traces"] = TRACES[1]


@pytest.mark.parametrize("name", ALL)
def test_the_vectorised_twin_decides_as_the_graders_own_test(name: str) -> None:
    rng = np.random.default_rng(7)
    candidate, baseline = ALL[name](rng, 60)
    ratios = rng.uniform(0.85, 1.05, (60, 1)) * baseline / candidate
    found = decide_many(ratios, 1.0)
    for row, verdict, pairs in zip(ratios, found.verdicts, found.pairs, strict=True):
        one = decide([(1.0, ratio) for ratio in row], 1.0)
        assert (CODES[one.verdict], one.pairs) == (verdict, pairs)


def test_the_twin_sees_all_verdicts_and_every_look() -> None:
    found = decide_many(np.linspace(0.9, 1.0, 101)[:, None] * np.tile([0.97, 1.03], (101, PAIRS // 2)), 1.0)
    assert set(found.verdicts) == {PASS, FAIL, TOO_CLOSE}
    rng = np.random.default_rng(3)
    candidate, baseline = machines.noisy(rng, 300)
    assert set(decide_many(0.93 * baseline / candidate, 1.0).pairs) == {count for count, _ in LOOKS}


@pytest.mark.parametrize("name", ALL)
def test_slow_kernels_fail_and_fast_ones_pass_on_every_machine(name: str) -> None:
    """With 1,000 students; of a promised 0.15 % these see more than 6 once in 1,000 times."""
    cells = {cell["ratio"]: cell for cell in curve(ALL[name], 1000, seed=5, ratios=(0.8, 0.9, 1.0, 1.2))}
    assert cells[0.8]["earned"] == 0.0
    assert cells[0.9]["earned"] <= 0.006
    assert cells[1.0]["earned"] >= 0.994
    assert cells[1.2]["earned"] == 1.0
    assert cells[1.2]["pairs_mean"] < 20


@pytest.mark.parametrize("name", RECORDED["machines"])
def test_the_recorded_curve_keeps_the_promise(name: str) -> None:
    cells = {cell["ratio"]: cell for cell in RECORDED["machines"][name]["cells"]}
    assert cells[0.9]["earned"] <= 0.0015
    assert cells[1.0]["earned"] >= 0.9985
    shares = [cell["earned"] for cell in cells.values()]
    assert shares == sorted(shares)  # the same races, scaled: a faster kernel never does worse


def test_ten_unpaired_runs_do_worse_where_others_use_the_machine() -> None:
    cells = {cell["ratio"]: cell for cell in RECORDED["machines"]["shared"]["cells"]}
    assert 0.15 <= cells[0.9]["peer_passed"] <= 0.35
    assert 0.45 <= cells[1.0]["peer_passed"] <= 0.55
    assert cells[0.9]["peer_passed_with_margin"] > cells[0.9]["peer_passed"] > 100 * cells[0.9]["earned"]


def test_the_recorded_curve_is_of_this_test_and_these_machines() -> None:
    assert RECORDED["looks"] == [list(look) for look in LOOKS]
    assert RECORDED["margin"] == MARGIN
    assert RECORDED["students"] == 4000
    fresh = operating_curve.compute(students=400)["machines"]
    assert set(fresh) == set(RECORDED["machines"])
    for name, machine in RECORDED["machines"].items():
        assert machine["definition"] == fresh[name]["definition"]
        for then, now in zip(machine["cells"], fresh[name]["cells"], strict=True):
            # Four standard errors of a share from 400 students, at most 0.025 each.
            assert abs(then["earned"] - now["earned"]) <= 0.1, (name, then["ratio"])


def test_the_picture_is_drawn_from_the_recorded_curve() -> None:
    drawn = operating_curve.PICTURE.read_text(encoding="utf-8")
    assert drawn == operating_picture.draw(RECORDED), "run: python -m benchmarks.operating_curve"
    for name in RECORDED["machines"]:
        assert f">{name}</text>" in drawn


def test_the_page_names_the_looks_and_their_chances() -> None:
    text = (operating_curve.ROOT / "docs" / "decision.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (\d+) \| ([\d.]+) % \|$", text, re.MULTILINE)
    assert tuple((int(pairs), int(order)) for pairs, order, _ in rows) == LOOKS
    for pairs, order, percent in rows:
        heads = sum(math.comb(int(pairs), k) for k in range(int(order))) / 2 ** int(pairs)
        assert 100 * heads == pytest.approx(float(percent), rel=0.02)


# The machines themselves.


@pytest.mark.parametrize("name", ALL)
def test_a_machine_is_fair_to_both_sides(name: str) -> None:
    candidate, baseline = ALL[name](np.random.default_rng(2), 2000)
    assert candidate.shape == baseline.shape == (2000, PAIRS)
    assert np.median(baseline / candidate) == pytest.approx(1.0, abs=0.004)


def test_runs_are_dealt_out_in_abba_order() -> None:
    slots = np.log(1.0 + np.arange(machines.RUNS))[None, :]
    candidate, baseline = machines.split(np.random.default_rng(0), slots)
    places = np.stack([candidate[0], baseline[0]]).round().astype(int) - 1
    for quad in range(PAIRS // 2):
        mine, theirs = (sorted(side[2 * quad : 2 * quad + 2] - 4 * quad) for side in places)
        assert (mine, theirs) in (([0, 3], [1, 2]), ([1, 2], [0, 3]))


def test_another_job_is_there_30_percent_of_the_time_in_bursts() -> None:
    busy = machines._bursts(np.random.default_rng(1), 2000)
    assert busy.mean() == pytest.approx(0.3, abs=0.01)
    ends = (busy[:, :-1] & ~busy[:, 1:]).sum()
    assert busy[:, :-1].sum() / ends == pytest.approx(machines.BURST, rel=0.05)


def test_recorded_spread_has_the_recorded_order_statistics() -> None:
    bounds = machines._recorded_bounds()
    assert len(bounds) > 5
    assert (bounds[:, 0] < 0).all()
    candidate, baseline = machines.recorded_spread(np.random.default_rng(4), 3000)
    ranked = np.sort(np.log(baseline / candidate)[:, :15], axis=1)
    assert ranked[:, 2].mean() == pytest.approx(bounds[:, 0].mean(), rel=0.1)
    assert ranked[:, 12].mean() == pytest.approx(bounds[:, 1].mean(), rel=0.1)


def test_recorded_traces_keep_what_differs_between_launches(tmp_path: Path) -> None:
    path = tmp_path / "traces.json"
    assert machines.recorded_traces(path) is None
    flat = {"workload": "w", "candidate": "c", "baseline": "b"}
    traces = [flat | {"launch": i, "pairs": [[ms, 4.0]] * PAIRS} for i, ms in enumerate((1.0, 2.0, 3.0))]
    short = flat | {"launch": 4, "pairs": [[9.0, 9.0]]}
    path.write_text(json.dumps({"gpu": "NVIDIA Test", "driver": "580", "traces": [*traces, short]}))
    found = machines.recorded_traces(path)
    assert found is not None
    assert found[0] == "3 launches of 120 pairs on NVIDIA Test, driver 580"
    candidate, baseline = found[1](np.random.default_rng(0), 50)
    assert set(np.unique(candidate)) == {0.5, 1.0, 1.5}
    assert (baseline == 1.0).all()


def test_recorded_traces_know_one_baseline_from_another(tmp_path: Path) -> None:
    """Mixed up, they would look like a machine that is wrong by the ratio of two baselines."""
    path = tmp_path / "traces.json"
    traces = [
        {"workload": "w", "candidate": "c", "baseline": str(ms), "launch": 1, "pairs": [[2.0, ms]] * PAIRS}
        for ms in (1.0, 8.0)
    ]
    path.write_text(json.dumps({"gpu": "NVIDIA Test", "driver": "580", "traces": traces}))
    found = machines.recorded_traces(path)
    assert found is not None
    candidate, baseline = found[1](np.random.default_rng(0), 50)
    assert (candidate == baseline).all()
