# A scale that only ever gets smaller.
# loses: sixteen_bits.growth
# says: twice the scale may fit

# %% task: sixteen_bits
import numpy as np


def lost_share(gradients, scale, smallest):
    sizes = np.abs(np.array(gradients, np.float64))
    return float(np.mean(sizes[sizes > 0] * scale < smallest / 2))


def next_scale(scale, good_steps, finite):
    if not finite:
        return max(1.0, scale / 2), 0, False
    return scale, good_steps + 1, True
