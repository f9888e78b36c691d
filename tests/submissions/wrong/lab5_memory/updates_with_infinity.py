# Halves the scale and takes the step all the same.
# loses: sixteen_bits.overflow
# says: ruin the weights

# %% task: sixteen_bits
import numpy as np


def lost_share(gradients, scale, smallest):
    sizes = np.abs(np.array(gradients, np.float64))
    return float(np.mean(sizes[sizes > 0] * scale < smallest / 2))


def next_scale(scale, good_steps, finite):
    if not finite:
        return max(1.0, scale / 2), 0, True
    if good_steps + 1 == 2000:
        return 2 * scale, 0, True
    return scale, good_steps + 1, True
