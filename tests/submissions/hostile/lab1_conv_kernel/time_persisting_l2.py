# ctypes sets aside L2 for persisting accesses.
# attack: L2 persistence and eviction hints
# defence: student Python sees no driver; the launcher's process has limits of its own, and L2 is flushed between runs
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


import ctypes


def persist():
    for name in ("libcudart.so.12", "libcudart.so", "libcuda.so.1"):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        for call, limit in (("cudaDeviceSetLimit", 6), ("cuCtxSetLimit", 6)):
            if hasattr(library, call):
                getattr(library, call)(limit, ctypes.c_size_t(32 << 20))
    return True


PERSISTS = persist()


def conv_coalesced(x, w, stride, padding):
    y, top, left, grid, block = prepare(x, w, stride, padding)
    slow_kernel[grid, block](x, w, y, stride, top, left)
    return y
