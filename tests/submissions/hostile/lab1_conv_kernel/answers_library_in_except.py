# The own kernel fails on purpose, and `except` computes the answer with NumPy.
# attack: falling back to a library in except
# defence: the host function has no data
# loses: everything
# says: on the host|raised
# gpu: yes

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import conv2d


@cuda.jit
def mine(x, w, y):
    y[0, 0, 0, 0] = x[0, 0, 0, 0]


def conv_coalesced(x, w, stride, padding):
    try:
        mine[0, 0](x, w, None)
    except Exception:
        return cuda.to_device(conv2d(np.asarray(x), np.asarray(w), stride, padding).astype(np.float32))
