# The GPU's clocks are changed between candidate and baseline.
# attack: changed clocks
# defence: student Python sees no GPU and no NVML; pairs are interleaved in random order
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


import subprocess


def lower():
    for command in (["nvidia-smi", "-lgc", "210,210"], ["nvidia-smi", "--power-limit=100"]):
        try:
            subprocess.run(command, timeout=5, capture_output=True, check=False)
        except OSError:
            pass
    try:
        import pynvml

        pynvml.nvmlInit()
        pynvml.nvmlDeviceSetGpuLockedClocks(pynvml.nvmlDeviceGetHandleByIndex(0), 210, 210)
    except Exception:
        return False
    return True


LOWERED = lower()


def conv_coalesced(x, w, stride, padding):
    y, top, left, grid, block = prepare(x, w, stride, padding)
    slow_kernel[grid, block](x, w, y, stride, top, left)
    return y
