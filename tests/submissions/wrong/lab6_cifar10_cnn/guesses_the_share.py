# A number without a measurement.
# loses: pipeline.share
# says: over 0 steps

# %% task: pipeline
def input_share(next_batch, step, synchronize, clock):
    return 0.5

def step_ms(load_ms, compute_ms, workers, prefetch):
    load = load_ms / workers
    return max(load, compute_ms) if prefetch else load + compute_ms
