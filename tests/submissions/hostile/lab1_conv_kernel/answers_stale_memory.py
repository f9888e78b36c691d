# The output is never written: memory that is used again may hold the right answer.
# attack: stale right answers in recycled memory
# defence: outputs are poisoned before every launch
# loses: everything
# says: holds before the launch
# gpu: yes

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape


@cuda.jit
def hope(y):
    if cuda.grid(1) == 0 and y[0, 0, 0, 0] == np.float32(12345.678):
        y[0, 0, 0, 0] = np.float32(0)


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    hope[1, 32](y)
    return y
