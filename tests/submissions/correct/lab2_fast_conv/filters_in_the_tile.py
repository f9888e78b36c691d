# Image and filters both in shared memory, a channel at a time; kernels made for each filter and stride.
# loses on gpu: conv_tiled.speed

# %% task: conv_tiled
import numpy as np
from numba import cuda, float32

from gpulabs.convolution import output_shape, padding_before

KERNELS = {}


def build(r_size, s_size, stride, side=8, outputs=4):
    rows, columns = (side - 1) * stride + r_size, (side - 1) * stride + s_size
    taps = r_size * s_size

    @cuda.jit
    def kernel(x, w, y, top, left):
        image = cuda.shared.array((rows, columns), float32)
        filters = cuda.shared.array((taps, outputs), float32)
        tx, ty, tz = cuda.threadIdx.x, cuda.threadIdx.y, cuda.threadIdx.z
        thread = (tz * side + ty) * side + tx
        down = (y.shape[1] + side - 1) // side
        n, i0, j0 = cuda.blockIdx.z // down, cuda.blockIdx.z % down * side, cuda.blockIdx.y * side
        i, j, k = i0 + ty, j0 + tx, cuda.blockIdx.x * outputs + tz
        total = float32(0)
        for c in range(x.shape[3]):
            cuda.syncthreads()
            for pixel in range(thread, rows * columns, side * side * outputs):
                row, column = i0 * stride - top + pixel // columns, j0 * stride - left + pixel % columns
                image[pixel // columns, pixel % columns] = (
                    x[n, row, column, c] if 0 <= row < x.shape[1] and 0 <= column < x.shape[2] else float32(0)
                )
            for weight in range(thread, taps * outputs, side * side * outputs):
                tap, out = weight // outputs, cuda.blockIdx.x * outputs + weight % outputs
                filters[tap, weight % outputs] = (
                    w[tap // s_size, tap % s_size, c, out] if out < w.shape[3] else float32(0)
                )
            cuda.syncthreads()
            for r in range(r_size):
                for s in range(s_size):
                    total += image[ty * stride + r, tx * stride + s] * filters[r * s_size + s, tz]
        if i < y.shape[1] and j < y.shape[2] and k < y.shape[3]:
            y[n, i, j, k] = total

    return kernel


def conv_tiled(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    key = w.shape[0], w.shape[1], stride
    if key not in KERNELS:
        KERNELS[key] = build(*key)
    blocks = -(-y.shape[3] // 4), -(-y.shape[2] // 8), y.shape[0] * -(-y.shape[1] // 8)
    KERNELS[key][blocks, (8, 8, 4)](x, w, y, *padding_before(x.shape, w.shape, stride, padding))
    return y
