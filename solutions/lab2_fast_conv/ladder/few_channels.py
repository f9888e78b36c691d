"""Beside the ladder: the first layer of a network, 3 x 3 taps of 3 channels, where memory is the limit.

27 multiply-adds an output are too few to hide the y that has to be written, and too few to wait for memory more
than once. So a block waits once: its part of x, three channels a pixel and halo included, and the weights of 32
filters come to shared memory in one go. Then it works down its rows, two at a time: while the outputs of two rows
are on their way to memory, the next two are computed. A thread has 4 neighbouring pixels x 4 filters: 18 floats of
x serve three columns of taps. On an H200 an empty kernel takes 3.2 us, one that only writes y 8.1, this one 13.2.
"""

import numpy as np
from numba import cuda, float32, int32

from autograder.ladder.layout import Step, Variant
from gpulabs.intrinsics import load1, load4, store4

CHANNELS, SIZE = 3, 3
"""Input channels, rows and columns of the filter: constants, so that all loops over them unroll."""
PIXELS = 4
"""Of a thread in a step, neighbours in a row; and 4 filters."""
ROWS, STEPS, COLUMNS, WIDE = 2, 4, 32, 32
"""Of a block: rows of y in a step, steps, columns, filters."""
LANES, GROUPS = WIDE // 4, COLUMNS // PIXELS
"""Threads that share their pixels; that share a row."""
THREADS = LANES * GROUPS * ROWS
TAPS = SIZE * SIZE * CHANNELS
LINE, LINES = (COLUMNS + SIZE - 1) * CHANNELS, ROWS * STEPS + SIZE - 1
"""Floats of a row of the block's part of x; such rows."""
PITCH = 108
"""From one row to the next in shared memory: those that a warp reads lie in different banks."""
PARTS = -(-LINE // 32)
FETCH_X, FETCH_W = -(-LINES * 32 * PARTS // THREADS), -(-TAPS * WIDE // 4 // THREADS)
"""Floats of x, and vectors of weights, that a thread fetches."""
ROW_TAPS, FOURS = SIZE * CHANNELS, -(-(PIXELS + SIZE - 1) * CHANNELS // 4)
"""Taps of a row of the filter; vectors that hold a row of a thread's window."""
X_TILE, W_TILE, TOTAL, WINDOW, W_HELD = LINES * PITCH, TAPS * WIDE, PIXELS * 4, FOURS * 4, FETCH_W * 4

VARIANTS = (
    Variant(
        (
            Step(
                "few_channels",
                (THREADS, 1, 1),
                ("w_out^32*k^32", "h_out", "n"),
                (COLUMNS * WIDE, ROWS * STEPS, 1),
                resident=4,
            ),
        ),
        needs={"c": CHANNELS, "r": SIZE, "s": SIZE, "stride": 1, "k_multiple": 4},
    ),
)


@cuda.jit
def few_channels(x, w, y, stride, pad_top, pad_left):
    """Convolves x with w into y, 4 pixels x 4 filters a thread and step; stride is 1."""
    x_tile = cuda.shared.array(X_TILE, float32)
    w_tile = cuda.shared.array(W_TILE, float32)
    held_x = cuda.local.array(FETCH_X, float32)
    held_w = cuda.local.array(W_HELD, float32)
    total = cuda.local.array(TOTAL, float32)
    window = cuda.local.array(WINDOW, float32)
    height, floats = int32(x.shape[1]), int32(x.shape[2] * CHANNELS)
    h_out, w_out, filters = int32(y.shape[1]), int32(y.shape[2]), int32(y.shape[3])
    me = int32(cuda.threadIdx.x)
    n, i0, columns = int32(cuda.blockIdx.z), int32(cuda.blockIdx.y * (ROWS * STEPS)), int32((w_out + 31) // COLUMNS)
    j0, k0 = int32(cuda.blockIdx.x % columns * COLUMNS), int32(cuda.blockIdx.x // columns * WIDE)
    lane, group, row = int32(me % LANES * 4), int32(me // LANES % GROUPS), int32(me // (LANES * GROUPS))

    # All loads first, and only then what needs them: a block waits for memory once.
    top, left = int32(i0 - pad_top), int32((j0 - pad_left) * CHANNELS)
    start = int32((n * height + top) * floats + left)
    for q in range(FETCH_X):  # a warp fetches 32 neighbours of a row
        place = int32(me // 32 + q * (THREADS // 32))
        line, at = int32(place // PARTS), int32(place % PARTS * 32 + me % 32)
        inside = line < LINES and at < LINE and top + line >= 0 and top + line < height
        inside = inside and left + at >= 0 and left + at < floats
        held_x[q] = load1(x, int32(start + line * floats + at)) if inside else np.float32(0)
    for q in range(FETCH_W):
        place = int32(me + q * THREADS)
        k = int32(k0 + place % (WIDE // 4) * 4)
        if place < TAPS * (WIDE // 4) and k < filters:
            a, b, c, d = load4(w, int32(place // (WIDE // 4) * filters + k))
            held_w[4 * q], held_w[4 * q + 1], held_w[4 * q + 2], held_w[4 * q + 3] = a, b, c, d
    for q in range(FETCH_X):
        place = int32(me // 32 + q * (THREADS // 32))
        line, at = int32(place // PARTS), int32(place % PARTS * 32 + me % 32)
        if line < LINES and at < PITCH:
            x_tile[line * PITCH + at] = held_x[q]
    for q in range(FETCH_W):
        place = int32(me + q * THREADS)
        if place < TAPS * (WIDE // 4):
            a = 4 * q
            store4(w_tile, int32(4 * place), held_w[a], held_w[a + 1], held_w[a + 2], held_w[a + 3])
    cuda.syncthreads()

    for step in range(STEPS):
        for t in range(TOTAL):
            total[t] = np.float32(0)
        for r in range(SIZE):
            begin = int32((row + step * ROWS + r) * PITCH + group * (PIXELS * CHANNELS))
            for q in range(FOURS):
                a = 4 * q
                window[a], window[a + 1], window[a + 2], window[a + 3] = load4(x_tile, int32(begin + a))
            for tap in range(ROW_TAPS):
                a, b, c, d = load4(w_tile, int32((r * ROW_TAPS + tap) * WIDE + lane))
                for p in range(PIXELS):
                    value = window[p * CHANNELS + tap]
                    total[4 * p] += value * a
                    total[4 * p + 1] += value * b
                    total[4 * p + 2] += value * c
                    total[4 * p + 3] += value * d
        i, k = int32(i0 + step * ROWS + row), int32(k0 + lane)
        for p in range(PIXELS):
            j = int32(j0 + group * PIXELS + p)
            if i < h_out and j < w_out and k < filters:
                a = 4 * p
                place = int32(((n * h_out + i) * w_out + j) * filters + k)
                store4(y, place, total[a], total[a + 1], total[a + 2], total[a + 3])
