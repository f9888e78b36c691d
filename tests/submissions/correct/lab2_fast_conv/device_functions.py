# A kernel of device functions: one fetches, one sums up; rows of 16 outputs, 32-bit counters.
# loses on gpu: conv_tiled.speed

# %% task: conv_tiled
import numpy as np
from numba import cuda, float32, int32

from gpulabs.convolution import output_shape, padding_before

ACROSS, OUT, PLANES = 16, 8, 16


@cuda.jit(device=True)
def pixel_or_zero(x, n, row, column, c):
    if c < x.shape[3] and 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
        return x[n, row, column, c]
    return float32(0)


@cuda.jit(device=True)
def fetch(tile, x, n, row, column, c0, pixels, columns):
    thread = cuda.threadIdx.y * int32(OUT) + cuda.threadIdx.x
    for word in range(int32(thread), int32(pixels * PLANES), int32(ACROSS * OUT)):
        pixel, c = word // int32(PLANES), word % int32(PLANES)
        tile[word] = pixel_or_zero(x, n, row + pixel // columns, column + pixel % columns, c0 + c)


@cuda.jit(device=True)
def products(tile, w, start, r, s, c0, k):
    total = float32(0)
    for c in range(min(int32(PLANES), int32(w.shape[2] - c0))):
        total += tile[start + c] * w[r, s, c0 + c, k]
    return total


@cuda.jit
def row_tiled(x, w, y, stride, top, left):
    tile = cuda.shared.array(0, float32)
    i, n = cuda.blockIdx.z % y.shape[1], cuda.blockIdx.z // y.shape[1]
    j0 = cuda.blockIdx.y * ACROSS
    k, j = cuda.blockIdx.x * OUT + cuda.threadIdx.x, j0 + cuda.threadIdx.y
    columns = (ACROSS - 1) * stride + w.shape[1]
    total = float32(0)
    for c0 in range(0, x.shape[3], PLANES):
        fetch(tile, x, n, i * stride - top, j0 * stride - left, c0, w.shape[0] * columns, columns)
        cuda.syncthreads()
        if k < w.shape[3]:
            for r in range(w.shape[0]):
                for s in range(w.shape[1]):
                    start = (r * columns + cuda.threadIdx.y * stride + s) * PLANES
                    total += products(tile, w, start, r, s, c0, k)
        cuda.syncthreads()
    if j < y.shape[2] and k < y.shape[3]:
        y[n, i, j, k] = total


def conv_tiled(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    words = w.shape[0] * ((ACROSS - 1) * stride + w.shape[1]) * PLANES
    blocks = (y.shape[3] + OUT - 1) // OUT, (y.shape[2] + ACROSS - 1) // ACROSS, y.shape[0] * y.shape[1]
    row_tiled[blocks, (OUT, ACROSS), 0, 4 * words](x, w, y, stride, top, left)
    return y
