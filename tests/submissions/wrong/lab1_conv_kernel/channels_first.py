# Returns NCHW.
# loses: conv_first.exact conv_first.photo conv_first.close
# says: shape

# %% task: conv_first
import numpy as np
from numba import cuda


@cuda.jit
def first_kernel(x, w, y):
    j, i, n = cuda.grid(3)
    if n < y.shape[0] and i < y.shape[2] and j < y.shape[3]:
        for k in range(y.shape[1]):
            acc = np.float32(0)
            for r in range(w.shape[0]):
                for s in range(w.shape[1]):
                    for c in range(w.shape[2]):
                        acc += x[n, i + r, j + s, c] * w[r, s, c, k]
            y[n, k, i, j] = acc


def conv_first(x, w):
    n, h, width, _ = x.shape
    r, s, _, k = w.shape
    y = cuda.device_array((n, k, h - r + 1, width - s + 1), np.float32)
    block = (8, 8, 1)
    grid = ((width + 7) // 8, (h + 7) // 8, n)
    first_kernel[grid, block](x, w, y)
    return y
