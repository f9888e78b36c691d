# Everything right, in another hand than the solution's: one flat grid, a stride loop over the outputs.

# %% task: conv_first
import numpy as np
from numba import cuda


@cuda.jit
def first_kernel(x, w, y):
    images, rows, columns, channels = y.shape
    step = cuda.gridsize(1)
    for flat in range(cuda.grid(1), images * rows * columns * channels, step):
        k = flat % channels
        j = flat // channels % columns
        i = flat // (channels * columns) % rows
        n = flat // (channels * columns * rows)
        total = np.float32(0)
        for r in range(w.shape[0]):
            for s in range(w.shape[1]):
                for c in range(w.shape[2]):
                    total += x[n, i + r, j + s, c] * w[r, s, c, k]
        y[n, i, j, k] = total


def conv_first(x, w):
    shape = (x.shape[0], x.shape[1] - w.shape[0] + 1, x.shape[2] - w.shape[1] + 1, w.shape[3])
    y = cuda.device_array(shape, np.float32)
    outputs = shape[0] * shape[1] * shape[2] * shape[3]
    first_kernel[min((outputs + 127) // 128, 4096), 128](x, w, y)
    return y


# %% task: conv_strided
import numpy as np
from numba import cuda


@cuda.jit
def strided_kernel(x, w, y, stride, top, left):
    images, rows, columns, channels = y.shape
    flat = cuda.grid(1)
    if flat >= images * rows * columns * channels:
        return
    k = flat % channels
    j = flat // channels % columns
    i = flat // (channels * columns) % rows
    n = flat // (channels * columns * rows)
    total = np.float32(0)
    for r in range(max(0, top - i * stride), min(w.shape[0], x.shape[1] + top - i * stride)):
        for s in range(max(0, left - j * stride), min(w.shape[1], x.shape[2] + left - j * stride)):
            for c in range(w.shape[2]):
                total += x[n, i * stride + r - top, j * stride + s - left, c] * w[r, s, c, k]
    y[n, i, j, k] = total


def conv_strided(x, w, stride, padding):
    sizes, before = [], []
    for size, taps in ((x.shape[1], w.shape[0]), (x.shape[2], w.shape[1])):
        if padding == "same":
            outputs = -(-size // stride)
            before.append(max((outputs - 1) * stride + taps - size, 0) // 2)
        else:
            outputs = (size - taps) // stride + 1
            before.append(0)
        sizes.append(outputs)
    shape = (x.shape[0], sizes[0], sizes[1], w.shape[3])
    y = cuda.device_array(shape, np.float32)
    outputs = shape[0] * shape[1] * shape[2] * shape[3]
    strided_kernel[(outputs + 127) // 128, 128](x, w, y, stride, before[0], before[1])
    return y


# %% task: launch_config
def launch_config(n, h_out, w_out, k):
    sizes = (k, w_out, n * h_out)
    block = [1, 1, 1]
    while block[0] * block[1] * block[2] < 64:
        # Doubles the axis that wastes least: the one with the most outputs for each thread of the block.
        axis = max(range(3), key=lambda a: sizes[a] / block[a])
        if block[2] >= 64 and axis == 2:
            axis = 0
        block[axis] *= 2
    grid = [-(-size // threads) for size, threads in zip(sizes, block)]
    return tuple(grid), tuple(block)


# %% task: roofline
def count_flops(y_shape, w_shape):
    outputs = 1
    for size in y_shape:
        outputs *= size
    return 2 * outputs * w_shape[0] * w_shape[1] * w_shape[2]


def count_bytes(x_shape, w_shape, y_shape):
    floats = 0
    for shape in (x_shape, w_shape, y_shape):
        product = 1
        for size in shape:
            product *= size
        floats += product
    return 4 * floats


def attainable_gflops(intensity, peak_gflops, bandwidth_gb_s):
    fed = intensity * bandwidth_gb_s
    return fed if fed < peak_gflops else peak_gflops
