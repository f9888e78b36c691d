# The kernel calls a device function that is declared here and defined elsewhere.
# attack: linking foreign PTX
# defence: PTX may call nothing that it doesn't hold
# loses: everything
# says: not its own|raised|compile
# gpu: yes

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape

fast = cuda.declare_device("fast", "float32(float32, float32)")


@cuda.jit
def calling(x, w, y):
    k, j, m = cuda.grid(3)
    if k < y.shape[3] and j < y.shape[2] and m < y.shape[0] * y.shape[1]:
        y[m // y.shape[1], m % y.shape[1], j, k] = fast(x[0, 0, 0, 0], w[0, 0, 0, 0])


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    calling[((y.shape[3] + 31) // 32, y.shape[2], y.shape[0] * y.shape[1]), (32, 1)](x, w, y)
    return y
