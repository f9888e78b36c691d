"""Measuring again: on trusted signs only, twice at most, whatever the verdict."""

from __future__ import annotations

import dataclasses

import pytest

from autograder.calibration import trust
from autograder.calibration.trust import off_calibration, until_trusted
from autograder.evidence import Fault, FaultKind, Measurement, Outcome, Race
from gpulabs.errors import GraderError
from tests.autograder.calibration.samples import calibration, race


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


def test_upper_rung_of_a_curve_is_held_against_its_calibration_too() -> None:
    between = race(high="coalesced", rounds=((1.0, 4.0, 2.0),) * 15)
    assert off_calibration(between, calibration()) == ()
    (sign,) = off_calibration(dataclasses.replace(between, rounds=((1.0, 4.0, 2.5),) * 15), calibration())
    assert sign.startswith("the ladder's coalesced took 2.5 ms, 24% more")


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
