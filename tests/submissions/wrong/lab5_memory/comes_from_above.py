# Halves from a million on: the first try takes the process with it.
# loses: largest_batch.largest largest_batch.few largest_batch.usable
# says: process is gone

# %% task: largest_batch
from gpulabs.errors import OutOfMemory


def largest_batch(try_batch, release):
    low, high = 0, 1 << 20
    while high - low > 1:
        middle = (low + high) // 2
        try:
            try_batch(middle)
            low = middle
        except OutOfMemory:
            high = middle
        finally:
            release()
    return low
