# Two kernels and a temporary: zeros around a copy of x, then a convolution without a guard.

# %% task: conv_strided
import numpy as np
from numba import cuda


@cuda.jit
def pad_kernel(x, padded, top, left):
    j, i, n = cuda.grid(3)
    if n < padded.shape[0] and i < padded.shape[1] and j < padded.shape[2]:
        row, col = i - top, j - left
        inside = 0 <= row < x.shape[1] and 0 <= col < x.shape[2]
        for c in range(x.shape[3]):
            padded[n, i, j, c] = x[n, row, col, c] if inside else np.float32(0)


@cuda.jit
def valid_kernel(x, w, y, stride):
    j, i, n = cuda.grid(3)
    if n < y.shape[0] and i < y.shape[1] and j < y.shape[2]:
        for k in range(y.shape[3]):
            acc = np.float32(0)
            for r in range(w.shape[0]):
                for s in range(w.shape[1]):
                    for c in range(w.shape[2]):
                        acc += x[n, i * stride + r, j * stride + s, c] * w[r, s, c, k]
            y[n, i, j, k] = acc


def blocks(shape):
    return (shape[2] + 7) // 8, (shape[1] + 3) // 4, shape[0]


def conv_strided(x, w, stride, padding):
    n, h, width, c = x.shape
    r, s, _, k = w.shape
    if padding == "same":
        h_out, w_out = -(-h // stride), -(-width // stride)
        rows = max((h_out - 1) * stride + r - h, 0)
        cols = max((w_out - 1) * stride + s - width, 0)
        padded = cuda.device_array((n, h + rows, width + cols, c), np.float32)
        pad_kernel[blocks(padded.shape), (8, 4, 1)](x, padded, rows // 2, cols // 2)
        x = padded
    else:
        h_out, w_out = (h - r) // stride + 1, (width - s) // stride + 1
    y = cuda.device_array((n, h_out, w_out, k), np.float32)
    valid_kernel[blocks(y.shape), (8, 4, 1)](x, w, y, stride)
    return y
