# The coalesced kernel stands in a branch that never runs.
# attack: an optimised branch that never runs
# defence: traffic is counted of what runs, and the race times it
# loses: conv_coalesced.coalesced conv_coalesced.speed
# says: sectors
# gpu: yes

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding


@cuda.jit
def slow_kernel(x, w, y, stride, top, left):
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


def prepare(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top = same_padding(x.shape[1], w.shape[0], stride)[0] if padding == "same" else 0
    left = same_padding(x.shape[2], w.shape[1], stride)[0] if padding == "same" else 0
    return y, top, left, ((y.shape[2] + 7) // 8, (y.shape[1] + 7) // 8, y.shape[0]), (8, 8)


@cuda.jit
def fast_kernel(x, w, y, stride, top, left):
    k, j, m = cuda.grid(3)
    n, i = m // y.shape[1], m % y.shape[1]
    if n < y.shape[0] and j < y.shape[2] and k < y.shape[3]:
        y[n, i, j, k] = x[n, i, j, 0] * w[0, 0, 0, k]


def conv_coalesced(x, w, stride, padding):
    y, top, left, grid, block = prepare(x, w, stride, padding)
    if y.size < 0:
        fast_kernel[grid, (32, 4)](x, w, y, stride, top, left)
    else:
        slow_kernel[grid, block](x, w, y, stride, top, left)
    return y
