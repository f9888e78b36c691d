# Every variable that the grader or its libraries read is set.
# attack: environment variables
# defence: a worker's environment ends with it; the grader takes none from it
# loses: everything
# says: returned nothing

# %% task: launch_config
import os

os.environ |= {
    "GPULABS_TRACEBACK": "1", "GPULABS_TEST_TIER": "none", "GPULABS_DATA": "/tmp/hostile", "NUMBA_DISABLE_JIT": "1",
    "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_CUDA_DRIVER": "/tmp/hostile.so", "TMPDIR": "/tmp/hostile", "HOME": "/root",
    "CUDA_VISIBLE_DEVICES": "0", "LD_PRELOAD": "/tmp/hostile.so", "PATH": "/tmp/hostile", "TF_CPP_MIN_LOG_LEVEL": "0",
}


def launch_config(n, h_out, w_out, k):
    return None
