# The host function calls TensorFlow.
# attack: calling TensorFlow
# defence: the host function has no data, and only launches count
# loses: everything
# says: on the host|endless|no end|copy_to_device|raised|ended the grader
# gpu: yes

# %% task: conv_coalesced
import importlib
import sys

import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape


def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    nn = importlib.import_module("tensorflow.python.ops.nn_ops") if "tensorflow" in sys.modules else None
    if nn is None:
        import tensorflow as tf

        nn = tf.nn
    y.copy_to_device(nn.conv2d(x, w, stride, padding.upper()))
    return y
