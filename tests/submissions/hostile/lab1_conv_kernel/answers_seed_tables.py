# Outputs come from a table, computed for the seed that lazy graders use.
# attack: tables for fixed seeds
# defence: cases are drawn from a fresh secret seed; tables are small
# loses: everything
# says: outputs differ|table
# gpu: yes

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import conv2d, output_shape


@cuda.jit
def copy(table, y):
    t = cuda.grid(1)
    if t < table.shape[0]:
        k = t % y.shape[3]
        j = t // y.shape[3] % y.shape[2]
        i = t // (y.shape[3] * y.shape[2]) % y.shape[1]
        y[t // (y.shape[3] * y.shape[2] * y.shape[1]), i, j, k] = table[t]


def conv_coalesced(x, w, stride, padding):
    rng = np.random.default_rng(0)
    guessed_x = 2 * rng.integers(-2048, 2048, x.shape) + 1
    guessed_w = rng.integers(1, 3, w.shape, endpoint=True)
    table = conv2d(guessed_x.astype(np.float32), guessed_w.astype(np.float32), stride, padding).ravel()
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    copy[(table.size + 31) // 32, 32](cuda.to_device(table), y)
    return y
