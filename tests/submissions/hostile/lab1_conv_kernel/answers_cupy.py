# The host function calls CuPy, or SciPy where there is none.
# attack: calling CuPy
# defence: the host function has no data, and only launches count
# loses: everything
# says: on the host|raised
# gpu: yes

# %% task: conv_coalesced
import numpy as np
from numba import cuda


def conv_coalesced(x, w, stride, padding):
    try:
        import cupy as xp
        from cupyx.scipy.signal import correlate
    except ImportError:
        import numpy as xp
        from scipy.signal import correlate
    image, taps = xp.asarray(x), xp.asarray(w)
    y = sum(correlate(image[..., c, None], taps[None, :, :, c], mode=padding) for c in range(x.shape[3]))
    return cuda.to_device(np.asarray(y[:, ::stride, ::stride], np.float32))
