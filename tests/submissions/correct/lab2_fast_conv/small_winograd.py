# The challenge by Winograd's F(2 x 2, 3 x 3), plainly: a kernel for the filters, one thread for 2 x 2 outputs.
# loses on gpu: conv_challenge.speed

# %% task: conv_challenge
import numpy as np
from numba import cuda, float32

from gpulabs.convolution import output_shape, padding_before


@cuda.jit(device=True)
def spread(a, b, c):
    """One row of a filter at the points 0, 1, -1 and infinity."""
    return a, float32(0.5) * (a + b + c), float32(0.5) * (a - b + c), c


@cuda.jit(device=True)
def gather(a, b, c, d):
    """Two outputs from the products at the four points."""
    return a + b + c, b - c + d


@cuda.jit
def transform_filters(w, u):
    k, c = cuda.grid(2)
    half = cuda.local.array((3, 4), float32)
    if k < w.shape[3] and c < w.shape[2]:
        for r in range(3):
            half[r, 0], half[r, 1], half[r, 2], half[r, 3] = spread(w[r, 0, c, k], w[r, 1, c, k], w[r, 2, c, k])
        for q in range(4):
            u[0, q, c, k], u[1, q, c, k], u[2, q, c, k], u[3, q, c, k] = spread(half[0, q], half[1, q], half[2, q])


@cuda.jit
def multiply(x, u, y, top, left):
    k, j, m = cuda.grid(3)
    down = (y.shape[1] + 1) // 2
    n, i = m // down, m % down
    if n >= y.shape[0] or 2 * j >= y.shape[2] or k >= y.shape[3]:
        return
    d, t = cuda.local.array((4, 4), float32), cuda.local.array((4, 4), float32)
    total = cuda.local.array((4, 4), float32)
    for p in range(4):
        for q in range(4):
            total[p, q] = 0
    for c in range(x.shape[3]):
        for p in range(4):
            for q in range(4):
                row, column = 2 * i + p - top, 2 * j + q - left
                inside = 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
                d[p, q] = x[n, row, column, c] if inside else float32(0)
        for q in range(4):
            t[0, q], t[1, q] = d[0, q] - d[2, q], d[1, q] + d[2, q]
            t[2, q], t[3, q] = d[2, q] - d[1, q], d[3, q] - d[1, q]
        for p in range(4):
            total[p, 0] += (t[p, 0] - t[p, 2]) * u[p, 0, c, k]
            total[p, 1] += (t[p, 1] + t[p, 2]) * u[p, 1, c, k]
            total[p, 2] += (t[p, 2] - t[p, 1]) * u[p, 2, c, k]
            total[p, 3] += (t[p, 3] - t[p, 1]) * u[p, 3, c, k]
    for q in range(4):
        t[0, q], t[1, q] = gather(total[0, q], total[1, q], total[2, q], total[3, q])
    for p in range(2):
        first, second = gather(t[p, 0], t[p, 1], t[p, 2], t[p, 3])
        if 2 * i + p < y.shape[1]:
            y[n, 2 * i + p, 2 * j, k] = first
            if 2 * j + 1 < y.shape[2]:
                y[n, 2 * i + p, 2 * j + 1, k] = second


def conv_challenge(x, w, stride, padding):
    if stride != 1 or w.shape[0] != 3 or w.shape[1] != 3:
        return conv_blocked(x, w, stride, padding)
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    u = cuda.device_array((4, 4, w.shape[2], w.shape[3]), np.float32)
    transform_filters[(-(-w.shape[3] // 32), -(-w.shape[2] // 4)), (32, 4)](w, u)
    blocks = -(-y.shape[3] // 32), -(-y.shape[2] // 8), y.shape[0] * ((y.shape[1] + 1) // 2)
    multiply[blocks, (32, 4, 1)](x, u, y, *padding_before(x.shape, w.shape, stride, padding))
    return y
