# Blocked over a rectangle of one image: a tile with its halo stays for all taps, 2 x 2 pixels times 4 filters a thread.
# loses on gpu: conv_blocked.speed

# %% task: conv_blocked
import numpy as np
from numba import cuda, float32

from gpulabs.convolution import output_shape, padding_before

SIDE, OUTS, CHANNELS = 8, 16, 4
LARGEST = CHANNELS * 21 * 21            # of stride 2 and filters of 7 x 7


@cuda.jit
def image_tiles(x, w, y, stride, top, left):
    image = cuda.shared.array(LARGEST, float32)
    filters = cuda.shared.array((CHANNELS, OUTS), float32)
    sums, weights = cuda.local.array((2, 2, 4), float32), cuda.local.array(4, float32)
    thread = cuda.threadIdx.x
    q0, a, b = thread % 4 * 4, thread // 4 // 4, thread // 4 % 4
    rows, columns = (SIDE - 1) * stride + w.shape[0], (SIDE - 1) * stride + w.shape[1]
    across = (y.shape[2] + SIDE - 1) // SIDE
    i0, j0 = cuda.blockIdx.x // across * SIDE, cuda.blockIdx.x % across * SIDE
    k0, n = cuda.blockIdx.y * OUTS, cuda.blockIdx.z
    for p in range(2):
        for o in range(2):
            for q in range(4):
                sums[p, o, q] = 0
    for c0 in range(0, x.shape[3], CHANNELS):
        for word in range(thread, rows * columns * CHANNELS, 64):
            c, pixel = c0 + word % CHANNELS, word // CHANNELS
            row, column = i0 * stride - top + pixel // columns, j0 * stride - left + pixel % columns
            value = float32(0)
            if c < x.shape[3] and 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                value = x[n, row, column, c]
            image[word] = value
        for r in range(w.shape[0]):
            for s in range(w.shape[1]):
                c, k = c0 + thread // OUTS, k0 + thread % OUTS
                known = c < w.shape[2] and k < w.shape[3]
                filters[thread // OUTS, thread % OUTS] = w[r, s, c, k] if known else float32(0)
                cuda.syncthreads()
                for c in range(CHANNELS):
                    for q in range(4):
                        weights[q] = filters[c, q0 + q]
                    for p in range(2):
                        for o in range(2):
                            row, column = (a + 4 * p) * stride + r, (b + 4 * o) * stride + s
                            value = image[(row * columns + column) * CHANNELS + c]
                            for q in range(4):
                                sums[p, o, q] += value * weights[q]
                cuda.syncthreads()
    for p in range(2):
        for o in range(2):
            i, j = i0 + a + 4 * p, j0 + b + 4 * o
            for q in range(4):
                if i < y.shape[1] and j < y.shape[2] and k0 + q0 + q < y.shape[3]:
                    y[n, i, j, k0 + q0 + q] = sums[p, o, q]


def conv_blocked(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    pixels = ((SIDE - 1) * stride + w.shape[0]) * ((SIDE - 1) * stride + w.shape[1])
    blocks = -(-y.shape[1] // SIDE) * -(-y.shape[2] // SIDE), -(-y.shape[3] // OUTS), y.shape[0]
    assert CHANNELS * pixels <= LARGEST
    image_tiles[blocks, 64](x, w, y, stride, top, left)
    return y
