# The shorter time at the lower end.
# loses: throughput.interval
# says: change places

# %% task: throughput
import math
import statistics


def throughput(batch, times_ms):
    n, k, fewer = len(times_ms), 0, 0.0
    while fewer + math.comb(n, k) / 2**n <= 0.025:
        fewer += math.comb(n, k) / 2**n
        k += 1
    ranked = sorted(times_ms)

    return tuple(1000 * batch / one for one in (statistics.median(times_ms), ranked[k - 1], ranked[n - k]))
