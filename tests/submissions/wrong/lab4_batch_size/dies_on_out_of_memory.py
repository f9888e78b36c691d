# The first batch that does not fit ends the sweep.
# loses: sweep.survives
# says: OutOfMemory

# %% task: sweep
import statistics
from gpulabs.errors import OutOfMemory


def sweep(batches, measure):
    return [(batch, 1000 * batch / statistics.median(measure(batch))) for batch in batches]
