# Each thread computes four columns; odd block shapes; a launch for each image.

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding


@cuda.jit
def four_columns(x, w, y, stride, top, left):
    k, quarter, m = cuda.grid(3)
    n, i = divmod(m, y.shape[1])
    if n >= y.shape[0] or k >= y.shape[3]:
        return
    for j in range(4 * quarter, min(4 * quarter + 4, y.shape[2])):
        acc = np.float32(0)
        for r in range(w.shape[0]):
            row = i * stride + r - top
            if 0 <= row < x.shape[1]:
                for s in range(w.shape[1]):
                    col = j * stride + s - left
                    if 0 <= col < x.shape[2]:
                        for c in range(w.shape[2]):
                            acc += x[n, row, col, c] * w[r, s, c, k]
        y[n, i, j, k] = acc


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top = same_padding(x.shape[1], w.shape[0], stride)[0] if padding == "same" else 0
    left = same_padding(x.shape[2], w.shape[1], stride)[0] if padding == "same" else 0
    n, h_out, w_out, k = y.shape
    quarters = (w_out + 3) // 4
    four_columns[(-(-k // 64), -(-quarters // 2), n * h_out), (64, 2, 1)](x, w, y, stride, top, left)
    return y

# %% task: conv_first
import numpy as np
from numba import cuda


@cuda.jit
def one_image(x, w, y, n):
    k, j, i = cuda.grid(3)
    if i < y.shape[1] and j < y.shape[2] and k < y.shape[3]:
        acc = np.float32(0)
        for r in range(w.shape[0]):
            for s in range(w.shape[1]):
                for c in range(w.shape[2]):
                    acc += x[n, i + r, j + s, c] * w[r, s, c, k]
        y[n, i, j, k] = acc


def conv_first(x, w):
    y = cuda.device_array((x.shape[0], x.shape[1] - w.shape[0] + 1, x.shape[2] - w.shape[1] + 1, w.shape[3]), np.float32)
    for n in range(x.shape[0]):
        one_image[(-(-y.shape[3] // 3), -(-y.shape[2] // 5), -(-y.shape[1] // 7)), (3, 5, 7)](x, w, y, n)
    return y
