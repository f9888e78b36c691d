# NumPy and collections do the counting; doubling finds the scale.

# %% task: precision
def loss_scale(largest_gradient):
    scale = 1
    while 2 * scale * largest_gradient <= 65504:
        scale *= 2
    return scale

# %% task: reading
import numpy as np

def confusion(truth, predicted, classes):
    flat = np.bincount(np.array(truth) * classes + np.array(predicted), minlength=classes * classes)
    return flat.reshape(classes, classes)

def most_confused(matrix, pairs):
    both = np.triu(np.array(matrix) + np.array(matrix).T, 1)
    order = np.argsort(both, axis=None)[::-1][:pairs]
    return [[place // len(both), place % len(both)] for place in order]
