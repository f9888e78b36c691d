# A scale that may fall below 1.
# loses: sixteen_bits.overflow
# says: Not below 1

# %% task: sixteen_bits
import numpy as np


def lost_share(gradients, scale, smallest):
    sizes = np.abs(np.array(gradients, np.float64))
    return float(np.mean(sizes[sizes > 0] * scale < smallest / 2))


def next_scale(scale, good_steps, finite):
    if not finite:
        return scale / 2, 0, False
    if good_steps + 1 == 2000:
        return 2 * scale, 0, True
    return scale, good_steps + 1, True
