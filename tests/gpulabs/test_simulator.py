"""The simulator of notebooks takes what a GPU takes: each kernel runs in a process of its own, as after `setup()`."""

import os
import subprocess
import sys

import pytest

HEAD = """
from gpulabs.notebook import setup
setup("lab2")
import numpy as np
from numba import cuda, float32
x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
"""

BOUNDS = """
@cuda.jit(launch_bounds=(64, 2), max_registers=40, fastmath=True)
def kernel(x, y):
    i = cuda.threadIdx.x
    y[i] = x[i] + 1
kernel[1, 64](x, y)
assert (y == x + 1).all()
"""

DYNAMIC = """
@cuda.jit
def kernel(x, y):
    tile, fixed = cuda.shared.array(0, np.float32), cuda.shared.array(64, float32, alignment=16)
    i = cuda.threadIdx.x
    tile[i] = x[i]
    fixed[63 - i] = x[i]
    cuda.syncthreads()
    y[i] = tile[63 - i] - fixed[i]
kernel[1, 64, 0, 256](x, y)
assert (y == 0).all(), y
"""

ONE_LINE = """
@cuda.jit
def kernel(x, y):
    a, b = cuda.shared.array(64, float32), cuda.shared.array(64, float32)
    i = cuda.threadIdx.x
    a[i], b[i] = x[i], 100 * x[i]
    cuda.syncthreads()
    y[i] = a[63 - i] + b[i]
kernel[1, 64](x, y)
assert (y == x[::-1] + 100 * x).all(), y
"""

HOLE = """
@cuda.jit
def kernel(x, y):
    tile = cuda.shared.array(64, np.float32)
    i = cuda.threadIdx.x
    if i != 7:
        tile[i] = x[i]
    cuda.syncthreads()
    y[i] = tile[i]
kernel[1, 64](x, y)
assert np.isnan(y[7]) and np.isfinite(np.delete(y, 7)).all(), y
"""

OUTSIDE = """
@cuda.jit
def kernel(x, y):
    y[cuda.grid(1)] = x[cuda.grid(1)]
try:
    kernel[3, 32](x, y)
except IndexError as error:
    assert "thread (0, 0, 0) of block (2, 0, 0)" in str(error), error
else:
    raise AssertionError("nothing was raised")
"""

MISSPELT = """
try:
    cuda.jit(max_register=40)
except TypeError as error:
    assert "max_register" in str(error)
else:
    raise AssertionError("taken")
"""


def in_the_simulator(code: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"} | {"CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_kernels_of_a_notebook_run_as_in_the_grader() -> None:
    run = in_the_simulator(HEAD + BOUNDS + DYNAMIC + ONE_LINE + HOLE + OUTSIDE + MISSPELT)

    assert run.returncode == 0, run.stderr
    assert run.stderr == ""


@pytest.mark.parametrize("code", [BOUNDS, DYNAMIC, ONE_LINE], ids=["bounds", "dynamic", "one-line"])
def test_numba_alone_does_not_take_them(code: str) -> None:
    """What is mended is still broken in Numba; where this fails, the mending can go."""
    bare = HEAD.replace('from gpulabs.notebook import setup\nsetup("lab2")', "")
    run = in_the_simulator(f"import os; os.environ['NUMBA_ENABLE_CUDASIM'] = '1'\n{bare}{code}")

    assert run.returncode == 1, run.stdout
