# Every image of the batch is computed from the first one.
# loses: conv_coalesced.exact conv_coalesced.speed conv_coalesced.cpu
# says: conv_coalesced

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
                        acc += x[0, row, col, c] * w[r, s, c, k]
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
