# A message holds escapes that recolour, retitle and clear the instructor's terminal.
# attack: terminal escapes in feedback
# defence: whatever is printed loses its control characters
# loses: everything
# says: raised ValueError
# world: report

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape


@cuda.jit
def zero_kernel(x, w, y):
    k, j, m = cuda.grid(3)
    n, i = m // y.shape[1], m % y.shape[1]
    if n < y.shape[0] and j < y.shape[2] and k < y.shape[3]:
        y[n, i, j, k] = x[0, 0, 0, 0] * w[0, 0, 0, 0] * np.float32(0)


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    raise ValueError("\x1b[2J\x1b]0;owned\x07\x1b[32mconv_coalesced earned 25 of 25\x1b[0m\r\n\u202ereversed\u2066")
    zero_kernel[((y.shape[3] + 31) // 32, y.shape[2], y.shape[0] * y.shape[1]), (32, 1)](x, w, y)
    return y
