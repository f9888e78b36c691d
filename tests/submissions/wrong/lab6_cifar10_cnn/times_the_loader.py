# The loader's time is taken for waiting, and prefetch for a sum.
# loses: pipeline.share pipeline.step
# says: ms to make and

# %% task: pipeline
def input_share(next_batch, step, synchronize, clock):
    step(next_batch())
    synchronize()
    loading, begin = 0.0, clock()
    for _ in range(30):
        before = clock()
        batch = next_batch()
        loading += clock() - before
        step(batch)
        synchronize()
    return loading / (clock() - begin)

def step_ms(load_ms, compute_ms, workers, prefetch):
    return load_ms / workers + compute_ms
