"""Rung 4 of the ladder: each thread computes a patch of outputs, 8 pixels x 4 channels, in registers.

Seen from here on as a matrix product ("implicit GEMM"): rows are the output pixels of all images,
columns the output channels, and what is summed over are the taps (r, s, c). A block computes
64 pixels x 64 channels. For each tap of the filter and 8 input channels at a time it brings
64 x 8 pixels and 8 x 64 weights into shared memory. A thread then reads 8 + 4 floats there and makes
32 multiply-adds of them: 0.4 loads each, where rung 3 needed 2.

Source: the blocking of matrix products in registers and shared memory is Volkov and Demmel's,
"Benchmarking GPUs to tune dense linear algebra" (2008); implicit GEMM is cuDNN's (Chetlur et al., 2014).
"""

import numpy as np
from numba import cuda, float32, int32

from autograder.ladder.layout import Step, Variant

PIXELS, FILTERS, CHANNELS = 64, 64, 8
"""Of a block: output pixels, output channels, input channels at a time."""
MINE_PIXELS, MINE_FILTERS = 8, 4
"""Of a thread."""
ACROSS = FILTERS // MINE_FILTERS
"""Threads side by side along the channels; 8 rows of them along the pixels."""
DOWN = PIXELS // MINE_PIXELS
THREADS = ACROSS * DOWN
PADDED = PIXELS + 1
"""Length of a row of pixels in shared memory: one more, so that 8 channels of a pixel lie in 8 banks."""
BROUGHT = PIXELS // (THREADS // CHANNELS)
"""Pixels that a thread brings."""

VARIANTS = (Variant((Step("blocked", (THREADS, 1, 1), ("n*h_out*w_out", "k", "1"), (PIXELS, FILTERS, 1)),)),)


@cuda.jit
def blocked(x, w, y, stride, pad_top, pad_left):
    """Convolves x with w into y, 8 pixels x 4 channels a thread."""
    x_tile = cuda.shared.array((CHANNELS, PADDED), float32)
    w_tile = cuda.shared.array((CHANNELS, FILTERS), float32)
    total = cuda.local.array((MINE_PIXELS, MINE_FILTERS), float32)  # all indices below are constants
    mine_x = cuda.local.array(MINE_PIXELS, float32)  # once the loops are unrolled,
    mine_w = cuda.local.array(MINE_FILTERS, float32)  # so these live in registers
    image = cuda.local.array(BROUGHT, np.int32)
    top = cuda.local.array(BROUGHT, np.int32)
    left = cuda.local.array(BROUGHT, np.int32)
    me = int32(cuda.threadIdx.x)
    area, pixels = int32(y.shape[1] * y.shape[2]), int32(y.shape[0] * y.shape[1] * y.shape[2])
    m0, k0 = int32(cuda.blockIdx.x * PIXELS), int32(cuda.blockIdx.y * FILTERS)
    c_mine, first = (
        int32(me % int32(CHANNELS)),
        int32(me // int32(CHANNELS)),
    )  # what this thread brings: one channel of 4 pixels
    for i in range(BROUGHT):
        m = int32(m0 + first + i * (THREADS // CHANNELS))
        image[i] = m // area
        row = m // int32(y.shape[2]) % int32(y.shape[1])
        top[i] = row * stride - pad_top
        left[i] = m % int32(y.shape[2]) * stride - pad_left
    for i in range(MINE_PIXELS):
        for j in range(MINE_FILTERS):
            total[i, j] = np.float32(0)
    i_mine, j_mine = int32(me // int32(ACROSS)), int32(me % int32(ACROSS))
    for r in range(w.shape[0]):
        for s in range(w.shape[1]):
            for c0 in range(0, w.shape[2], CHANNELS):
                c = int32(c0 + c_mine)
                for i in range(BROUGHT):
                    value = np.float32(0)
                    row, column = int32(top[i] + r), int32(left[i] + s)
                    if image[i] < x.shape[0] and 0 <= row < x.shape[1] and 0 <= column < x.shape[2] and c < x.shape[3]:
                        value = x[image[i], row, column, c]
                    x_tile[c_mine, first + i * (THREADS // CHANNELS)] = value
                for i in range(CHANNELS * FILTERS // THREADS):
                    place = me + i * THREADS
                    c, k = c0 + place // FILTERS, k0 + place % FILTERS
                    inside = c < w.shape[2] and k < w.shape[3]
                    w_tile[place // FILTERS, place % FILTERS] = w[r, s, c, k] if inside else np.float32(0)
                cuda.syncthreads()
                for c in range(CHANNELS):
                    for i in range(MINE_PIXELS):
                        mine_x[i] = x_tile[c, i_mine + i * DOWN]
                    for j in range(MINE_FILTERS):
                        mine_w[j] = w_tile[c, j_mine + j * ACROSS]
                    for i in range(MINE_PIXELS):
                        for j in range(MINE_FILTERS):
                            total[i, j] += mine_x[i] * mine_w[j]
                cuda.syncthreads()
    for i in range(MINE_PIXELS):
        m = int32(m0 + i_mine + i * DOWN)
        if m < pixels:
            n, row, column = m // area, m // int32(y.shape[2]) % int32(y.shape[1]), m % int32(y.shape[2])
            for j in range(MINE_FILTERS):
                k = int32(k0 + j_mine + j * ACROSS)
                if k < y.shape[3]:
                    y[n, row, column, k] = total[i, j]
