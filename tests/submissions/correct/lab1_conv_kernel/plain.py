# The plainest right answers: 3-D grids, one thread an output pixel.

# %% task: conv_first
import numpy as np
from numba import cuda


@cuda.jit
def first_kernel(x, w, y):
    j, i, n = cuda.grid(3)
    if n < y.shape[0] and i < y.shape[1] and j < y.shape[2]:
        for k in range(y.shape[3]):
            acc = np.float32(0)
            for r in range(w.shape[0]):
                for s in range(w.shape[1]):
                    for c in range(w.shape[2]):
                        acc += x[n, i + r, j + s, c] * w[r, s, c, k]
            y[n, i, j, k] = acc


def conv_first(x, w):
    n, h, width, _ = x.shape
    r, s, _, k = w.shape
    y = cuda.device_array((n, h - r + 1, width - s + 1, k), np.float32)
    block = (8, 8, 1)
    grid = ((y.shape[2] + 7) // 8, (y.shape[1] + 7) // 8, n)
    first_kernel[grid, block](x, w, y)
    return y

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
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top = left = 0
    if padding == "same":
        top, _ = same_padding(x.shape[1], w.shape[0], stride)
        left, _ = same_padding(x.shape[2], w.shape[1], stride)
    block = (8, 8, 1)
    grid = ((y.shape[2] + 7) // 8, (y.shape[1] + 7) // 8, y.shape[0])
    strided_kernel[grid, block](x, w, y, stride, top, left)
    return y

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding


@cuda.jit
def coalesced_kernel(x, w, y, stride, top, left):
    k, j, m = cuda.grid(3)
    n, i = m // y.shape[1], m % y.shape[1]
    if n < y.shape[0] and j < y.shape[2] and k < y.shape[3]:
        acc = np.float32(0)
        for r in range(w.shape[0]):
            row = i * stride + r - top
            for s in range(w.shape[1]):
                col = j * stride + s - left
                if 0 <= row < x.shape[1] and 0 <= col < x.shape[2]:
                    for c in range(w.shape[2]):
                        acc += x[n, row, col, c] * w[r, s, c, k]
        y[n, i, j, k] = acc


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top = left = 0
    if padding == "same":
        top, _ = same_padding(x.shape[1], w.shape[0], stride)
        left, _ = same_padding(x.shape[2], w.shape[1], stride)
    n, h_out, w_out, k = y.shape
    block = (32, 4, 1)
    grid = ((k + 31) // 32, (w_out + 3) // 4, n * h_out)
    coalesced_kernel[grid, block](x, w, y, stride, top, left)
    return y
