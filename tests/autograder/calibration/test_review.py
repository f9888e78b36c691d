"""What a GPU can't tell apart, and what a person should see, on made-up times."""

from __future__ import annotations

import dataclasses

import pytest

from autograder import rubric
from autograder.calibration import review
from autograder.calibration.review import Yardstick, gap, over_roof, reviewed, told, unresolved
from autograder.decision import decide
from autograder.evidence import FaultKind, Race
from autograder.result import ItemScore, Status
from autograder.verdict import Verdict
from gpulabs.devices import DeviceHeader
from gpulabs.roofline import Roof
from tests.autograder.calibration.samples import calibration, race, workload

ITEM = rubric.load("lab1").task("conv_coalesced").item("speed")


# What this GPU can't tell apart.

ORDER = ("naive", "coalesced", "tiled")


@pytest.mark.parametrize(
    ("baseline", "threshold", "slow", "fast"),
    [
        ("naive", 1.5, "naive", "coalesced"),
        ("coalesced", 0.9, "naive", "coalesced"),
        ("coalesced", 1.2, "coalesced", "tiled"),
        ("tiled", 0.5, "coalesced", "tiled"),
    ],
)
def test_threshold_stands_between_two_neighbours(baseline: str, threshold: float, slow: str, fast: str) -> None:
    times = {"naive": 8.0, "coalesced": 4.0, "tiled": 1.0}
    found = gap(dataclasses.replace(race(), baseline=baseline, peers=times), threshold, None, ORDER)
    assert found is not None
    assert (found.slow, found.fast, found.calibrated) == (slow, fast, False)
    assert found.ratio == times[slow] / times[fast]
    assert found.floor == times[baseline] / times[slow]
    assert found.reach == times[baseline] / times[fast]


@pytest.mark.parametrize(("baseline", "threshold"), [("naive", 0.9), ("tiled", 1.5), ("unknown", 1.5)])
def test_there_is_no_gap_beyond_the_ends(baseline: str, threshold: float) -> None:
    times = {"naive": 8.0, "coalesced": 4.0, "tiled": 1.0}
    assert gap(dataclasses.replace(race(), baseline=baseline, peers=times), threshold, None, ORDER) is None


def test_calibrated_times_go_before_those_of_the_run() -> None:
    odd = race(peers={"naive": 4.0, "coalesced": 3.9})
    assert "1.03 times" in unresolved(gap(odd, 1.5, None), 1.5)
    assert unresolved(gap(odd, 1.5, calibration()), 1.5) == ""
    assert "(calibrated)" in unresolved(gap(race(), 1.5, calibration(workload(4.0, 3.6))), 1.5)


def test_rungs_apart_but_below_the_threshold_can_not_be_asked_for() -> None:
    found = gap(race(peers={"naive": 4.0, "coalesced": 3.0}), 1.5, None)
    assert "own coalesced reaches only 1.33" in unresolved(found, 1.5)
    assert unresolved(found, 1.4) == ""  # 1.33 is 95 % of 1.4


def alone(made: Race) -> Verdict:
    """What the race alone says."""
    numbers = {"speedup": decide(made.pairs, 1.5, final=True).speedup}
    if made.wrong_outputs:
        return Verdict(Status.LOST, "wrong", FaultKind.WRONG_VALUES, "hint", evidence=numbers)
    if decide(made.pairs, 1.5, final=True).earns:
        return Verdict(Status.EARNED, "fast", evidence=numbers)
    return Verdict(Status.WITHHELD if made.trouble else Status.LOST, "slow", hint="hint", evidence=numbers)


def judged(mine_ms: float, yardstick: Yardstick = review.UNKNOWN, **more: object) -> Verdict:
    made = race(mine_ms, **more)
    return reviewed(alone(made), ITEM, made, decide(made.pairs, 1.5, final=True).upper, yardstick)


def test_clear_rungs_leave_every_verdict_as_it_was() -> None:
    assert judged(2.0).status is Status.EARNED
    lost = judged(3.5)
    assert lost.status is Status.LOST
    assert lost.hint
    assert lost.evidence["coalesced_over_naive"] == 2.0


@pytest.mark.parametrize(("mine_ms", "status"), [(3.5, Status.EARNED), (4.1, Status.EARNED), (6.0, Status.LOST)])
def test_where_rungs_are_too_close_points_are_given_unless_slower_than_both(mine_ms: float, status: Status) -> None:
    close = Yardstick(calibration=calibration(workload(4.0, 3.6)))
    verdict = judged(mine_ms, close)
    assert verdict.status is status
    assert ("can't tell them apart here, so the points are yours" in verdict.reason) is (status is Status.EARNED)


