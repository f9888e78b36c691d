# The largest batch that fits is fastest, and larger than it has to be.
# loses: choose_batch.small choose_batch.measured
# says: already reaches

# %% task: choose_batch
from gpulabs.errors import OutOfMemory


def choose_batch(batches, measure, share):
    for batch in reversed(batches):
        try:
            measure(batch)
            return batch
        except OutOfMemory:
            continue
