# max_registers leaves so few that all sums lie in memory, and many blocks fit at once.
# attack: launch bounds and registers
# defence: spills are counted from the assembler's own report
# loses: conv_blocked.clean
# says: spills

# %% task: conv_blocked
import math
import numpy as np
from numba import cuda, float32
from gpulabs.convolution import output_shape, padding_before

@cuda.jit(max_registers=24)
def conv_blocked_kernel(x, w, y, h_out, w_out, stride, top, left):
    pixels = cuda.shared.array((PIXELS, PITCH), float32)
    filters = cuda.shared.array((DEPTH, FILTERS), float32)
    total = cuda.local.array((8, 4), float32)
    tx, ty, thread = cuda.threadIdx.x, cuda.threadIdx.y, cuda.threadIdx.y * 16 + cuda.threadIdx.x
    m0, k0 = cuda.blockIdx.x * PIXELS, cuda.blockIdx.y * FILTERS
    n, i, j = corner(m0 + thread // 2, h_out, w_out, stride, top, left)  # of the pixel that it fetches
    for p in range(8):
        for q in range(4):
            total[p, q] = 0
    for r in range(w.shape[0]):
        for s in range(w.shape[1]):
            row, column = i + r, j + s
            inside = n < x.shape[0] and 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
            for c0 in range(0, x.shape[3], DEPTH):
                for q in range(4):
                    c = thread % 2 * 4 + q
                    known = inside and c0 + c < x.shape[3]
                    pixels[thread // 2, c] = x[n, row, column, c0 + c] if known else np.float32(0)
                for q in range(2):
                    c, k = thread // FILTERS + 4 * q, thread % FILTERS
                    known = c0 + c < w.shape[2] and k0 + k < w.shape[3]
                    filters[c, k] = w[r, s, c0 + c, k0 + k] if known else np.float32(0)
                cuda.syncthreads()
                for c in range(DEPTH):
                    for p in range(8):
                        value = pixels[ty + 16 * p, c]
                        for q in range(4):
                            total[p, q] += value * filters[c, tx + 16 * q]
                cuda.syncthreads()
    for p in range(8):
        for q in range(4):
            m, k = m0 + ty + 16 * p, k0 + tx + 16 * q
            if m < y.shape[0] and k < y.shape[1]:
                y[m, k] = total[p, q]

def conv_blocked(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    matrix = y.reshape(y.shape[0] * y.shape[1] * y.shape[2], y.shape[3])
    blocks = (math.ceil(matrix.shape[0] / PIXELS), math.ceil(matrix.shape[1] / FILTERS))
    conv_blocked_kernel[blocks, (16, 16)](x, w, matrix, y.shape[1], y.shape[2], stride, top, left)
    return y
