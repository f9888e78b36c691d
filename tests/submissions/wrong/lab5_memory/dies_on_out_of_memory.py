# The first batch that does not fit ends the search.
# loses: largest_batch.largest largest_batch.few largest_batch.usable
# says: OutOfMemory

# %% task: largest_batch
def largest_batch(try_batch, release):
    batch = 1
    while True:
        try_batch(batch)
        release()
        batch *= 2
