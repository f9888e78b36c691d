# A kernel of one thread is linked with the ladder's PTX and calls it.
# attack: copying the ladder
# defence: link= is refused, and so is every function that the PTX does not hold
# loses: everything
# says: links foreign code
# gpu: yes

# %% task: conv_vector
import sys
from pathlib import Path

import numpy as np
from numba import cuda
from gpulabs.convolution import output_shape

found = [Path(place) / "autograder" / "ladder" / "vectorised.ptx" for place in sys.path]
tiled = cuda.declare_device("vectorised", "void(float32[:], float32[:], float32[:])")


@cuda.jit(link=[str(path) for path in found if path.is_file()])
def calling(x, w, y):
    tiled(x, w, y)


def conv_vector(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    calling[1, 1](x, w, y)
    return y
