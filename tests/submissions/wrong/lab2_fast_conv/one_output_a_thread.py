# Shared tiles, but one output a thread: two loads for each multiply-add.
# loses: conv_blocked.reuse
# says: multiply-add

# %% task: conv_blocked
import math
import numpy as np
from numba import cuda, float32
from gpulabs.convolution import output_shape, padding_before

@cuda.jit
def conv_blocked_kernel(x, w, y, h_out, w_out, stride, top, left):
    pixels = cuda.shared.array((16, PITCH), float32)
    filters = cuda.shared.array((DEPTH, 16), float32)
    total = np.float32(0)
    tx, ty, thread = cuda.threadIdx.x, cuda.threadIdx.y, cuda.threadIdx.y * 16 + cuda.threadIdx.x
    m0, k0 = cuda.blockIdx.x * 16, cuda.blockIdx.y * 16
    n, i, j = corner(m0 + ty, h_out, w_out, stride, top, left)  # of the pixel that it fetches
    for r in range(w.shape[0]):
        for s in range(w.shape[1]):
            row, column = i + r, j + s
            inside = n < x.shape[0] and 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
            for c0 in range(0, x.shape[3], DEPTH):
                if tx < DEPTH:
                    known = inside and c0 + tx < x.shape[3]
                    pixels[ty, tx] = x[n, row, column, c0 + tx] if known else np.float32(0)
                if ty < DEPTH:
                    known = c0 + ty < w.shape[2] and k0 + tx < w.shape[3]
                    filters[ty, tx] = w[r, s, c0 + ty, k0 + tx] if known else np.float32(0)
                cuda.syncthreads()
                for c in range(DEPTH):
                    total += pixels[ty, c] * filters[c, tx]
                cuda.syncthreads()
    if m0 + ty < y.shape[0] and k0 + tx < y.shape[1]:
        y[m0 + ty, k0 + tx] = total

def conv_blocked(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    matrix = y.reshape(y.shape[0] * y.shape[1] * y.shape[2], y.shape[3])
    blocks = (math.ceil(matrix.shape[0] / 16), math.ceil(matrix.shape[1] / 16))
    conv_blocked_kernel[blocks, (16, 16)](x, w, matrix, y.shape[1], y.shape[2], stride, top, left)
    return y
