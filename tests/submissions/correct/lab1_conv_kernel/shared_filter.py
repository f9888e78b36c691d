# The block copies its filter taps to shared memory and waits at a barrier.

# %% task: conv_coalesced
import numpy as np
from numba import cuda, float32

from gpulabs.convolution import output_shape, same_padding

CHANNELS = 32


@cuda.jit
def shared_kernel(x, w, y, stride, top, left):
    taps = cuda.shared.array(CHANNELS, float32)
    lane = cuda.threadIdx.x
    k = cuda.blockIdx.x * CHANNELS + lane
    j = cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y
    n = cuda.blockIdx.z // y.shape[1]
    i = cuda.blockIdx.z % y.shape[1]
    acc = np.float32(0)
    for r in range(w.shape[0]):
        for s in range(w.shape[1]):
            row = i * stride + r - top
            col = j * stride + s - left
            for c in range(w.shape[2]):
                if cuda.threadIdx.y == 0 and k < y.shape[3]:
                    taps[lane] = w[r, s, c, k]
                cuda.syncthreads()
                if 0 <= row < x.shape[1] and 0 <= col < x.shape[2] and k < y.shape[3]:
                    acc += x[n, row, col, c] * taps[lane]
                cuda.syncthreads()
    if j < y.shape[2] and k < y.shape[3]:
        y[n, i, j, k] = acc


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top = same_padding(x.shape[1], w.shape[0], stride)[0] if padding == "same" else 0
    left = same_padding(x.shape[2], w.shape[1], stride)[0] if padding == "same" else 0
    n, h_out, w_out, k = y.shape
    shared_kernel[((k + CHANNELS - 1) // CHANNELS, (w_out + 3) // 4, n * h_out), (CHANNELS, 4)](x, w, y, stride, top, left)
    return y
