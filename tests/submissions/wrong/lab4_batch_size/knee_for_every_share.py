# The knee is half of the limit, whatever share is asked for.
# loses: step_model.share
# says: That is the knee

# %% task: step_model
import math
import numpy as np


def fit_step_time(batches, times_ms):
    weights = 1 / np.array(times_ms)
    rows = np.stack([weights, weights * np.array(batches)], axis=1)
    return tuple(np.linalg.lstsq(rows, np.ones(len(weights)), rcond=None)[0])


def batch_for(share, fixed_ms, image_ms):
    return math.ceil(fixed_ms / image_ms)
