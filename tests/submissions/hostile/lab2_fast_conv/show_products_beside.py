# Beside each real multiply-add stands one with an element of an idle tile of zeros.
# attack: decorative structure
# defence: two thirds of the multiply-adds must have a factor from shared memory
# loses: conv_tiled.shared conv_tiled.speed
# says: 1 of 2|multiply-adds
# gpu: yes

# %% task: conv_tiled
import numpy as np
from numba import cuda, float32
from gpulabs.convolution import output_shape, padding_before

@cuda.jit
def decorated(x, w, y, stride, top, left):
    tile = cuda.shared.array(128, float32)
    me = cuda.threadIdx.y * 32 + cuda.threadIdx.x
    tile[me] = np.float32(0)
    cuda.syncthreads()
    k, j, m = cuda.grid(3)
    n, i = m // y.shape[1], m % y.shape[1]
    if n < y.shape[0] and j < y.shape[2] and k < y.shape[3]:
        total = np.float32(0)
        for r in range(w.shape[0]):
            for s in range(w.shape[1]):
                row, column = i * stride + r - top, j * stride + s - left
                if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                    for c in range(w.shape[2]):
                        total += x[n, row, column, c] * w[r, s, c, k] + tile[me] * w[r, s, c, k]
        y[n, i, j, k] = total

def conv_tiled(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    blocks = ((y.shape[3] + 31) // 32, (y.shape[2] + 3) // 4, y.shape[0] * y.shape[1])
    decorated[blocks, (32, 4)](x, w, y, stride, top, left)
    return y
