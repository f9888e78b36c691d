# Doubles until it does not fit, and takes the last that did.
# loses: largest_batch.largest largest_batch.few
# says: answer lies between

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
    return low
