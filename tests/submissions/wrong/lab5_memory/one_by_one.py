# One image more each time.
# loses: largest_batch.few
# says: Double until

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

    batch = 0
    while fits(batch + 1):
        batch += 1
    return batch
