"""Times functions on the GPU and the CPU, and says how sure it is.

A time is a median with an interval from order statistics, never a mean: one interrupted run moves a
mean and leaves a median where it was.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gpulabs.errors import BadInputError, MissingGpuError

CONFIDENCE = 0.95
RUNS = 30
WARM_UPS = 3
SMALLEST_FLUSH_BYTES = 64 << 20
MOST_FLUSHES = 200
BUSY_MS = 4.0
"""One flush empties L2; more of them keep the GPU busy while the host allocates the output and Numba queues the
launches. What the GPU has to wait for is measured otherwise: with a tenth of this, a notebook on an H100 showed 0.2 to
0.9 ms more than the grader's race for functions that return 50 MB."""


@dataclass(frozen=True)
class Summary:
    """What repeated runs took.

    Attributes:
        median_ms: Median.
        low_ms: Lower end of the median's 95 % interval; the fastest run when there are fewer than 6.
        high_ms: Upper end; the slowest run when there are fewer than 6.
        iqr_ms: Interquartile range: the middle half of the runs spreads over this.
        runs: Number of runs.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    iqr_ms: float
    runs: int


def summarize(times_ms: Sequence[float]) -> Summary:
    """Summarizes times.

    Args:
        times_ms: One or more times.

    Raises:
        BadInputError: There is no time, or one is negative or not finite.

    Example:
        >>> summarize([3.0, 1.0, 2.0]).median_ms
        2.0

    Source:
        Hoefler and Belli, Scientific Benchmarking of Parallel Computing Systems, SC15, section 3.1.3
        (nonparametric confidence intervals of the median).
    """
    if not times_ms:
        raise BadInputError("no times to summarize: run it at least once")
    if bad := [time_ms for time_ms in times_ms if not (math.isfinite(time_ms) and time_ms >= 0)]:
        raise BadInputError(f"a time of {bad[0]} ms is none: times are finite and not negative")
    ranked = sorted(times_ms)
    order = median_order(len(ranked))
    quartiles = statistics.quantiles(ranked, n=4, method="inclusive") if len(ranked) > 1 else ranked * 3
    return Summary(
        median_ms=statistics.median(ranked),
        low_ms=ranked[order - 1],
        high_ms=ranked[-order],
        iqr_ms=quartiles[2] - quartiles[0],
        runs=len(ranked),
    )


def median_order(count: int, confidence: float = CONFIDENCE) -> int:
    """The largest k for which the k-th smallest to the k-th largest of `count` values cover the median this surely.

    The median lies outside when fewer than k of `count` fair coins show heads, or fewer than k show tails.
    At least 1, although fewer than 6 values can't reach 95 %.

    Example:
        >>> median_order(30)
        10
    """
    tail, order = 0.0, 0
    while 2 * (tail + math.comb(count, order) / 2**count) <= 1 - confidence:
        tail += math.comb(count, order) / 2**count
        order += 1
    return max(order, 1)


def time_gpu(function: Callable[[], Any], runs: int = RUNS, warm_ups: int = WARM_UPS) -> Summary:
    """Times what a function queues on Numba's default stream, between two events.

    L2 is flushed before each run, as in the grader; the first run compiles and is never timed. What
    the function does on the host between its launches counts where the GPU has to wait for it.

    Args:
        function: Called without arguments; launches kernels.
        runs: Timed runs.
        warm_ups: Untimed runs before them, at least 1.

    Raises:
        MissingGpuError: There is no GPU, or Numba is in simulator mode: a simulated kernel has no speed.
    """
    from numba import config, cuda

    if config.ENABLE_CUDASIM:
        raise MissingGpuError(
            "Numba runs in simulator mode, where every thread is Python: it says what a kernel computes, "
            "not how fast it is. Unset NUMBA_ENABLE_CUDASIM on a machine with a GPU to time it"
        )
    if not cuda.is_available():
        raise MissingGpuError("no GPU to time on; `gpulabs doctor` says what is missing")
    import numpy as np

    l2_bytes = int(getattr(cuda.get_current_device(), "L2_CACHE_SIZE", 0) or 0)
    flush = cuda.device_array(max(2 * l2_bytes, SMALLEST_FLUSH_BYTES) // 4, np.float32)
    for _ in range(max(warm_ups, 1)):
        function()
    _flush_kernel()[1024, 256](flush)  # compiles
    one_ms = _between_events(lambda: _flush_kernel()[1024, 256](flush))
    flushes = math.ceil(BUSY_MS / max(one_ms, BUSY_MS / MOST_FLUSHES))
    times = []
    for _ in range(runs):
        with cuda.defer_cleanup():  # to free memory is to wait for the GPU
            for _ in range(flushes):
                _flush_kernel()[1024, 256](flush)
            times.append(_between_events(function))
    return summarize(times)


def _between_events(function: Callable[[], Any]) -> float:
    """Milliseconds from an event before what a function queues to one after it; waits for it."""
    from numba import cuda

    start, end = cuda.event(), cuda.event()
    start.record()
    function()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def time_cpu(
    function: Callable[[], Any],
    runs: int = RUNS,
    warm_ups: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Summary:
    """Times a function by the wall clock, for work that is over when the function returns.

    Args:
        function: Called without arguments.
        runs: Timed runs.
        warm_ups: Untimed runs before them.
        clock: Seconds; for tests.
    """
    for _ in range(warm_ups):
        function()
    times = []
    for _ in range(runs):
        start = clock()
        function()
        times.append((clock() - start) * 1e3)
    return summarize(times)


_FLUSH: list[Any] = []


def _flush_kernel() -> Any:
    """Writes a whole array; made on first use, because Numba is only imported where a GPU is wanted."""
    if not _FLUSH:
        from numba import cuda

        @cuda.jit  # type: ignore[untyped-decorator]
        def write(array: Any) -> None:
            for i in range(cuda.grid(1), array.size, cuda.gridsize(1)):
                array[i] = 0.0

        _FLUSH.append(write)
    return _FLUSH[0]
