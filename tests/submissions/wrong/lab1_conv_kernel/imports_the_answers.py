# Takes FLOPs and bytes from the package that draws the roofline.
# loses: roofline.flops roofline.bytes
# says: gpulabs.convolution.flops is not there while your work is graded

# %% task: roofline
from gpulabs.convolution import flops, min_bytes
from gpulabs.plots import roofline    # a picture's import alone costs nothing

def count_flops(y_shape, w_shape):
    return flops(y_shape, w_shape)

def count_bytes(x_shape, w_shape, y_shape):
    return min_bytes(x_shape, w_shape, y_shape)

def attainable_gflops(intensity, peak_gflops, bandwidth_gb_s):
    return min(peak_gflops, intensity * bandwidth_gb_s)
