# Small absolute errors: the largest batch decides alone.
# loses: step_model.fit step_model.recorded
# says: relative errors

# %% task: step_model
import math
import numpy as np


def fit_step_time(batches, times_ms):
    image_ms, fixed_ms = np.polyfit(batches, times_ms, 1)
    return fixed_ms, image_ms


def batch_for(share, fixed_ms, image_ms):
    return math.ceil(share / (1 - share) * fixed_ms / image_ms)
