# Throughput built on a helper, the fit by hand: normal equations of the relative errors.

# %% task: throughput
import math
from statistics import median


def rank(n, tail=0.025):
    total = 0
    for k in range(n):
        total += math.comb(n, k)
        if total > tail * 2**n:
            return max(k, 1)


def throughput(batch, times_ms):
    per_second = sorted(1000 * batch / one for one in times_ms)
    k = rank(len(per_second))
    return 1000 * batch / median(times_ms), per_second[k - 1], per_second[len(per_second) - k]

# %% task: step_model
import math


def fit_step_time(batches, times_ms):
    a = [1 / t for t in times_ms]
    b = [n / t for n, t in zip(batches, times_ms)]
    aa, ab, bb = sum(x * x for x in a), sum(x * y for x, y in zip(a, b)), sum(y * y for y in b)
    sa, sb, det = sum(a), sum(b), sum(x * x for x in a) * sum(y * y for y in b) - sum(x * y for x, y in zip(a, b)) ** 2
    return (sa * bb - sb * ab) / det, (sb * aa - sa * ab) / det


def batch_for(share, fixed_ms, image_ms):
    batch = 1
    while batch / (fixed_ms + image_ms * batch) < share / image_ms:
        batch += 1
    return batch

# %% task: learning_rate
def learning_rate(step, batch, base_batch, base_rate, warm_up_steps):
    peak = base_rate / base_batch * batch
    if warm_up_steps > step:
        done = step / warm_up_steps
        return (1 - done) * base_rate + done * peak
    return peak
