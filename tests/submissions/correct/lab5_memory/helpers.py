# Helpers above the functions, plain Python without NumPy.

# %% task: sixteen_bits
STEPS_TO_GROW = 2000


def halved(scale):
    return scale / 2 if scale >= 2 else 1.0


def lost_share(gradients, scale, smallest):
    others = [abs(one) * scale for one in gradients if one != 0]
    return sum(one < 0.5 * smallest for one in others) / len(others)


def next_scale(scale, good_steps, finite):
    good_steps = good_steps + 1 if finite else 0
    if good_steps >= STEPS_TO_GROW:
        scale, good_steps = scale * 2, 0
    return (scale if finite else halved(scale)), good_steps, finite
