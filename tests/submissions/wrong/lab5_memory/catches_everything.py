# Takes a lost process for a batch that does not fit.
# loses: largest_batch.largest largest_batch.few largest_batch.usable
# says: Come from below

# %% task: largest_batch
def largest_batch(try_batch, release):
    low, high = 0, 1 << 20
    while high - low > 1:
        middle = (low + high) // 2
        try:
            try_batch(middle)
            release()
            low = middle
        except Exception:
            high = middle
    return low
