# Counts as lost what was 0 before.
# loses: sixteen_bits.lost
# says: leave zeros out

# %% task: sixteen_bits
import numpy as np


def lost_share(gradients, scale, smallest):
    sizes = np.abs(np.array(gradients, np.float64))
    return float(np.mean(sizes * scale < smallest / 2))


def next_scale(scale, good_steps, finite):
    if not finite:
        return max(1.0, scale / 2), 0, False
    if good_steps + 1 == 2000:
        return 2 * scale, 0, True
    return scale, good_steps + 1, True
