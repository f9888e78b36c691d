"""Whether a race is to be trusted, and when it is run again: pure.

A race is measured again only on a trusted sign of trouble: cut clocks, another process at work, a baseline
that is not as fast as its calibration. Whether to measure again never looks at the verdict; otherwise a
kernel that is too slow could try until luck helps it. The first race without trouble counts. Is there none,
the last one stands with its trouble, and points that it would lose are withheld.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from autograder.calibration.record import Calibration
from autograder.evidence import Measurement, Outcome, Race
from gpulabs.errors import GraderError

OFF = 0.10
"""A baseline this far from its calibration is a sign of trouble. Undisturbed launches on an H100 differ by less
than 1 %, so that 10 % is far outside of them, and the test's own margin is 5 %."""

RETRIES = 2
"""Trouble that lasts longer is the machine's state, and measuring on would only hold up the class."""

PAUSE_S = 3.0
"""Before measuring again: for a burst of other work to end, for a chip to cool a little."""


def off_calibration(race: Race, calibration: Calibration | None, least: float = -OFF) -> tuple[str, ...]:
    """Says so when a rung that the race is judged by was not as fast as calibrated.

    Args:
        race: The race.
        calibration: The GPU's, or None.
        least: How much below 0 is still as calibrated; minus infinity looks for a slow baseline only.
    """
    known = calibration.of(race) if calibration else None
    if known is None:
        return ()
    times = {race.baseline: [baseline for _, baseline in race.pairs], race.high: [high for _, _, high in race.rounds]}
    found = []
    for name, each in times.items():
        if name not in known.kernels or not each:
            continue
        expected, measured = known.kernels[name].median_ms, statistics.median(each)
        share = measured / expected - 1
        if not least <= share <= OFF:
            way = "more" if share > 0 else "less"
            usual = f"{abs(share):.0%} {way} than calibrated ({expected:.4g})"
            found.append(f"the ladder's {name} took {measured:.4g} ms, {usual}")
    return tuple(found)


def until_trusted(
    measured: Measurement,
    again: Callable[[], Measurement],
    calibration: Calibration | None,
    pause: Callable[[float], None] = time.sleep,
) -> Measurement:
    """Measures races with signs of trouble again, at most `RETRIES` times.

    Args:
        measured: The first measurement.
        again: Measures the races, and nothing else, once more.
        calibration: The GPU's, or None.
        pause: Waits for seconds; for tests.

    Returns:
        The measurement with the races that count. `Race.discarded` says why earlier ones don't; wrong outputs
        of those still count, for trouble explains a time and never an answer.
    """
    measured = _marked(measured, calibration)
    for _ in range(RETRIES):
        if not any(race.trouble for race in measured.races):
            break
        pause(PAUSE_S)
        try:
            fresh = _marked(again(), calibration)
        except GraderError as error:  # the first measurement's answers are still good
            more = (f"measuring again failed: {error}",)
            races = [replace(race, trouble=race.trouble + more) if race.trouble else race for race in measured.races]
            return replace(measured, races=tuple(races))
        new = {race.baseline: race for race in fresh.races}
        worse = {outcome.case: outcome for outcome in fresh.outcomes if not _clean(outcome)}
        measured = replace(
            measured,
            races=tuple(_newer(race, new) for race in measured.races),
            outcomes=tuple(worse.get(outcome.case, outcome) for outcome in measured.outcomes),
        )
        if worse:
            break
    return measured


def _clean(outcome: Outcome) -> bool:
    return outcome.fault is None and not outcome.unwritten and outcome.guards_intact and outcome.inputs_intact


def _marked(measured: Measurement, calibration: Calibration | None) -> Measurement:
    races = (replace(race, trouble=(*race.trouble, *off_calibration(race, calibration))) for race in measured.races)
    return replace(measured, races=tuple(races))


def _newer(race: Race, fresh: Mapping[str, Race]) -> Race:
    found = fresh.get(race.baseline)
    if not race.trouble or found is None or not found.pairs:
        return race
    return replace(
        found,
        wrong_outputs=found.wrong_outputs + race.wrong_outputs,
        discarded=(*race.discarded, ", ".join(race.trouble)),
    )
