# The first choice that fits, from the one with most to compute.
# loses: recompute.cheap
# says: is enough, up to

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
    best = None
    for bits in range(2 ** len(sizes)):
        again = [place for place in range(len(sizes)) if bits >> place & 1]
        work = sum(flops[place] for place in again)
        if (best is None or work > best[0]) and peak_of(sizes, again) <= budget:
            best = work, again
    return best[1]


def best_spacing(layers):
    def peak(spacing):
        return peak_of([1] * layers, [place for place in range(layers) if (place + 1) % spacing])

    return min(range(1, layers + 1), key=peak)
