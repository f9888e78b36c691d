"""What follows from a calibration for a race, on made-up times."""

from __future__ import annotations

import dataclasses

import pytest

from autograder import rubric
from autograder.calibration import trust
from autograder.calibration.trust import Yardstick, gap, off_calibration, over_roof, reviewed, unresolved, until_trusted
from autograder.decision import decide
from autograder.evidence import Fault, FaultKind, Measurement, Outcome, Race, Resources
from autograder.judge import Verdict
from autograder.result import ItemScore, Status
from autograder.score import _judge_race
from gpulabs.devices import DeviceHeader
from gpulabs.errors import GraderError
from gpulabs.roofline import Roof
from tests.autograder.calibration.samples import calibration, race, workload

ITEM = rubric.load("lab1").task("conv_coalesced").item("speed")
NO_RESOURCES: tuple[Resources, ...] = ()


# Measuring again: on trusted signs only, twice at most, whatever the verdict.


def measured(*races: Race, outcome: Outcome | None = None) -> Measurement:
    return Measurement("conv_coalesced", "gpu", (outcome or Outcome("speed-0"),), races)


class Bench:
    """Gives out measurements in turn and counts pauses."""

    def __init__(self, *later: Measurement) -> None:
        self.later, self.pauses = list(later), 0

    def again(self) -> Measurement:
        return self.later.pop(0)

    def pause(self, seconds: float) -> None:
        self.pauses += 1


def settled(first: Measurement, *later: Measurement) -> tuple[Measurement, int]:
    bench = Bench(*later)
    return until_trusted(first, bench.again, calibration(), bench.pause), bench.pauses


@pytest.mark.parametrize("mine_ms", [1.0, 3.9, 9.0])
def test_untroubled_race_is_never_measured_again_whatever_it_says(mine_ms: float) -> None:
    found, pauses = settled(measured(race(mine_ms)))
    assert (found, pauses) == (measured(race(mine_ms)), 0)


@pytest.mark.parametrize("mine_ms", [1.0, 9.0])
def test_troubled_race_is_measured_again_whatever_it_says(mine_ms: float) -> None:
    found, pauses = settled(measured(race(mine_ms, trouble=("too hot",))), measured(race(2.0)))
    assert pauses == 1
    assert found.races[0].pairs == race(2.0).pairs
    assert found.races[0].discarded == ("too hot",)
    assert found.races[0].trouble == ()


def test_twice_at_most_then_the_trouble_stays_in_the_record() -> None:
    hot = measured(race(9.0, trouble=("too hot",)))
    found, pauses = settled(hot, hot, hot, hot)
    assert pauses == trust.RETRIES == 2
    assert found.races[0].discarded == ("too hot", "too hot")
    assert found.races[0].trouble == ("too hot",)


@pytest.mark.parametrize(("naive_ms", "off"), [(4.02, False), (4.4, False), (4.5, True), (3.7, False), (3.5, True)])
def test_baseline_off_its_calibration_by_over_ten_percent_is_trouble(naive_ms: float, off: bool) -> None:
    signs = off_calibration(race(naive_ms=naive_ms), calibration())
    assert bool(signs) is off
    if off:
        assert f"naive took {naive_ms:.4g} ms" in signs[0]
        assert ("more" if naive_ms > 4 else "less") in signs[0]
        found, pauses = settled(measured(race(naive_ms=naive_ms)), measured(race()))
        assert pauses == 1
        assert found.races[0].discarded == signs


def test_without_calibration_only_the_machines_own_signs_count() -> None:
    slow = measured(race(naive_ms=40.0))
    bench = Bench()
    assert until_trusted(slow, bench.again, None, bench.pause) == slow
    assert off_calibration(dataclasses.replace(race(naive_ms=40.0), workload="other"), calibration()) == ()


def test_wrong_outputs_of_a_discarded_race_still_count() -> None:
    found, _ = settled(measured(race(trouble=("busy",), wrong_outputs=3)), measured(race(wrong_outputs=1)))
    assert found.races[0].wrong_outputs == 4


def test_fault_of_the_second_try_counts_and_ends_it() -> None:
    fault = Outcome("speed-0", Fault(FaultKind.OUT_OF_BOUNDS, "wild", case="speed-0"))
    found, pauses = settled(measured(race(trouble=("busy",))), measured(outcome=fault))
    assert found.outcomes == (fault,)
    assert pauses == 1
    broken = Outcome("speed-0", guards_intact=False)
    found, _ = settled(measured(race(trouble=("busy",))), measured(race(), outcome=broken))
    assert found.outcomes == (broken,)


def test_grader_that_fails_the_second_time_keeps_the_first_measurement() -> None:
    def again() -> Measurement:
        raise GraderError("no memory")

    first = measured(race(trouble=("busy",)))
    found = until_trusted(first, again, None, lambda seconds: None)
    assert found.outcomes == first.outcomes
    assert found.races[0].trouble == ("busy", "measuring again failed: no memory")


def test_only_the_troubled_of_several_races_is_replaced() -> None:
    calm = dataclasses.replace(race(), baseline="coalesced")
    other = dataclasses.replace(calm, pairs=((7.0, 7.0),) * 15)
    found, _ = settled(measured(race(trouble=("busy",)), calm), measured(race(1.0), other))
    assert [each.pairs[0] for each in found.races] == [(1.0, 4.0), (2.0, 4.0)]


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


def judged(mine_ms: float, yardstick: Yardstick = trust.UNKNOWN, **more: object) -> Verdict:
    made = race(mine_ms, **more)
    decision = decide(made.pairs, 1.5, final=True)
    return reviewed(_judge_race(ITEM, made, decision, NO_RESOURCES), ITEM, made, decision.upper, yardstick)


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


def test_only_a_lack_of_speed_is_forgiven() -> None:
    close = Yardstick(calibration=calibration(workload(4.0, 3.6)))
    fault = Verdict(Status.LOST, "wrong", FaultKind.WRONG_VALUES, "hint", evidence={"time_ms": 3.5})
    assert reviewed(fault, ITEM, race(3.5), 1.2, close).status is Status.LOST


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
    (note,) = trust.notes([score(verdict)])
    assert note.startswith("For a person to look at, it costs no points: conv_coalesced.speed took 0.001 ms")
    assert not any(word in note.lower() for word in ("cheat", "fraud", "suspicious"))


def test_pass_against_a_slowed_baseline_is_flagged() -> None:
    slowed = {"naive_ms": 8.0, "yardstick": Yardstick(calibration=calibration())}
    assert "99% more than calibrated" in judged(4.0, **slowed).evidence["flag"]  # type: ignore[arg-type]
    assert "flag" not in judged(4.0, naive_ms=8.0).evidence


def test_notes_say_what_was_measured_again() -> None:
    verdict = judged(2.0, discarded=("too hot", "busy"))
    assert trust.notes([score(verdict)]) == ["conv_coalesced.speed was measured again twice: too hot; busy."]
    assert judged(2.0, discarded=("too hot",)).evidence["measured_again"] == "once: too hot"
    assert judged(2.0, discarded=("too hot", "too hot")).evidence["measured_again"] == "twice: too hot"
    assert trust.notes([score(judged(2.0))]) == []


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
    found = trust.roof(header)
    assert (found.peak_gflops if found else None) == peak
