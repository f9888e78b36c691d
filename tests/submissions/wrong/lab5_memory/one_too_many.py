# The first batch that does not fit.
# loses: largest_batch.largest largest_batch.few
# says: What did the last

# %% task: largest_batch
from gpulabs.errors import OutOfMemory


def largest_batch(try_batch, release):
    def fits(batch):
        try:
            try_batch(batch)
            return True
        except OutOfMemory:
            return False
        finally:
            release()

    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        between = (low + high) // 2
        low, high = (between, high) if fits(between) else (low, between)
    return high
