import math
import os
import subprocess
import sys

import pytest

from gpulabs.devices import has_gpu
from gpulabs.errors import BadInputError
from gpulabs.timing import median_order, summarize, time_cpu, time_gpu


def test_summary_by_hand() -> None:
    summary = summarize([float(n) for n in (9, 1, 8, 2, 7, 3, 6, 4, 5)])
    # of 9 values the 2nd and 8th cover the median with 1 - 2 * (1 + 9) / 512 = 96 %
    assert (summary.median_ms, summary.low_ms, summary.high_ms, summary.iqr_ms, summary.runs) == (5, 2, 8, 4, 9)


@pytest.mark.parametrize(("count", "order"), [(1, 1), (5, 1), (6, 1), (8, 1), (9, 2), (15, 4), (30, 10), (100, 40)])
def test_order_is_the_largest_that_covers(count: int, order: int) -> None:
    assert median_order(count) == order
    missed = 2 * sum(math.comb(count, n) for n in range(order + 1)) / 2**count
    assert missed > 0.05


def test_one_time_is_its_own_summary() -> None:
    summary = summarize([2.5])
    assert (summary.median_ms, summary.low_ms, summary.high_ms, summary.iqr_ms) == (2.5, 2.5, 2.5, 0.0)


@pytest.mark.parametrize("times", [[], [1.0, -1.0], [math.nan], [math.inf]])
def test_what_is_no_time_is_refused(times: list[float]) -> None:
    with pytest.raises(BadInputError):
        summarize(times)


def test_cpu_time_leaves_the_warm_up_out() -> None:
    ticks = iter([0.0, 0.001, 1.0, 1.003, 2.0, 2.002])
    calls: list[int] = []
    summary = time_cpu(lambda: calls.append(1), runs=3, warm_ups=2, clock=lambda: next(ticks))
    assert len(calls) == 5
    assert summary.median_ms == pytest.approx(2.0)


def test_simulator_is_not_timed() -> None:
    program = (
        "from gpulabs.timing import time_gpu\ntry:\n    time_gpu(print)\nexcept Exception as e:\n    print(repr(e))"
    )
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert "MissingGpuError" in said.stdout
    assert "simulator mode" in said.stdout


@pytest.mark.gpu
def test_gpu_time_grows_with_work() -> None:
    from numba import cuda

    assert has_gpu()
    small, large = (cuda.device_array(1 << n) for n in (10, 26))

    @cuda.jit
    def write(array):
        for i in range(cuda.grid(1), array.size, cuda.gridsize(1)):
            array[i] = 1.0

    times = [time_gpu(lambda array=array: write[256, 256](array)).median_ms for array in (small, large)]
    assert 0 < times[0] < times[1]
