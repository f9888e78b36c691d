# Half of the best throughput is not the share.
# loses: choose_batch.reaches choose_batch.small choose_batch.measured
# says: of the best throughput, .* is asked for

# %% task: choose_batch
from gpulabs.errors import OutOfMemory


def choose_batch(batches, measure, share):
    high, best = len(batches), None
    while best is None:
        high -= 1
        try:
            best = measure(batches[high])
        except OutOfMemory:
            pass
    low = -1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if measure(batches[middle]) >= 0.5 * best else (middle, high)
    return batches[high]
