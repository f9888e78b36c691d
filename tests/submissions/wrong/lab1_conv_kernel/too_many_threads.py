# 2,048 threads a block: a GPU takes 1,024.
# loses: conv_first.exact conv_first.photo conv_first.close
# says: 1,?024

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
    block = (64, 32, 1)
    grid = ((y.shape[2] + 63) // 64, (y.shape[1] + 31) // 32, n)
    first_kernel[grid, block](x, w, y)
    return y
