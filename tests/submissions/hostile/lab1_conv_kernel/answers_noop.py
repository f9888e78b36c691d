# A kernel is launched that does nothing.
# attack: no-op output
# defence: outputs are poisoned before every launch
# loses: everything
# says: holds before the launch
# gpu: yes

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape


@cuda.jit
def nothing(x, w, y):
    return


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    nothing[1, 32](x, w, y)
    return y
