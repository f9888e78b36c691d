# Everything is computed again: one long run.
# loses: recompute.fits recompute.cheap
# says: one long run

# %% task: recompute
def peak_of(sizes, again):
    kept = run = longest = 0
    for place, size in enumerate(sizes):
        if place in again:
            run += size
            longest = max(longest, run)
        else:
            kept, run = kept + size, 0
    return kept + longest


def choose_recomputed(sizes, flops, budget):
    return list(range(len(sizes)))


def best_spacing(layers):
    def peak(spacing):
        return peak_of([1] * layers, [place for place in range(layers) if (place + 1) % spacing])

    return min(range(1, layers + 1), key=peak)
