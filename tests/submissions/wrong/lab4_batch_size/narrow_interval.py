# One rank on each side of the median.
# loses: throughput.interval
# says: too narrow

# %% task: throughput
import math
import statistics


def throughput(batch, times_ms):
    ranked, middle = sorted(times_ms), len(times_ms) // 2
    return tuple(1000 * batch / one for one in (statistics.median(ranked), ranked[middle + 1], ranked[middle - 1]))
