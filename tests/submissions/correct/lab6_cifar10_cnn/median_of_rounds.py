# Medians of rounds, and an if for each case.

# %% task: pipeline
import statistics

def input_share(next_batch, step, synchronize, clock):
    same = next_batch()

    def round_s(make):
        synchronize()
        begin = clock()
        for _ in range(20):
            step(make())
        synchronize()
        return clock() - begin

    round_s(next_batch), round_s(lambda: same)
    fresh = statistics.median(round_s(next_batch) for _ in range(7))
    alone = statistics.median(round_s(lambda: same) for _ in range(7))
    return max(0.0, (fresh - alone) / fresh)

def step_ms(load_ms, compute_ms, workers, prefetch):
    if not prefetch:
        return compute_ms + load_ms / workers
    if load_ms > compute_ms * workers:
        return load_ms / workers
    return compute_ms
