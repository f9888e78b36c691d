# Patches of 2 pixels and 8 filters in threads of one row; taps and channels are one axis of the product.
# loses on gpu: conv_blocked.speed

# %% task: conv_blocked
import numpy as np
from numba import cuda, float32

from gpulabs.convolution import output_shape, padding_before

ROWS, COLUMNS, INNER = 32, 32, 8


@cuda.jit
def patches(x, w, y, h_out, w_out, stride, top, left):
    a = cuda.shared.array((INNER, ROWS), float32)
    b = cuda.shared.array((INNER, COLUMNS), float32)
    sums, weights = cuda.local.array((2, 8), float32), cuda.local.array(8, float32)
    thread = cuda.threadIdx.x
    tx, ty = thread % 4, thread // 4
    m0, k0 = cuda.blockIdx.x * ROWS, cuda.blockIdx.y * COLUMNS
    channels, outputs = x.shape[3], x.shape[0] * h_out * w_out
    length = w.shape[0] * w.shape[1] * channels
    for p in range(2):
        for q in range(8):
            sums[p, q] = 0
    m = m0 + thread % ROWS
    n, i, j = m // (h_out * w_out), m // w_out % h_out * stride - top, m % w_out * stride - left
    for start in range(0, length, INNER):
        for part in range(INNER // 2):
            inner = thread // ROWS + 2 * part
            tap, c = (start + inner) // channels, (start + inner) % channels
            r, s = tap // w.shape[1], tap % w.shape[1]
            value = weight = float32(0)
            if start + inner < length:
                if m < outputs and 0 <= i + r < x.shape[1] and 0 <= j + s < x.shape[2]:
                    value = x[n, i + r, j + s, c]
                if k0 + thread % COLUMNS < w.shape[3]:
                    weight = w[r, s, c, k0 + thread % COLUMNS]
            a[inner, thread % ROWS] = value
            b[inner, thread % COLUMNS] = weight
        cuda.syncthreads()
        for inner in range(INNER):
            for q in range(8):
                weights[q] = b[inner, tx + 4 * q]
            for p in range(2):
                value = a[inner, ty + 16 * p]
                for q in range(8):
                    sums[p, q] += value * weights[q]
        cuda.syncthreads()
    for p in range(2):
        for q in range(8):
            if m0 + ty + 16 * p < outputs and k0 + tx + 4 * q < w.shape[3]:
                y[m0 + ty + 16 * p, k0 + tx + 4 * q] = sums[p, q]


def conv_blocked(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    outputs = y.shape[0] * y.shape[1] * y.shape[2]
    blocks = (outputs + ROWS - 1) // ROWS, (y.shape[3] + COLUMNS - 1) // COLUMNS
    patches[blocks, 64](x, w, y.reshape(outputs, y.shape[3]), y.shape[1], y.shape[2], stride, top, left)
    return y
