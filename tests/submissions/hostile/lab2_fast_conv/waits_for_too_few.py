# The challenge waits for all copies but the newest two, which are those it computes with.
# attack: asynchronous copies left in flight
# defence: in the simulator a copy arrives when it is waited for, and no earlier; on a GPU every timed output is compared
# loses: conv_challenge.close conv_challenge.speed
# says: conv_challenge

# %% task: conv_challenge
import math
import numpy as np
from numba import cuda, float32
from gpulabs.convolution import output_shape, padding_before
from gpulabs.intrinsics import commit_copies, copy4_async, mma_tf32, store4, to_tf32, wait_copies

BLOCK, ROUND, ROW = 64, 16, 20          # pixels of a block; input channels of a step; words of a pixel in the tile

@cuda.jit
def conv_challenge_kernel(x, w, y, h_out, w_out, stride, top, left):
    pixels = cuda.shared.array((2, BLOCK, ROW), float32)
    filters = cuda.shared.array((2, ROUND, FILTERS), float32)
    low, high = cuda.local.array((8, 4), float32), cuda.local.array((8, 4), float32)
    tx, ty, thread = cuda.threadIdx.x, cuda.threadIdx.y, cuda.threadIdx.y * 8 + cuda.threadIdx.x
    m0, k0 = cuda.blockIdx.x * BLOCK, cuda.blockIdx.y * FILTERS
    n, i, j = corner(m0 + thread, h_out, w_out, stride, top, left)
    first = ((n * x.shape[1] + i) * x.shape[2] + j) * x.shape[3]       # of this thread's window
    down, across = thread // 16, thread % 16 * 4                       # of its weights
    for p in range(8):
        for q in range(4):
            low[p, q] = high[p, q] = 0
    r, s, c0 = 0, 0, 0
    steps = w.shape[0] * w.shape[1] * ((w.shape[2] + ROUND - 1) // ROUND)
    for step in range(steps + 1):
        if step < steps:                                     # 64 threads: each copies a pixel and four vectors of weights
            half, row, column = step % 2, i + r, j + s
            inside = n < x.shape[0] and 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
            from_x = first + (r * x.shape[2] + s) * x.shape[3] + c0
            from_w = ((r * w.shape[1] + s) * w.shape[2] + c0 + down) * w.shape[3] + k0 + across
            for c in range(0, ROUND, 4):
                copy4_async(pixels, (half * BLOCK + thread) * ROW + c, x, from_x + c, inside and c0 + c < x.shape[3])
                known = c0 + down + c < w.shape[2] and k0 + across < w.shape[3]
                copy4_async(filters, (half * ROUND + down + c) * FILTERS + across, w, from_w + c * w.shape[3], known)
            c0 += ROUND
            if c0 >= w.shape[2]:
                c0, s = 0, s + 1
            if s == w.shape[1]:
                s, r = 0, r + 1
        commit_copies()
        if step > 0:
            wait_copies(2)
            cuda.syncthreads()
            other = (step - 1) % 2
            for g in range(0, ROUND, 4):
                a, b = (other * BLOCK + ty) * ROW + g, (other * ROUND + g) * FILTERS + 4 * tx
                four_channels(pixels, filters, low, a, b, 8 * ROW)
                four_channels(pixels, filters, high, a, b + FILTERS // 2, 8 * ROW)
            cuda.syncthreads()
    for p in range(8):
        m, k = m0 + ty + 8 * p, k0 + 4 * tx
        if m < y.shape[0] and k < y.shape[1]:
            store4(y, m * y.shape[1] + k, low[p, 0], low[p, 1], low[p, 2], low[p, 3])
        k += FILTERS // 2
        if m < y.shape[0] and k < y.shape[1]:
            store4(y, m * y.shape[1] + k, high[p, 0], high[p, 1], high[p, 2], high[p, 3])

def conv_challenge(x, w, stride, padding):
    if x.shape[3] % 4 or w.shape[3] % 4:                     # and whatever else your idea doesn't suit
        return conv_vector(x, w, stride, padding)
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    matrix = y.reshape(y.shape[0] * y.shape[1] * y.shape[2], y.shape[3])
    grid = (math.ceil(matrix.shape[0] / BLOCK), math.ceil(matrix.shape[1] / FILTERS))
    conv_challenge_kernel[grid, (8, 8)](x, w, matrix, y.shape[1], y.shape[2], stride, top, left)
    return y
