# The challenge in two kernels: a copy of x with its zeros around it, then stage 6's product without any test of borders.
# loses on gpu: conv_challenge.speed

# %% task: conv_challenge
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, padding_before


@cuda.jit
def surround(x, wide, top, left):
    """Copies x into the middle of wide, zeros around it; threads stride over all of it."""
    words = wide.shape[0] * wide.shape[1] * wide.shape[2] * wide.shape[3]
    for word in range(cuda.grid(1), words, cuda.gridsize(1)):
        c, pixel = word % wide.shape[3], word // wide.shape[3]
        column, row = pixel % wide.shape[2], pixel // wide.shape[2] % wide.shape[1]
        n, i, j = pixel // wide.shape[2] // wide.shape[1], row - top, column - left
        inside = 0 <= i < x.shape[1] and 0 <= j < x.shape[2]
        wide[n, row, column, c] = x[n, i, j, c] if inside else np.float32(0)


def conv_challenge(x, w, stride, padding):
    _, h_out, w_out, _ = output_shape(x.shape, w.shape, stride, padding)
    rows, columns = (h_out - 1) * stride + w.shape[0], (w_out - 1) * stride + w.shape[1]
    if padding == "same":
        wide = cuda.device_array((x.shape[0], rows, columns, x.shape[3]), np.float32)
        blocks = max(1, min(256, x.shape[0] * rows * columns * x.shape[3] // 256))
        surround[blocks, 256](x, wide, *padding_before(x.shape, w.shape, stride, padding))
        x = wide
    return conv_vector(x, w, stride, "valid")
