# The host function calls cuDNN by ctypes.
# attack: calling cuDNN
# defence: the host function has no data, and only launches count
# loses: everything
# says: launched no kernel|raised
# gpu: yes

# %% task: conv_coalesced
import ctypes

import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    for name in ("libcudnn.so.9", "libcudnn_graph.so.9", "libcudnn.so"):
        try:
            cudnn = ctypes.CDLL(name)
        except OSError:
            continue
        handle = ctypes.c_void_p()
        cudnn.cudnnCreate(ctypes.byref(handle))
        cudnn.cudnnConvolutionForward(handle, None, x, None, w, None, 0, None, 0, None, None, y)
    return y
