"""Launches of a survey -> the calibration's numbers: pure functions.

A launch is a process of its own: what differs from launch to launch (addresses, clocks, the state of the
machine) is the run-to-run spread; what differs within one is jitter. They are kept apart, because a race
runs within one launch and averages only the jitter away.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from autograder.calibration.record import KernelTime, RatioNoise

FAR = 0.05
"""A pair this far from its launch's median, as a share, is an outlier: the margin of the speed test."""

MAD_TO_SIGMA = 1.4826
"""Of a normal distribution: standard deviation / median absolute deviation."""

Pairs = Sequence[tuple[float, float]]


def kernel_time(launches: Sequence[Sequence[float]]) -> KernelTime:
    """Summarizes one kernel's times.

    Args:
        launches: The times of each launch, ms; at least one launch of at least one time.

    Example:
        >>> kernel_time([[1.0, 1.0, 1.0], [1.1, 1.1, 1.1], [1.0, 1.0, 1.0]]).spread
        0.1
    """
    medians = [statistics.median(times) for times in launches]
    middle = statistics.median(medians)
    jitters = [_iqr(times) / median for times, median in zip(launches, medians, strict=True)]
    return KernelTime(
        median_ms=_digits(middle),
        launches_ms=tuple(_digits(median) for median in medians),
        spread=_digits((max(medians) - min(medians)) / middle),
        jitter=_digits(statistics.median(jitters)),
    )


def ratio_noise(launches: Sequence[Pairs]) -> RatioNoise:
    """Summarizes the paired ratios baseline / rung.

    Args:
        launches: The (rung, baseline) times of each launch's pairs, ms.
    """
    logs = [[math.log(baseline / rung) for rung, baseline in pairs] for pairs in launches]
    medians = [statistics.median(found) for found in logs]
    off = [[abs(each - median) for each in found] for found, median in zip(logs, medians, strict=True)]
    ratios = [math.exp(median) for median in medians]
    middle = statistics.median(ratios)
    count = sum(len(found) for found in off)
    return RatioNoise(
        ratio=_digits(middle),
        launches=tuple(_digits(ratio) for ratio in ratios),
        spread=_digits((max(ratios) - min(ratios)) / middle),
        jitter=_digits(MAD_TO_SIGMA * statistics.median(statistics.median(found) for found in off)),
        far=_digits(sum(each > math.log1p(FAR) for found in off for each in found) / count),
        pairs=count,
    )


def _iqr(times: Sequence[float]) -> float:
    if len(times) < 2:
        return 0.0
    low, _, high = statistics.quantiles(times, n=4, method="inclusive")
    return high - low


def _digits(value: float) -> float:
    """Five significant digits: more would be noise in a file that people compare."""
    return float(f"{value:.5g}")
