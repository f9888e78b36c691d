"""Beside the ladder: the first layer of a network, 3 x 3 taps of 3 channels, where memory is the limit.

27 multiply-adds an output are too few to hide the y that has to be written: an H100 writes a float in the time
of 40. Nothing is gained by tiles of x, three rows of which stay in the cache. What matters is to issue little
beside the multiply-adds and to write whole lines: the weights lie in shared memory, and a thread computes
4 pixels x 8 channels, so that a vector of weights serves 4 pixels and an input 8 channels.
"""

import numpy as np
from numba import cuda, float32, int32

from autograder.ladder.layout import Step, Variant
from gpulabs.intrinsics import load1, load4, store4

CHANNELS, SIZE = 3, 3
"""Input channels, rows and columns of the filter: constants, so that all loops over them unroll."""
PIXELS, FILTERS, THREADS = 4, 32, 128
"""Pixels of a thread; output channels and threads of a block."""
LANES = FILTERS // 8
"""Threads that share their pixels: each has 4 channels of either half."""
APART = THREADS // LANES
"""From a thread's pixel to its next: neighbouring threads have neighbouring pixels."""
BLOCK_PIXELS = APART * PIXELS
TAPS = SIZE * SIZE * CHANNELS
W_TILE, X_PATCH, TOTAL, HALF = TAPS * FILTERS, PIXELS * CHANNELS, PIXELS * 8, FILTERS // 2

VARIANTS = (
    Variant(
        (Step("few_channels", (THREADS, 1, 1), ("n*h_out*w_out", "k", "1"), (BLOCK_PIXELS, FILTERS, 1), resident=6),),
        needs={"c": CHANNELS, "r": SIZE, "s": SIZE, "k_multiple": 4},
    ),
)


@cuda.jit
def few_channels(x, w, y, stride, pad_top, pad_left):
    """Convolves x with w into y, 4 pixels x 8 channels a thread."""
    w_tile = cuda.shared.array(W_TILE, float32)
    total = cuda.local.array(TOTAL, float32)
    mine_x = cuda.local.array(X_PATCH, float32)
    mine_w = cuda.local.array(8, float32)
    meets = cuda.local.array(PIXELS, np.int32)  # bit r: row r of the filter meets the image; bit 8 + s: column s
    window = cuda.local.array(PIXELS, np.int32)
    height, width, filters = int32(x.shape[1]), int32(x.shape[2]), int32(y.shape[3])
    area, pixels = int32(y.shape[1] * y.shape[2]), int32(y.shape[0] * y.shape[1] * y.shape[2])
    me = int32(cuda.threadIdx.x)
    k0 = int32(cuda.blockIdx.y * FILTERS)
    for place in range(me, int32(TAPS * FILTERS // 4), int32(THREADS)):
        tap, k = int32(place // int32(FILTERS // 4)), int32(k0 + place % int32(FILTERS // 4) * 4)
        if k < filters:
            a, b, c, d = load4(w, int32(tap * filters + k))
            store4(w_tile, int32(4 * place), a, b, c, d)
    cuda.syncthreads()
    lane = int32(me % int32(LANES) * 4)
    m0 = int32(cuda.blockIdx.x * BLOCK_PIXELS + me // int32(LANES))
    for p in range(PIXELS):
        m = min(int32(m0 + p * APART), int32(pixels - 1))
        n = int32(m // area)
        i = int32(int32(m - n * area) // int32(y.shape[2]))
        top = int32(i * stride - pad_top)
        left = int32((m - n * area - i * y.shape[2]) * stride - pad_left)
        window[p] = int32(((n * height + top) * width + left) * CHANNELS)
        meets[p] = int32(0)
        for t in range(SIZE):
            if top + t >= 0 and top + t < height:
                meets[p] = int32(meets[p] | 1 << t)
            if left + t >= 0 and left + t < width:
                meets[p] = int32(meets[p] | 256 << t)
    for i in range(TOTAL):
        total[i] = np.float32(0)
    for r in range(SIZE):
        for s in range(SIZE):
            tap, both = int32(int32(r * width + s) * CHANNELS), int32(1 << r | 256 << s)
            for p in range(PIXELS):  # all loads first: a thread waits for them once
                inside = int32(meets[p] & both) == both
                for c in range(CHANNELS):
                    mine_x[p * CHANNELS + c] = load1(x, int32(window[p] + tap + c)) if inside else np.float32(0)
            for c in range(CHANNELS):
                at = int32(((r * SIZE + s) * CHANNELS + c) * FILTERS + lane)
                mine_w[0], mine_w[1], mine_w[2], mine_w[3] = load4(w_tile, at)
                mine_w[4], mine_w[5], mine_w[6], mine_w[7] = load4(w_tile, int32(at + HALF))
                for p in range(PIXELS):
                    for j in range(8):
                        total[p * 8 + j] += mine_x[p * CHANNELS + c] * mine_w[j]
    for p in range(PIXELS):
        m = int32(m0 + p * APART)
        for half in range(2):
            k = int32(k0 + half * HALF + lane)
            if m < pixels and k < filters:
                a = p * 8 + 4 * half
                store4(y, int32(m * filters + k), total[a], total[a + 1], total[a + 2], total[a + 3])
