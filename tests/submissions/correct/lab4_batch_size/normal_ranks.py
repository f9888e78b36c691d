# Ranks of the interval from the normal approximation; larger batches are remembered as a set.

# %% task: throughput
from math import sqrt


def throughput(batch, times_ms):
    ranked, n = sorted(times_ms), len(times_ms)
    k = round(n / 2 - 0.98 * sqrt(n))
    middle = ranked[n // 2] if n % 2 else (ranked[n // 2 - 1] + ranked[n // 2]) / 2
    return [batch / (one / 1000) for one in (middle, ranked[-k], ranked[k - 1])]

# %% task: sweep
import numpy as np
from gpulabs.errors import OutOfMemory


def sweep(batches, measure):
    failed, found = set(), {}
    for batch in batches:
        if any(batch > one for one in failed):
            continue
        try:
            found[batch] = float(np.median([batch / one for one in measure(batch)])) * 1000
        except OutOfMemory:
            failed.add(batch)
    return list(found.items())

# %% task: learning_rate
def learning_rate(step, batch, base_batch, base_rate, warm_up_steps):
    factor = batch / base_batch
    progress = 1.0 if warm_up_steps == 0 else min(1.0, step / warm_up_steps)
    return base_rate * (1 + (factor - 1) * progress)
