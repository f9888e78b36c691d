# Rounds the output's size down where 'same' rounds it up.
# loses: conv_strided.stride
# says: shape

# %% task: conv_strided
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding


@cuda.jit
def strided_kernel(x, w, y, stride, top, left):
    j, i, n = cuda.grid(3)
    if n < y.shape[0] and i < y.shape[1] and j < y.shape[2]:
        for k in range(y.shape[3]):
            acc = np.float32(0)
            for r in range(w.shape[0]):
                row = i * stride + r - top
                for s in range(w.shape[1]):
                    col = j * stride + s - left
                    if 0 <= row < x.shape[1] and 0 <= col < x.shape[2]:
                        for c in range(w.shape[2]):
                            acc += x[n, row, col, c] * w[r, s, c, k]
            y[n, i, j, k] = acc


def conv_strided(x, w, stride, padding):
    shape = output_shape(x.shape, w.shape, stride, padding)
    if padding == "same":
        shape = (shape[0], max(x.shape[1] // stride, 1), max(x.shape[2] // stride, 1), shape[3])
    y = cuda.device_array(shape, np.float32)
    top = left = 0
    if padding == "same":
        top, _ = same_padding(x.shape[1], w.shape[0], stride)
        left, _ = same_padding(x.shape[2], w.shape[1], stride)
    block = (8, 8, 1)
    grid = ((y.shape[2] + 7) // 8, (y.shape[1] + 7) // 8, y.shape[0])
    strided_kernel[grid, block](x, w, y, stride, top, left)
    return y
