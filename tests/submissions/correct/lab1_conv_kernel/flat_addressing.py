# 1-D views and index arithmetic in place of 4-D arrays.

# %% task: conv_coalesced
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding


@cuda.jit(fastmath=True)
def flat_kernel(x, w, y, h, width, c, rs, ss, h_out, w_out, k_out, stride, top, left):
    k = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    j = cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y
    m = cuda.blockIdx.z
    if k >= k_out or j >= w_out:
        return
    n = m // h_out
    i = m - n * h_out
    acc = np.float32(0)
    for r in range(rs):
        row = i * stride + r - top
        if row < 0 or row >= h:
            continue
        for s in range(ss):
            col = j * stride + s - left
            if col < 0 or col >= width:
                continue
            from_x = ((n * h + row) * width + col) * c
            from_w = (r * ss + s) * c * k_out + k
            for t in range(c):
                acc += x[from_x + t] * w[from_w + t * k_out]
    y[((n * h_out + i) * w_out + j) * k_out + k] = acc


def conv_coalesced(x, w, stride, padding):
    shape = output_shape(x.shape, w.shape, stride, padding)
    n, h_out, w_out, k = shape
    y = cuda.device_array(shape, np.float32)
    top = left = 0
    if padding == "same":
        top = same_padding(x.shape[1], w.shape[0], stride)[0]
        left = same_padding(x.shape[2], w.shape[1], stride)[0]
    grid = (-(-k // 64), -(-w_out // 2), n * h_out)
    flat_kernel[grid, (64, 2)](
        x.ravel(), w.ravel(), y.ravel(), x.shape[1], x.shape[2], x.shape[3], w.shape[0], w.shape[1],
        h_out, w_out, k, stride, top, left,
    )
    return y
