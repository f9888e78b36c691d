# Takes the higher of the two roofs.
# loses: roofline.roof

# %% task: roofline
from math import prod


def count_flops(y_shape, w_shape):
    return 2 * prod(y_shape) * prod(w_shape[:3])


def count_bytes(x_shape, w_shape, y_shape):
    return 4 * (prod(x_shape) + prod(w_shape) + prod(y_shape))


def attainable_gflops(intensity, peak_gflops, bandwidth_gb_s):
    return max(peak_gflops, intensity * bandwidth_gb_s)
