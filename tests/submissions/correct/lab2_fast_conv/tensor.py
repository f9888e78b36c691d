# The challenge on tensor cores, fed by asynchronous copies into dynamic shared memory; the rest is the solution's.
# loses on gpu: conv_challenge.speed

# %% task: conv_challenge
import numpy as np
from numba import cuda

from gpulabs import intrinsics
from gpulabs.convolution import output_shape, same_padding

PIXELS, FILTERS, STEP = 16, 8, 8


def factory(wide):
    @cuda.jit
    def tensor(x, w, y, stride, top, left):
        tiles = cuda.shared.array(0, np.float32)  # STEP x FILTERS of w, twice; PIXELS x STEP of x
        lane = cuda.threadIdx.x
        g, t = lane // 4, lane % 4
        rows, columns, channels, outs = y.shape[1], y.shape[2], x.shape[3], w.shape[3]
        first, k0 = cuda.blockIdx.x * PIXELS, cuda.blockIdx.y * FILTERS
        outputs = y.shape[0] * rows * columns
        c0 = c1 = c2 = c3 = np.float32(0)
        m = first + lane // 2
        n, rest = m // (rows * columns), m % (rows * columns)
        i0, j0 = rest // columns * stride - top, rest % columns * stride - left
        for r in range(w.shape[0]):
            for s in range(w.shape[1]):
                row, column = i0 + r, j0 + s
                inside = m < outputs and row >= 0 and row < x.shape[1] and column >= 0 and column < x.shape[2]
                for base in range(0, channels, STEP):
                    cuda.syncthreads()
                    if wide:
                        if lane < 16:
                            c, k = base + lane // 2, k0 + lane % 2 * 4
                            valid = c < channels and k < outs
                            at = ((r * w.shape[1] + s) * channels + c) * outs + k
                            intrinsics.copy4_async(tiles, lane * 4, w, at if valid else 0, valid)
                        intrinsics.commit_copies()
                        intrinsics.wait_copies(0)
                    else:
                        for part in range(2):
                            c, k = base + lane // 8 + part * 4, k0 + lane % 8
                            value = np.float32(0)
                            if c < channels and k < outs:
                                value = w[r, s, c, k]
                            tiles[lane + part * 32] = value
                    for part in range(4):
                        c = lane % 2 * 4 + part
                        value = np.float32(0)
                        if inside and base + c < channels:
                            value = x[n, row, column, base + c]
                        tiles[64 + lane // 2 * STEP + c] = value
                    cuda.syncthreads()
                    a0 = intrinsics.to_tf32(tiles[64 + g * STEP + t])
                    a1 = intrinsics.to_tf32(tiles[64 + (g + 8) * STEP + t])
                    a2 = intrinsics.to_tf32(tiles[64 + g * STEP + t + 4])
                    a3 = intrinsics.to_tf32(tiles[64 + (g + 8) * STEP + t + 4])
                    b0 = intrinsics.to_tf32(tiles[t * FILTERS + g])
                    b1 = intrinsics.to_tf32(tiles[(t + 4) * FILTERS + g])
                    c0, c1, c2, c3 = intrinsics.mma_tf32(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3)
        for half in range(2):
            m = first + g + 8 * half
            if m < outputs:
                for j in range(2):
                    k = k0 + 2 * t + j
                    value = (c2 if j == 0 else c3) if half else (c0 if j == 0 else c1)
                    if k < outs:
                        y[m // (rows * columns), m // columns % rows, m % columns, k] = value

    return tensor


WIDE, NARROW = factory(True), factory(False)


def conv_challenge(x, w, stride, padding):
    shape = output_shape(x.shape, w.shape, stride, padding)
    top = left = 0
    if padding == "same":
        top, left = same_padding(x.shape[1], w.shape[0], stride)[0], same_padding(x.shape[2], w.shape[1], stride)[0]
    y = cuda.device_array(shape, np.float32)
    kernel = WIDE if w.shape[3] % 4 == 0 else NARROW
    outputs = shape[0] * shape[1] * shape[2]
    grid = -(-outputs // PIXELS), -(-shape[3] // FILTERS)
    kernel[grid, 32, 0, 4 * (STEP * FILTERS + PIXELS * STEP)](x, w, y, stride, top, left)
    return y
