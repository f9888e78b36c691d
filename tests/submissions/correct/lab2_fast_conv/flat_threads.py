# Blocks of 128 threads in a row, square tiles of 4 x 4 outputs, all of it in a static shared array.
# loses on gpu: conv_tiled.speed

# %% task: conv_tiled
import numpy as np
from numba import cuda, float32

from gpulabs.convolution import output_shape, padding_before

EDGE, LANES, WORDS = 4, 8, 4096


@cuda.jit
def flat_tiled(x, w, y, stride, top, left, chunk):
    tile = cuda.shared.array(WORDS, float32)
    thread = cuda.threadIdx.x
    lane, output = thread % LANES, thread // LANES
    rows, columns = (EDGE - 1) * stride + w.shape[0], (EDGE - 1) * stride + w.shape[1]
    down, across = (y.shape[1] + EDGE - 1) // EDGE, (y.shape[2] + EDGE - 1) // EDGE
    n, place = cuda.blockIdx.x // (down * across), cuda.blockIdx.x % (down * across)
    i0, j0, k = place // across * EDGE, place % across * EDGE, cuda.blockIdx.y * LANES + lane
    i, j = output // EDGE, output % EDGE
    total = float32(0)
    for c0 in range(0, x.shape[3], chunk):
        depth = min(chunk, x.shape[3] - c0)
        for word in range(thread, rows * columns * depth, LANES * EDGE * EDGE):
            c, pixel = word % depth, word // depth
            row, column = i0 * stride - top + pixel // columns, j0 * stride - left + pixel % columns
            value = float32(0)
            if row >= 0 and row < x.shape[1] and column >= 0 and column < x.shape[2]:
                value = x[n, row, column, c0 + c]
            tile[word] = value
        cuda.syncthreads()
        if k < w.shape[3]:
            for r in range(w.shape[0]):
                for s in range(w.shape[1]):
                    at = ((i * stride + r) * columns + j * stride + s) * depth
                    for c in range(depth):
                        total += tile[at + c] * w[r, s, c0 + c, k]
        cuda.syncthreads()
    if i0 + i < y.shape[1] and j0 + j < y.shape[2] and k < y.shape[3]:
        y[n, i0 + i, j0 + j, k] = total


def conv_tiled(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    n, h_out, w_out, k = y.shape
    pixels = ((EDGE - 1) * stride + w.shape[0]) * ((EDGE - 1) * stride + w.shape[1])
    blocks = n * -(-h_out // EDGE) * -(-w_out // EDGE), -(-k // LANES)
    flat_tiled[blocks, LANES * EDGE * EDGE](x, w, y, stride, top, left, max(1, WORDS // pixels))
    return y
