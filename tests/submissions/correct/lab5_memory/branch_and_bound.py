# Computes again what must be, leaving out what can no longer be the best.

# %% task: recompute
import math


def peak_of(sizes, again):
    runs, kept = [0], 0
    for place, size in enumerate(sizes):
        if place in again:
            runs[-1] += size
        else:
            kept += size
            runs.append(0)
    return kept + max(runs)


def choose_recomputed(sizes, flops, budget):
    best = [math.inf, []]

    def go(place, again, work):
        if work >= best[0]:
            return
        if place == len(sizes):
            if peak_of(sizes, again) <= budget:
                best[:] = [work, again]
            return
        go(place + 1, again, work)
        go(place + 1, again + [place], work + flops[place])

    go(0, [], 0)
    return best[1]


def best_spacing(layers):
    return min(range(1, layers + 1), key=lambda spacing: layers // spacing + spacing - 1)
