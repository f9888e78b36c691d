# A variable in GPU memory counts launches: after the warm-up the kernel does nothing.
# attack: telling warm-up from timing
# defence: variables that outlive a launch are refused; every timed output is compared
# loses: everything
# says: keeps the variable
# gpu: yes

# %% task: conv_coalesced
import numpy as np
from llvmlite import ir
from numba import cuda, types
from numba.core import cgutils
from numba.extending import intrinsic

from gpulabs.convolution import output_shape


@intrinsic
def count_up(typing_context):
    def make(context, builder, signature, arguments):
        kept = cgutils.add_global_variable(builder.module, ir.IntType(32), "launches_so_far", addrspace=1)
        kept.initializer = ir.Constant(ir.IntType(32), 0)
        number = builder.load(kept)
        builder.store(builder.add(number, ir.Constant(ir.IntType(32), 1)), kept)
        return number

    return types.int32(), make


@cuda.jit
def lazy_kernel(x, w, y, stride):
    k, j, m = cuda.grid(3)
    n, i = m // y.shape[1], m % y.shape[1]
    if count_up() < 1000 and n < y.shape[0] and j < y.shape[2] and k < y.shape[3]:
        acc = np.float32(0)
        for r in range(w.shape[0]):
            for s in range(w.shape[1]):
                for c in range(w.shape[2]):
                    acc += x[n, i * stride + r, j * stride + s, c] * w[r, s, c, k]
        y[n, i, j, k] = acc


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    lazy_kernel[((y.shape[3] + 31) // 32, y.shape[2], y.shape[0] * y.shape[1]), (32, 1)](x, w, y, stride)
    return y
