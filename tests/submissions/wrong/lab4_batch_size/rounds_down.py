# The batch below just misses the share.
# loses: step_model.share
# says: just misses

# %% task: step_model
import math
import numpy as np


def fit_step_time(batches, times_ms):
    weights = 1 / np.array(times_ms)
    rows = np.stack([weights, weights * np.array(batches)], axis=1)
    return tuple(np.linalg.lstsq(rows, np.ones(len(weights)), rcond=None)[0])


def batch_for(share, fixed_ms, image_ms):
    return int(share / (1 - share) * fixed_ms / image_ms)
