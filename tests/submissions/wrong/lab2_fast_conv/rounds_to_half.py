# Computes the challenge in half precision.
# loses: conv_challenge.close conv_challenge.speed
# says: error|far|relative

# %% task: conv_challenge
import math
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, padding_before


@cuda.jit
def coarse_kernel(x, w, y, stride, top, left):
    k, j, m = cuda.grid(3)
    n, i = m // y.shape[1], m % y.shape[1]
    if n < y.shape[0] and j < y.shape[2] and k < y.shape[3]:
        total = np.float32(0)
        for r in range(w.shape[0]):
            for s in range(w.shape[1]):
                row, column = i * stride + r - top, j * stride + s - left
                if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                    for c in range(w.shape[2]):
                        rounded = np.float32(math.floor(x[n, row, column, c] * np.float32(16))) / np.float32(16)
                        total += rounded * w[r, s, c, k]
        y[n, i, j, k] = total


def conv_challenge(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    blocks = (math.ceil(y.shape[3] / 32), math.ceil(y.shape[2] / 4), math.ceil(y.shape[0] * y.shape[1] / 2))
    coarse_kernel[blocks, (32, 4, 2)](x, w, y, stride, top, left)
    return y
