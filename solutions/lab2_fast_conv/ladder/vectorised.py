"""Rung 5 of the ladder: 16 bytes a load, from global and from shared memory, and 8 x 8 outputs a thread.

Rung 4 issues 12 loads of 4 bytes for 32 multiply-adds, and a multiprocessor issues one instruction
a cycle for each of its four schedulers: every load takes the place of a multiply-add. Four floats
in one instruction cost one place. For that, four floats that are used together must lie together:

    x in global memory    4 neighbouring channels of a pixel: NHWC has them side by side
    x in shared memory    4 neighbouring pixels of a channel: the tile is stored transposed
    w, everywhere         4 neighbouring output channels: HWIO has them side by side

Needs C and K that are multiples of 4; other convolutions climb no higher than rung 4.

Source: the 8 x 8 patch on transposed tiles is that of Gray's maxas SGEMM (2014) and of every matrix product since.
"""

import numpy as np
from numba import cuda, float32, int32

from autograder.ladder.layout import Step, Variant
from gpulabs.intrinsics import load4, store4

PIXELS, FILTERS, CHANNELS = 128, 64, 8
"""Of a block: output pixels, output channels, input channels at a time."""
PATCH = 8
"""Pixels and channels of a thread's patch: two groups of 4 each, half a block apart."""
ACROSS = FILTERS // PATCH
THREADS = ACROSS * (PIXELS // PATCH)
PITCH = PIXELS + 4
"""From one channel to the next in shared memory: 4 more than needed, so that 4 channels go to other banks."""
X_TILE, W_TILE, TOTAL = CHANNELS * PITCH, CHANNELS * FILTERS, PATCH * PATCH
HALF_PIXELS, HALF_FILTERS = PIXELS // 2, FILTERS // 2
assert THREADS == PIXELS == CHANNELS * FILTERS // 4  # each thread brings one pixel and one vector of weights

VARIANTS = (
    Variant(
        (Step("vectorised", (THREADS, 1, 1), ("n*h_out*w_out", "k", "1"), (PIXELS, FILTERS, 1), resident=4),),
        needs={"c_multiple": 4, "k_multiple": 4},
    ),
)


@cuda.jit
def vectorised(x, w, y, stride, pad_top, pad_left):
    """Convolves x with w into y, 8 pixels x 8 channels a thread."""
    x_tile = cuda.shared.array(X_TILE, float32)
    w_tile = cuda.shared.array(W_TILE, float32)
    total = cuda.local.array(TOTAL, float32)
    mine_x = cuda.local.array(PATCH, float32)
    mine_w = cuda.local.array(PATCH, float32)
    # int32 at every step: Numba's integers are 64 bits wide, a GPU's registers and multipliers 32.
    height, width, channels = int32(x.shape[1]), int32(x.shape[2]), int32(x.shape[3])
    filters = int32(y.shape[3])
    area = int32(y.shape[1] * y.shape[2])
    pixels = int32(y.shape[0] * y.shape[1] * y.shape[2])
    me = int32(cuda.threadIdx.x)
    m0, k0 = int32(cuda.blockIdx.x * PIXELS), int32(cuda.blockIdx.y * FILTERS)
    # The pixel that this thread brings: where its window begins.
    m = min(int32(m0 + me), int32(pixels - 1))
    n = int32(m // area)
    i = int32(int32(m - n * area) // int32(y.shape[2]))
    top, left = int32(i * stride - pad_top), int32((m - n * area - i * y.shape[2]) * stride - pad_left)
    window = int32((n * height + top) * width + left)
    k_mine, c_mine = int32(me % int32(FILTERS // 4) * 4), int32(me // int32(FILTERS // 4))
    i_mine, j_mine = int32(me // int32(ACROSS) * 4), int32(me % int32(ACROSS) * 4)
    for i in range(TOTAL):
        total[i] = np.float32(0)
    for r in range(int32(w.shape[0])):
        for s in range(int32(w.shape[1])):
            inside = top + r >= 0 and top + r < height and left + s >= 0 and left + s < width
            pixel = int32((window + r * width + s) * channels)
            tap = int32(int32(r * w.shape[1] + s) * channels)
            for c0 in range(int32(0), channels, int32(CHANNELS)):
                for q in range(CHANNELS // 4):
                    a0, a1, a2, a3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                    if inside and c0 + 4 * q < channels:
                        a0, a1, a2, a3 = load4(x, int32(pixel + c0 + 4 * q))
                    x_tile[np.uint32(4 * q * PITCH + me)] = a0  # unsigned: a signed index may be negative to Python
                    x_tile[np.uint32((4 * q + 1) * PITCH + me)] = a1
                    x_tile[np.uint32((4 * q + 2) * PITCH + me)] = a2
                    x_tile[np.uint32((4 * q + 3) * PITCH + me)] = a3
                b0, b1, b2, b3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                if c0 + c_mine < channels and k0 + k_mine < filters:
                    b0, b1, b2, b3 = load4(w, int32((tap + c0 + c_mine) * filters + k0 + k_mine))
                store4(w_tile, int32(c_mine * FILTERS + k_mine), b0, b1, b2, b3)
                cuda.syncthreads()
                for c in range(CHANNELS):
                    for half in range(2):
                        mine_x[4 * half], mine_x[4 * half + 1], mine_x[4 * half + 2], mine_x[4 * half + 3] = load4(
                            x_tile, int32(c * PITCH + half * HALF_PIXELS + i_mine)
                        )
                        mine_w[4 * half], mine_w[4 * half + 1], mine_w[4 * half + 2], mine_w[4 * half + 3] = load4(
                            w_tile, int32(c * FILTERS + half * HALF_FILTERS + j_mine)
                        )
                    for i in range(PATCH):
                        for j in range(PATCH):
                            total[i * PATCH + j] += mine_x[i] * mine_w[j]
                cuda.syncthreads()
    for i in range(PATCH):
        m = int32(m0 + i // 4 * HALF_PIXELS + i_mine + i % 4)
        for half in range(2):
            k = int32(k0 + half * HALF_FILTERS + j_mine)
            if m < pixels and k < filters:
                at = i * PATCH + 4 * half
                store4(y, int32(m * filters + k), total[at], total[at + 1], total[at + 2], total[at + 3])
