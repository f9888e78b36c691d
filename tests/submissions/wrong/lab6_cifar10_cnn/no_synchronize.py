# The clock is read before the device is done.
# loses: pipeline.share
# says: expected 0

# %% task: pipeline
def input_share(next_batch, step, synchronize, clock):
    def seconds(fresh):
        batch = next_batch()
        step(batch)
        begin = clock()
        for _ in range(30):
            step(next_batch() if fresh else batch)
        return clock() - begin

    return 1 - seconds(False) / seconds(True)

def step_ms(load_ms, compute_ms, workers, prefetch):
    load = load_ms / workers
    return max(load, compute_ms) if prefetch else load + compute_ms
