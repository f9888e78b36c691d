# 64 KB of static shared memory, which no GPU's assembler accepts.
# loses: conv_first.exact conv_first.photo conv_first.close
# says: does not compile for sm_\d+: it wants 65,\d+ bytes of shared memory a block

# %% task: conv_first
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape


@cuda.jit
def first_kernel(x, w, y):
    pixel = cuda.shared.array(16384, np.float32)
    j, i, n = cuda.grid(3)
    if n < y.shape[0] and i < y.shape[1] and j < y.shape[2]:
        place = cuda.threadIdx.x + cuda.blockDim.x * cuda.threadIdx.y
        for k in range(y.shape[3]):
            pixel[place] = np.float32(0)
            for r in range(w.shape[0]):
                for s in range(w.shape[1]):
                    for c in range(w.shape[2]):
                        pixel[place] += x[n, i + r, j + s, c] * w[r, s, c, k]
            y[n, i, j, k] = pixel[place]


def conv_first(x, w):
    y = cuda.device_array(output_shape(x.shape, w.shape, 1, "valid"), np.float32)
    block = (16, 8, 1)
    grid = (-(-y.shape[2] // block[0]), -(-y.shape[1] // block[1]), y.shape[0])
    first_kernel[grid, block](x, w, y)
    return y
