# Each batch's throughput from a mean.
# loses: sweep.rates
# says: take the median

# %% task: sweep
import statistics
from gpulabs.errors import OutOfMemory


def sweep(batches, measure):
    pairs, too_large = [], 10**9
    for batch in batches:
        if batch < too_large:
            try:
                pairs.append((batch, 1000 * batch / statistics.fmean(measure(batch))))
            except OutOfMemory:
                too_large = batch
    return pairs
