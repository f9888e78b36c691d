# The kernel zeroes its inputs and answers zero: whoever computes the answer from them later agrees.
# attack: mutated inputs
# defence: inputs are compared with pristine copies; answers come from the grader's own
# loses: everything
# says: x or w was changed
# gpu: yes

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape


@cuda.jit
def zero_kernel(x, w, y):
    k, j, m = cuda.grid(3)
    n, i = m // y.shape[1], m % y.shape[1]
    if n < y.shape[0] and j < y.shape[2] and k < y.shape[3]:
        for c in range(x.shape[3]):
            x[n, i, j, c] = np.float32(0)
        for r in range(w.shape[0]):
            w[r, 0, 0, k] = np.float32(0)
        y[n, i, j, k] = np.float32(0)


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    zero_kernel[((y.shape[3] + 31) // 32, y.shape[2], y.shape[0] * y.shape[1]), (32, 1)](x, w, y)
    return y
