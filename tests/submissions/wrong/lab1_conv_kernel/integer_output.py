# The output array is int32: whole numbers come out right, but no layer takes them.
# loses: conv_first.exact conv_first.photo conv_first.close
# says: int32

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
            y[n, i, j, k] = int(acc)


def conv_first(x, w):
    n, h, width, _ = x.shape
    r, s, _, k = w.shape
    y = cuda.device_array((n, h - r + 1, width - s + 1, k), np.int32)
    block = (8, 8, 1)
    grid = ((y.shape[2] + 7) // 8, (y.shape[1] + 7) // 8, n)
    first_kernel[grid, block](x, w, y)
    return y
