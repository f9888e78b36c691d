# NumPy wherever it goes: a fit through both measurements, all choices at once.

# %% task: peak
import numpy as np


def peak_bytes(layers, batch, optimizer):
    shapes = [(np.prod(one["input"]), np.prod(one["output"])) for one in layers if one["kind"] == "MaxPooling2D"]
    entering, leaving = np.array(shapes).T
    pooling = 20 * batch * (entering.sum() + leaving.max())
    return float(np.sum(state_bytes(layers, optimizer, "float32")) + activation_bytes(layers, batch, "float32") + pooling)


def peaks_from_two(batches, measure):
    small = [16, 384]
    line = np.polyfit(small, [measure(batch) for batch in small], 1)
    return np.polyval(line, batches)

# %% task: sixteen_bits
import numpy as np


def lost_share(gradients, scale, smallest):
    sizes = np.abs(np.array([one for one in gradients if one], np.float64)) * scale
    return np.count_nonzero(np.round(sizes / smallest) == 0) / len(sizes)


def next_scale(scale, good_steps, finite):
    good = (good_steps + 1) * finite
    grown = good // 2000
    return scale * 2.0**grown if finite else max(scale * 0.5, 1.0), good % 2000, bool(finite)

# %% task: recompute
import numpy as np


def peaks_of(sizes, choices):
    run = longest = np.zeros(len(choices))
    for place, size in enumerate(sizes):
        run = (run + size) * choices[:, place]
        longest = np.maximum(longest, run)
    return (1 - choices) @ np.array(sizes) + longest


def peak_of(sizes, again):
    chosen = np.zeros((1, len(sizes)))
    chosen[0, list(again)] = 1
    return peaks_of(sizes, chosen)[0]


def choose_recomputed(sizes, flops, budget):
    count = len(sizes)
    choices = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    work = np.where(peaks_of(sizes, choices) <= budget, choices @ np.array(flops), np.inf)
    return np.flatnonzero(choices[work.argmin()])


def best_spacing(layers):
    spacings = np.arange(1, layers + 1)
    runs = np.where(layers // spacings > 0, spacings - 1, layers)
    return int(spacings[(layers // spacings + runs).argmin()])
