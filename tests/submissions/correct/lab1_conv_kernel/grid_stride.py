# A fixed 1-D grid whose threads stride over all outputs.

# %% task: conv_first
import numpy as np
from numba import cuda


@cuda.jit
def striding(x, w, y):
    for index in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        k = index % y.shape[3]
        j = index // y.shape[3] % y.shape[2]
        i = index // (y.shape[3] * y.shape[2]) % y.shape[1]
        n = index // (y.shape[3] * y.shape[2] * y.shape[1])
        acc = np.float32(0)
        for r in range(w.shape[0]):
            for s in range(w.shape[1]):
                for c in range(w.shape[2]):
                    acc += x[n, i + r, j + s, c] * w[r, s, c, k]
        y[n, i, j, k] = acc


def conv_first(x, w):
    y = cuda.device_array((x.shape[0], x.shape[1] - w.shape[0] + 1, x.shape[2] - w.shape[1] + 1, w.shape[3]), np.float32)
    striding[16, 64](x, w, y)
    return y

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding


@cuda.jit
def striding_coalesced(x, w, y, stride, top, left):
    # The channel is the fastest axis of the index: neighbouring threads, neighbouring channels.
    for index in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        k = index % y.shape[3]
        pixel = index // y.shape[3]
        j = pixel % y.shape[2]
        i = pixel // y.shape[2] % y.shape[1]
        n = pixel // (y.shape[2] * y.shape[1])
        acc = np.float32(0)
        for r in range(w.shape[0]):
            row = i * stride + r - top
            for s in range(w.shape[1]):
                col = j * stride + s - left
                if row >= 0 and row < x.shape[1] and col >= 0 and col < x.shape[2]:
                    for c in range(w.shape[2]):
                        acc += x[n, row, col, c] * w[r, s, c, k]
        y[n, i, j, k] = acc


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top = same_padding(x.shape[1], w.shape[0], stride)[0] if padding == "same" else 0
    left = same_padding(x.shape[2], w.shape[1], stride)[0] if padding == "same" else 0
    blocks = min(4096, (y.size + 127) // 128)
    striding_coalesced[blocks, 128](x, w, y, stride, top, left)
    return y
