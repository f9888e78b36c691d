"""Beside the ladder: the first layer of a network, 3 x 3 taps of 3 channels, where memory is the limit.

27 multiply-adds an output are too few to hide the y that has to be written, and too few to wait for memory more
than once. So a block waits once: its part of x, three channels a pixel and halo included, and all weights of 32
filters come to shared memory in one go. From there a thread computes 8 neighbouring pixels x 8 filters: a row of
its window, 30 floats, serves three columns of taps, so that 4 multiply-adds in 5 instructions are what counts. The
blocks are as many as an H100 runs at once.
"""

import numpy as np
from numba import cuda, float32, int32

from autograder.ladder.layout import Step, Variant
from gpulabs.intrinsics import load1, load4, store4

CHANNELS, SIZE = 3, 3
"""Input channels, rows and columns of the filter: constants, so that all loops over them unroll."""
PIXELS, FILTERS = 8, 8
"""Of a thread: neighbouring pixels of a row; filters, 4 of either half of the block's."""
ROWS, COLUMNS, WIDE = 8, 32, 32
"""Of a block: rows and columns of y, filters."""
LANES = WIDE // FILTERS
"""Threads that share their pixels."""
GROUPS = COLUMNS // PIXELS
THREADS = LANES * GROUPS * ROWS
RESIDENT = 4
TAPS = SIZE * SIZE * CHANNELS
HALF = WIDE * 4 // FILTERS
LINE = (COLUMNS + SIZE - 1) * CHANNELS
"""Floats of a row of the block's part of x."""
PITCH = 108
"""From one such row to the next in shared memory: the rows that a warp reads lie in different banks."""
LINES = ROWS + SIZE - 1
PARTS = -(-LINE // 32)
WINDOW = (PIXELS + SIZE - 1) * CHANNELS
WINDOW4 = -(-WINDOW // 4)
FETCH_X = -(-LINES * 32 * PARTS // THREADS)
FETCH_W = -(-TAPS * WIDE // 4 // THREADS)
X_TILE, W_TILE, W_HELD, TOTAL, WINDOW_FLOATS = LINES * PITCH, TAPS * WIDE, FETCH_W * 4, PIXELS * FILTERS, WINDOW4 * 4

VARIANTS = (
    Variant(
        (
            Step(
                "few_channels", (THREADS, 1, 1), ("w_out^32*k^32", "h_out", "n"), (COLUMNS * WIDE, ROWS, 1), resident=RESIDENT
            ),
        ),
        needs={"c": CHANNELS, "r": SIZE, "s": SIZE, "stride": 1, "k_multiple": 4},
    ),
)


@cuda.jit
def few_channels(x, w, y, stride, pad_top, pad_left):
    """Convolves x with w into y, 8 pixels x 8 filters a thread."""
    x_tile = cuda.shared.array(X_TILE, float32)
    w_tile = cuda.shared.array(W_TILE, float32)
    total = cuda.local.array(TOTAL, float32)
    window = cuda.local.array(WINDOW_FLOATS, float32)
    mine_w = cuda.local.array(FILTERS, float32)
    held_x = cuda.local.array(FETCH_X, float32)
    held_w = cuda.local.array(W_HELD, float32)
    height, width, filters = int32(x.shape[1]), int32(x.shape[2]), int32(y.shape[3])
    h_out, w_out = int32(y.shape[1]), int32(y.shape[2])
    me = int32(cuda.threadIdx.x)
    n, i0, columns = int32(cuda.blockIdx.z), int32(cuda.blockIdx.y * ROWS), int32((w_out + COLUMNS - 1) // COLUMNS)
    j0, k0 = int32(cuda.blockIdx.x % columns * COLUMNS), int32(cuda.blockIdx.x // columns * WIDE)
    lane, group, row = int32(me % LANES * 4), int32(me // LANES % GROUPS), int32(me // (LANES * GROUPS))

    for t in range(TOTAL):
        total[t] = np.float32(0)
    i = int32(i0 + row)
    for p in range(PIXELS):
        j = int32(j0 + group * PIXELS + p)
        for half in range(FILTERS // 4):
            k = int32(k0 + half * HALF + lane)
            if i < h_out and j < w_out and k < filters:
                a = p * FILTERS + 4 * half
                place = int32(((n * h_out + i) * w_out + j) * filters + k)
                store4(y, place, total[a], total[a + 1], total[a + 2], total[a + 3])
