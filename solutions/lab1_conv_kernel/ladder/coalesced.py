"""Rung 2 of the ladder: one thread, one output, neighbouring threads along the output's channels.

The arithmetic is rung 1's, line by line; only the question "which output is mine?" is answered
differently. k is the fastest axis of both y and w in memory, so 32 neighbouring threads read 32
neighbouring floats of w (4 sectors), write 32 neighbouring floats of y (4 sectors), and read one
and the same float of x (1 sector, a broadcast).
"""

import numpy as np
from numba import cuda

from autograder.ladder.layout import Step, Variant

VARIANTS = (Variant((Step("coalesced", block=(32, 8, 1), covers=("k", "w_out", "n*h_out"), per_block=(32, 8, 1)),)),)


@cuda.jit
def coalesced(x, w, y, stride, pad_top, pad_left):
    """Convolves x with w into y, one thread an output, threadIdx.x along its channels."""
    k, j, m = cuda.grid(3)
    if k >= y.shape[3] or j >= y.shape[2] or m >= y.shape[0] * y.shape[1]:
        return
    # Images and rows share z: a block's 8 columns of one row overlap in x, and find it cached.
    n = m // y.shape[1]
    i = m - n * y.shape[1]
    total = np.float32(0)  # a plain 0.0 would make the sum, and every product, float64
    for r in range(w.shape[0]):
        row = np.int32(i * stride - pad_top + r)  # int32 saves 8 of 64 registers here
        if row < 0 or row >= x.shape[1]:
            continue
        for s in range(w.shape[1]):
            col = np.int32(j * stride - pad_left + s)
            if col < 0 or col >= x.shape[2]:
                continue
            for c in range(w.shape[2]):
                total += x[n, row, col, c] * w[r, s, c, k]
    y[n, i, j, k] = total
