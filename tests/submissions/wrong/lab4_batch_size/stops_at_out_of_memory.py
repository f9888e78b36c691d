# Smaller batches that follow are not measured.
# loses: sweep.survives
# says: leaves out batch

# %% task: sweep
import statistics
from gpulabs.errors import OutOfMemory


def sweep(batches, measure):
    pairs = []
    for batch in batches:
        try:
            pairs.append((batch, 1000 * batch / statistics.median(measure(batch))))
        except OutOfMemory:
            break
    return pairs
