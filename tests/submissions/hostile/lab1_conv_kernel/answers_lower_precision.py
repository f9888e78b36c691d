# Inputs are rounded to float16, 11 bits like TF32, before they are multiplied.
# attack: lower precision
# defence: whole numbers of 12 bits, which TF32 and FP16 can't hold, compared exactly
# loses: everything
# says: outputs differ
# gpu: yes

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding


@cuda.jit(device=True)
def eleven_bits(value):
    return np.float32(np.float16(value))


@cuda.jit
def good_kernel(x, w, y, stride, top, left):
    k, j, m = cuda.grid(3)
    n, i = m // y.shape[1], m % y.shape[1]
    if n < y.shape[0] and j < y.shape[2] and k < y.shape[3]:
        acc = np.float32(0)
        for r in range(w.shape[0]):
            row = i * stride + r - top
            for s in range(w.shape[1]):
                col = j * stride + s - left
                if 0 <= row < x.shape[1] and 0 <= col < x.shape[2]:
                    for c in range(w.shape[2]):
                        acc += eleven_bits(x[n, row, col, c]) * eleven_bits(w[r, s, c, k])
        y[n, i, j, k] = acc


def prepare(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top = same_padding(x.shape[1], w.shape[0], stride)[0] if padding == "same" else 0
    left = same_padding(x.shape[2], w.shape[1], stride)[0] if padding == "same" else 0
    grid = ((y.shape[3] + 31) // 32, (y.shape[2] + 3) // 4, (y.shape[0] * y.shape[1] + 1) // 2)
    return y, top, left, grid, (32, 4, 2)

def conv_coalesced(x, w, stride, padding):
    y, top, left, grid, block = prepare(x, w, stride, padding)
    good_kernel[grid, block](x, w, y, stride, top, left)
    return y