def test_points_are_not_given_on_the_word_of_one_run() -> None:
    verdict = judged(3.5, peers={"naive": 4.0, "coalesced": 3.6})
    assert verdict.status is Status.WITHHELD
    assert "on this GPU the ladder's coalesced is only 1.11" in verdict.reason
    assert verdict.evidence["coalesced_over_naive"] == 1.111
    assert judged(6.0, peers={"naive": 4.0, "coalesced": 3.6}).status is Status.LOST


def test_a_pass_says_so_too() -> None:
    verdict = judged(2.0, Yardstick(calibration=calibration(workload(4.0, 3.6))))
    assert verdict.status is Status.EARNED
    assert "can't tell them apart here." in verdict.reason


def test_wrong_outputs_and_withheld_points_are_not_given() -> None:
    close = Yardstick(calibration=calibration(workload(4.0, 3.6)))
    assert judged(3.5, close, wrong_outputs=1).status is Status.LOST
    assert judged(3.5, close, trouble=("too hot",)).status is Status.WITHHELD


# Too fast to be true.

ROOF = Roof(67_000, 3_350, "NVIDIA Test")


def test_below_the_roof_nothing_is_said() -> None:
    assert over_roof(race(2.0), ROOF) == over_roof(race(1e-9), None) == ""


@pytest.mark.parametrize(
    ("flops", "bytes_", "least_us"), [(6.7e9, 1.0, 100.0), (1.0, 6.7e8, 200.0)], ids=["cores", "memory"]
)
def test_flag_at_the_higher_of_both_roofs(flops: float, bytes_: float, least_us: float) -> None:
    assert over_roof(race(1.01e-3 * least_us, flops=flops, bytes=bytes_), ROOF) == ""
    text = over_roof(race(0.99e-3 * least_us, flops=flops, bytes=bytes_), ROOF)
    assert f"at least {least_us / 1e3:.4g} ms" in text


def test_flag_costs_no_points_and_accuses_nobody() -> None:
    verdict = judged(1e-3, Yardstick(roof=ROOF))
    assert verdict.status is Status.EARNED
    (note,) = review.notes([score(verdict)])
    assert note.startswith("For a person to look at, it costs no points: conv_coalesced.speed took 0.001 ms")
    assert not any(word in note.lower() for word in ("cheat", "fraud", "suspicious"))


def test_pass_against_a_slowed_baseline_is_flagged() -> None:
    slowed = {"naive_ms": 8.0, "yardstick": Yardstick(calibration=calibration())}
    assert "99% more than calibrated" in judged(4.0, **slowed).evidence["flag"]  # type: ignore[arg-type]
    assert "flag" not in judged(4.0, naive_ms=8.0).evidence
    for naive_ms in (4.0, 2.0):  # as calibrated; faster, which helps no student
        assert "flag" not in judged(0.5, naive_ms=naive_ms, yardstick=Yardstick(calibration=calibration())).evidence


def test_a_verdict_without_a_threshold_is_told_the_same() -> None:
    made = race(1e-3, discarded=("busy",))
    verdict = told(Verdict(Status.EARNED, "position 1.2", evidence={"position": 1.2}), made, Yardstick(roof=ROOF))
    assert set(verdict.evidence) == {"position", "measured_again", "flag"}
    assert verdict.reason == "position 1.2"


def test_notes_say_what_was_measured_again() -> None:
    verdict = judged(2.0, discarded=("too hot", "busy"))
    assert review.notes([score(verdict)]) == ["conv_coalesced.speed was measured again twice: too hot; busy."]
    assert judged(2.0, discarded=("too hot",)).evidence["measured_again"] == "once: too hot"
    assert judged(2.0, discarded=("too hot", "too hot")).evidence["measured_again"] == "twice: too hot"
    assert review.notes([score(judged(2.0))]) == []


def score(verdict: Verdict) -> ItemScore:
    return ItemScore(
        "conv_coalesced", "speed", "t", 6.0, 6.0, verdict.status, verdict.reason, evidence=verdict.evidence
    )


@pytest.mark.parametrize(
    ("header", "peak"),
    [
        (DeviceHeader("o", "c", 1, gpu="Some GPU", peak_gflops=5.0, bandwidth_gb_s=6.0), 5.0),
        (DeviceHeader("o", "c", 1, gpu="Tesla T4"), 8100),
        (DeviceHeader("o", "c", 1, gpu="Nobody's"), None),
        (DeviceHeader("o", "c", 1), None),
    ],
)
def test_roof_is_the_drivers_or_the_published_one(header: DeviceHeader, peak: float | None) -> None:
    found = review.roof(header)
    assert (found.peak_gflops if found else None) == peak
