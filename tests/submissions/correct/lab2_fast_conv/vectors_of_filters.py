# Vectors along K only: weights in fours, pixels one by one, so that only K decides about the path.
# loses on gpu: conv_vector.speed

# %% task: conv_vector
import numpy as np
from numba import cuda, float32

from gpulabs.convolution import output_shape, padding_before
from gpulabs.intrinsics import load4, store4


@cuda.jit
def filter_vectors(x, w, y, stride, top, left):
    pixels, filters = cuda.shared.array((32, 9), float32), cuda.shared.array((8, 32), float32)
    sums = cuda.local.array((4, 4), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    thread = ty * 8 + tx
    h_out, w_out, outs = y.shape[1], y.shape[2], y.shape[3]
    outputs, m0, k0 = y.shape[0] * h_out * w_out, cuda.blockIdx.x * 32, cuda.blockIdx.y * 32
    for p in range(4):
        for q in range(4):
            sums[p, q] = 0
    m = m0 + thread // 2
    n, i, j = m // (h_out * w_out), m // w_out % h_out * stride - top, m % w_out * stride - left
    depth, k = thread // 8, k0 + thread % 8 * 4
    for r in range(w.shape[0]):
        for s in range(w.shape[1]):
            inside = m < outputs and 0 <= i + r < x.shape[1] and 0 <= j + s < x.shape[2]
            for c0 in range(0, x.shape[3], 8):
                for q in range(4):
                    c = thread % 2 * 4 + q
                    value = float32(0)
                    if inside and c0 + c < x.shape[3]:
                        value = x[n, i + r, j + s, c0 + c]
                    pixels[thread // 2, c] = value
                b0 = b1 = b2 = b3 = float32(0)
                if c0 + depth < x.shape[3] and k < outs:
                    b0, b1, b2, b3 = load4(w, ((r * w.shape[1] + s) * w.shape[2] + c0 + depth) * outs + k)
                store4(filters, thread * 4, b0, b1, b2, b3)
                cuda.syncthreads()
                for c in range(8):
                    b0, b1, b2, b3 = load4(filters, c * 32 + tx * 4)
                    for p in range(4):
                        value = pixels[ty + 8 * p, c]
                        sums[p, 0] += value * b0
                        sums[p, 1] += value * b1
                        sums[p, 2] += value * b2
                        sums[p, 3] += value * b3
                cuda.syncthreads()
    for p in range(4):
        m = m0 + ty + 8 * p
        if m < outputs and k0 + tx * 4 < outs:
            store4(y, m * outs + k0 + tx * 4, sums[p, 0], sums[p, 1], sums[p, 2], sums[p, 3])


def conv_vector(x, w, stride, padding):
    if w.shape[3] % 4:
        return conv_blocked(x, w, stride, padding)
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    blocks = (y.shape[0] * y.shape[1] * y.shape[2] + 31) // 32, (y.shape[3] + 31) // 32
    filter_vectors[blocks, (8, 8)](x, w, y, stride, top, left)
    return y
