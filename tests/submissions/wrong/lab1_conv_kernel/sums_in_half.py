# Keeps the sum in half precision: 11 bits.
# loses: conv_strided.same conv_strided.stride conv_strided.close
# says: conv_strided

# %% task: conv_strided
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding


@cuda.jit
def strided_kernel(x, w, y, stride, top, left):
    j, i, n = cuda.grid(3)
    if n < y.shape[0] and i < y.shape[1] and j < y.shape[2]:
        for k in range(y.shape[3]):
            acc = np.float16(0)
            for r in range(w.shape[0]):
                row = i * stride + r - top
                for s in range(w.shape[1]):
                    col = j * stride + s - left
                    if 0 <= row < x.shape[1] and 0 <= col < x.shape[2]:
                        for c in range(w.shape[2]):
                            acc = np.float16(np.float32(acc) + x[n, row, col, c] * w[r, s, c, k])
            y[n, i, j, k] = np.float32(acc)


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
