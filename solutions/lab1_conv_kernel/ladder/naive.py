"""Rung 1 of the ladder: one thread, one output, neighbouring threads along the output's columns.

The mapping that everyone writes first, because pictures are drawn with x to the right. In NHWC
memory it is the worst one: threads of a warp read x[n, row, col, c] and write y[n, i, j, k] a
whole pixel (C or K floats) apart, so each of the 32 touches its own 32-byte sector.

Same signature as every rung: x is NHWC, w is HWIO, y is NHWC, all float32; a tap outside the
image counts as zero.
"""

import numpy as np
from numba import cuda

from autograder.ladder.layout import Step, Variant

VARIANTS = (Variant((Step("naive", block=(32, 8, 1), covers=("w_out", "h_out", "n*k"), per_block=(32, 8, 1)),)),)


@cuda.jit
def naive(x, w, y, stride, pad_top, pad_left):
    """Convolves x with w into y, one thread an output, threadIdx.x along its columns."""
    j, i, m = cuda.grid(3)
    if j >= y.shape[2] or i >= y.shape[1] or m >= y.shape[0] * y.shape[3]:
        return
    # Images and channels share z: the channel varies faster, so the blocks that run together
    # look at the same pixels and find them in the cache.
    n = m // y.shape[3]
    k = m - n * y.shape[3]
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
