# Taps outside the image repeat the nearest pixel; under 'same' they count as zero.
# expect: conv_strided=0/25

# %% task: conv_strided
import math

import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding


@cuda.jit
def conv_strided_kernel(x, w, y, stride, top, left):
    j, i, m = cuda.grid(3)
    n, k = m // y.shape[3], m % y.shape[3]
    if n < y.shape[0] and i < y.shape[1] and j < y.shape[2]:
        total = np.float32(0)
        for r in range(w.shape[0]):
            row = min(max(i * stride + r - top, 0), x.shape[1] - 1)
            for s in range(w.shape[1]):
                column = min(max(j * stride + s - left, 0), x.shape[2] - 1)
                for c in range(w.shape[2]):
                    total += x[n, row, column, c] * w[r, s, c, k]
        y[n, i, j, k] = total


def conv_strided(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top = same_padding(x.shape[1], w.shape[0], stride)[0] if padding == "same" else 0
    left = same_padding(x.shape[2], w.shape[1], stride)[0] if padding == "same" else 0
    threads = (32, 4, 1)
    blocks = (math.ceil(y.shape[2] / 32), math.ceil(y.shape[1] / 4), y.shape[0] * y.shape[3])
    conv_strided_kernel[blocks, threads](x, w, y, stride, top, left)
    return y
