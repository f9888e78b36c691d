# More measurements than there are.
# loses: choose_batch.reaches choose_batch.small choose_batch.measured
# says: no measurement is left

# %% task: choose_batch
from gpulabs.errors import OutOfMemory


def choose_batch(batches, measure, share):
    rates = {}
    for batch in batches:
        try:
            rates[batch] = measure(batch)
        except OutOfMemory:
            break
    return min(batch for batch in rates if rates[batch] >= share * max(rates.values()))
