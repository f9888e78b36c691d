# A number that doesn't say how sure it is.
# loses: throughput.median throughput.interval
# says: three numbers above 0

# %% task: throughput
import math
import statistics


def throughput(batch, times_ms):
    return 1000 * batch / statistics.median(times_ms)
