# Another right launch configuration and the roofline written another way.

# %% task: launch_config
import math


def power_of_two(size, most):
    return min(most, 2 ** math.ceil(math.log2(max(size, 1))))


def launch_config(n, h_out, w_out, k):
    bx = power_of_two(k, 64)
    by = power_of_two(w_out, 256 // bx)
    bz = max(1, 64 // (bx * by))
    return [math.ceil(k / bx), math.ceil(w_out / by), math.ceil(n * h_out / bz)], [bx, by, bz]

# %% task: roofline
import numpy as np


def count_flops(y_shape, w_shape):
    return 2 * int(np.prod(y_shape, dtype=np.int64)) * int(np.prod(w_shape[:3], dtype=np.int64))


def count_bytes(x_shape, w_shape, y_shape):
    return sum(4 * np.prod(shape, dtype=np.int64) for shape in (x_shape, w_shape, y_shape))


def attainable_gflops(intensity, peak_gflops, bandwidth_gb_s):
    ridge = peak_gflops / bandwidth_gb_s
    return peak_gflops if intensity >= ridge else intensity * bandwidth_gb_s
