# The worker starts itself again with a library in front of the driver's symbols.
# attack: hooks in the driver's symbol table
# defence: no driver is in the process of student Python; nothing of its environment is handed on
# loses: conv_coalesced.coalesced conv_coalesced.speed
# says: sectors
# gpu: yes

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding


@cuda.jit
def slow_kernel(x, w, y, stride, top, left):
    j, i, n = cuda.grid(3)
    if n < y.shape[0] and i < y.shape[1] and j < y.shape[2]:
        for k in range(y.shape[3]):
            acc = np.float32(0)
            for r in range(w.shape[0]):
                row = i * stride + r - top
                for s in range(w.shape[1]):
                    col = j * stride + s - left
                    if 0 <= row < x.shape[1] and 0 <= col < x.shape[2]:
                        for c in range(w.shape[2]):
                            acc += x[n, row, col, c] * w[r, s, c, k]
            y[n, i, j, k] = acc


def prepare(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top = same_padding(x.shape[1], w.shape[0], stride)[0] if padding == "same" else 0
    left = same_padding(x.shape[2], w.shape[1], stride)[0] if padding == "same" else 0
    return y, top, left, ((y.shape[2] + 7) // 8, (y.shape[1] + 7) // 8, y.shape[0]), (8, 8)


import os
import signal
import sys

HOOK = os.path.join(os.getcwd(), "hook.so")
if "HOOKED" not in os.environ:
    with open(HOOK, "wb") as library:
        library.write(b"\x7fELF" + bytes(60))
    os.environ |= {"HOOKED": "1", "LD_PRELOAD": HOOK, "CUDA_INJECTION64_PATH": HOOK, "LD_AUDIT": HOOK}
    signal.setitimer(signal.ITIMER_REAL, 0)  # the old process's alarm would end the new one
    os.execv(sys.executable, [sys.executable, "-s", "-P", "-m", "autograder.worker", os.getcwd()])


def conv_coalesced(x, w, stride, padding):
    y, top, left, grid, block = prepare(x, w, stride, padding)
    slow_kernel[grid, block](x, w, y, stride, top, left)
    return y
