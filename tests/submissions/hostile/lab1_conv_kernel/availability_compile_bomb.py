# A kernel of thousands of nested calls keeps the compiler busy for hours.
# attack: compile bombs
# defence: a time limit; silence ends what ignores it
# loses: everything
# says: no end|no sign|compile

# %% task: conv_coalesced
import linecache

import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape

LINES = ["def bomb(x, w, y):", "    a = np.float32(0)"]
LINES += [f"    for i{n} in range(x.shape[{n % 4}] + 1):\n        a += x[0, 0, 0, 0] * (a if a > {n} else -a)" for n in range(6000)]
SPACE = {"np": np}
run = __builtins__["exec"] if isinstance(__builtins__, dict) else __builtins__.exec
RAN = run("\n".join([*LINES, "    y[0, 0, 0, 0] = a"]), SPACE)
bomb = cuda.jit(SPACE["bomb"])


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    bomb[1, 1](x, w, y)
    return y
