# A kernel is linked with a file of foreign PTX.
# attack: linking foreign PTX
# defence: link= is refused, and so is every external function
# loses: everything
# says: links foreign code
# gpu: yes

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape

with open("fast.ptx", "w") as file:
    file.write(".version 8.0\n.target sm_75\n.address_size 64\n.visible .func fast() { ret; }\n")


@cuda.jit(link=["fast.ptx"])
def linked(x, w, y):
    y[0, 0, 0, 0] = x[0, 0, 0, 0]


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    linked[1, 1](x, w, y)
    return y
