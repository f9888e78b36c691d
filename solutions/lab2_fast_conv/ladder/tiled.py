"""Rung 3 of the ladder: a block's pixels and filters pass through shared memory, with their halo.

Rung 2 asks for the same pixel R * S times, once for each output that needs it, and for the same
weight once a pixel; only the caches soften that. Here a block of 2 rows x 8 columns x 32 channels
fetches what it needs once, a few channels of x at a time: an input tile that is R - 1 rows and
S - 1 columns larger than the output tile (the halo), and the weights of its 32 output channels.
Then every thread computes its one output from shared memory.

Each multiply-add still costs two loads, now from shared memory. That is what limits it: a
multiprocessor loads 32 words a cycle from there, but could do 128 multiply-adds.
"""

import numpy as np
from numba import cuda, float32

from autograder.ladder.layout import Step, Variant

COLUMNS, ROWS, FILTERS = 8, 2, 32
"""Outputs of a block: columns, rows, channels; one thread each."""
CHANNELS = 8
"""Input channels in shared memory at a time."""
WIDEST, STRIDE = 5, 2
"""The largest filter and stride that the tile has room for."""
TILE_ROWS = (ROWS - 1) * STRIDE + WIDEST
TILE_COLUMNS = (COLUMNS - 1) * STRIDE + WIDEST
X_TILE = TILE_ROWS, TILE_COLUMNS, CHANNELS
W_TILE = WIDEST, WIDEST, CHANNELS, FILTERS
THREADS = COLUMNS * ROWS * FILTERS

VARIANTS = (
    Variant(
        (
            Step(
                "tiled",
                block=(FILTERS, COLUMNS, ROWS),
                covers=("k", "w_out", "n*h_half"),
                per_block=(FILTERS, COLUMNS, 1),
            ),
        ),
        needs={"max_r": WIDEST, "max_s": WIDEST, "max_stride": STRIDE},
    ),
)


@cuda.jit
def tiled(x, w, y, stride, pad_top, pad_left):
    """Convolves x with w into y, one thread an output, from tiles in shared memory."""
    x_tile = cuda.shared.array(X_TILE, float32)
    w_tile = cuda.shared.array(W_TILE, float32)
    filter_rows, filter_columns, channels = w.shape[0], w.shape[1], w.shape[2]
    kk, jj, ii = cuda.threadIdx.x, cuda.threadIdx.y, cuda.threadIdx.z
    me = (ii * COLUMNS + jj) * FILTERS + kk
    strips = (y.shape[1] + ROWS - 1) // ROWS  # of 2 rows, in an image
    n = cuda.blockIdx.z // strips
    i0 = cuda.blockIdx.z % strips * ROWS
    j0, k0 = cuda.blockIdx.y * COLUMNS, cuda.blockIdx.x * FILTERS
    top, left = i0 * stride - pad_top, j0 * stride - pad_left  # of the input tile, may lie outside the image
    rows, columns = (ROWS - 1) * stride + filter_rows, (COLUMNS - 1) * stride + filter_columns
    total = np.float32(0)
    for c0 in range(0, channels, CHANNELS):
        # All threads fetch, whatever output they own; what lies outside counts as zero.
        for place in range(me, rows * columns * CHANNELS, THREADS):
            c, pixel = place % CHANNELS, place // CHANNELS
            row, column = pixel // columns, pixel % columns
            inside = 0 <= top + row < x.shape[1] and 0 <= left + column < x.shape[2] and c0 + c < channels
            x_tile[row, column, c] = x[n, top + row, left + column, c0 + c] if inside else np.float32(0)
        for place in range(me, filter_rows * filter_columns * CHANNELS * FILTERS, THREADS):
            k, rest = place % FILTERS, place // FILTERS
            c, tap = rest % CHANNELS, rest // CHANNELS
            r, s = tap // filter_columns, tap % filter_columns
            inside = k0 + k < w.shape[3] and c0 + c < channels
            w_tile[r, s, c, k] = w[r, s, c0 + c, k0 + k] if inside else np.float32(0)
        cuda.syncthreads()  # the tiles are complete
        for r in range(filter_rows):
            for s in range(filter_columns):
                for c in range(CHANNELS):
                    total += x_tile[ii * stride + r, jj * stride + s, c] * w_tile[r, s, c, kk]
        cuda.syncthreads()  # and read by all, before the next ones overwrite them
    if i0 + ii < y.shape[1] and j0 + jj < y.shape[2] and k0 + kk < y.shape[3]:
        y[n, i0 + ii, j0 + jj, k0 + kk] = total
