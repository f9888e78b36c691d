# Releases before each try, and not after the last one.
# loses: largest_batch.usable
# says: finds it full

# %% task: largest_batch
from gpulabs.errors import OutOfMemory


def largest_batch(try_batch, release):
    def fits(batch):
        release()
        try:
            try_batch(batch)
            return True
        except OutOfMemory:
            return False

    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        between = (low + high) // 2
        low, high = (between, high) if fits(between) else (low, between)
    return low
