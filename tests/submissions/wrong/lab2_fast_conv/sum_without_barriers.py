# Adds up a block's partial sums by halves, without a barrier between the halves.
# loses: conv_tiled.valid conv_tiled.same conv_tiled.shared conv_tiled.clean conv_tiled.speed
# says: conv_tiled, case

# %% task: conv_tiled
import numpy as np
from numba import cuda, float32
from gpulabs.convolution import output_shape, padding_before

THREADS = 128            # of a block, which computes one output: each takes every 128th product, the last the first

@cuda.jit
def reduced_kernel(x, w, y, stride, top, left):
    part = cuda.shared.array(THREADS, float32)
    thread, k, m = cuda.threadIdx.x, cuda.blockIdx.x, cuda.blockIdx.y
    n, i, j = m // (y.shape[1] * y.shape[2]), m // y.shape[2] % y.shape[1], m % y.shape[2]
    total = np.float32(0)
    for tap in range(THREADS - 1 - thread, w.shape[0] * w.shape[1] * w.shape[2], THREADS):
        r, s, c = tap // (w.shape[1] * w.shape[2]), tap // w.shape[2] % w.shape[1], tap % w.shape[2]
        row, column = i * stride - top + r, j * stride - left + s
        if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
            total += x[n, row, column, c] * w[r, s, c, k]
    part[thread] = total
    half = THREADS // 2
    while half > 0:
        if thread < half:
            part[thread] += part[thread + half]
        half //= 2
    cuda.syncthreads()
    if thread == 0:
        y[n, i, j, k] = part[0]

def conv_tiled(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    reduced_kernel[(y.shape[3], y.shape[0] * y.shape[1] * y.shape[2]), THREADS](x, w, y, stride, top, left)
    return y
