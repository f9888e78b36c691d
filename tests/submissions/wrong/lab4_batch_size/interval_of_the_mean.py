# Two standard errors of the mean about the median: outliers make it far too wide.
# loses: throughput.interval
# says: wider than

# %% task: throughput
import math
import statistics


def throughput(batch, times_ms):
    middle = statistics.median(times_ms)
    error = 1.96 * statistics.stdev(times_ms) / math.sqrt(len(times_ms))
    return tuple(1000 * batch / one for one in (middle, middle + error, max(middle - error, 1e-9)))
