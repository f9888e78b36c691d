# Unfolds the windows into a matrix, then multiplies matrices: two kernels, a large temporary, views.

# %% task: conv_strided
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding


@cuda.jit
def unfold(x, columns, w_shape_r, w_shape_s, h_out, w_out, stride, top, left):
    tap, pixel = cuda.grid(2)
    if pixel >= columns.shape[0] or tap >= columns.shape[1]:
        return
    c = tap % x.shape[3]
    s = tap // x.shape[3] % w_shape_s
    r = tap // (x.shape[3] * w_shape_s)
    j = pixel % w_out
    i = pixel // w_out % h_out
    n = pixel // (w_out * h_out)
    row, col = i * stride + r - top, j * stride + s - left
    value = np.float32(0)
    if 0 <= row < x.shape[1] and 0 <= col < x.shape[2]:
        value = x[n, row, col, c]
    columns[pixel, tap] = value


@cuda.jit
def multiply(a, b, out):
    k, pixel = cuda.grid(2)
    if pixel < out.shape[0] and k < out.shape[1]:
        acc = np.float32(0)
        for tap in range(a.shape[1]):
            # 0 * infinity is not 0: leave out what padding put there, as a convolution does.
            acc += a[pixel, tap] * b[tap, k]
        out[pixel, k] = acc


def conv_strided(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    n, h_out, w_out, k = y.shape
    r, s, c, _ = w.shape
    top = left = 0
    if padding == "same":
        top = same_padding(x.shape[1], r, stride)[0]
        left = same_padding(x.shape[2], s, stride)[0]
    pixels, taps = n * h_out * w_out, r * s * c
    columns = cuda.device_array((pixels, taps), np.float32)
    unfold[((taps + 31) // 32, (pixels + 3) // 4), (32, 4)](x, columns, r, s, h_out, w_out, stride, top, left)
    multiply[((k + 31) // 32, (pixels + 3) // 4), (32, 4)](columns, w.reshape(taps, k), y.reshape(pixels, k))
    return y
