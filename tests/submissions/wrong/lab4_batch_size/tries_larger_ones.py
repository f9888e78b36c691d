# Tries larger batches than one that did not fit.
# loses: sweep.survives
# says: after a smaller one did not fit

# %% task: sweep
import statistics
from gpulabs.errors import OutOfMemory


def sweep(batches, measure):
    pairs = []
    for batch in batches:
        try:
            pairs.append((batch, 1000 * batch / statistics.median(measure(batch))))
        except OutOfMemory:
            continue
    return pairs
