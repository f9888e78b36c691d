"""One kernel for each intrinsic, with what NumPy says of it: run on a GPU, in the simulator, or only compiled.

`python -m tests.gpulabs.intrinsics.kernels` in the simulator: `numba` as argument takes its own threads, `turns` the
course's, which take turns.
"""

from __future__ import annotations

import sys

import numpy as np
from numba import cuda, float32

from gpulabs.intrinsics import commit_copies, copy4_async, load1, load4, mma_tf32, store4, to_tf32, wait_copies

THREADS = 64
SPECIAL = np.array([0x3F801000, 0xBF801000, 0x3F800FFF, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x00001000, 0x80000FFF])
"""Bits of: a tie up, one down, just below a tie, the largest float, both infinities, and below the smallest normal."""
ROUNDED = np.array([0x3F802000, 0xBF802000, 0x3F800000, 0x7F800000, 0x7F800000, 0xFF800000, 0x00002000, 0x80000000])


@cuda.jit
def vectors(x, y):
    """Reverses each four, in arrays of two dimensions."""
    t = cuda.threadIdx.x
    a, b, c, d = load4(x, 4 * t)
    store4(y, 4 * t, d, c, b, a + load1(x, 4 * t + 1))


@cuda.jit
def copies(x, y):
    """Swaps neighbouring fours through shared memory, in two groups; every third four is not valid."""
    odd = cuda.shared.array(33, float32)  # pushes what comes next off 16 bytes, were it not for the alignment
    tile = cuda.shared.array(512, float32)
    t = cuda.threadIdx.x
    odd[t % 33] = float32(t)
    valid = t % 3 != 2
    copy4_async(tile, 4 * t, x, 4 * t if valid else -4, valid)
    commit_copies()
    copy4_async(tile, 256 + 4 * t, x, 256 + 4 * t, True)
    commit_copies()
    wait_copies(1)
    cuda.syncthreads()
    a, b, c, d = load4(tile, 4 * (t ^ 1))
    wait_copies(0)
    cuda.syncthreads()
    store4(y, 4 * t, a + odd[7] * float32(0), b, c, d)
    a, b, c, d = load4(tile, 256 + 4 * (t ^ 1))
    store4(y, 256 + 4 * t, a, b, c, d)


@cuda.jit
def rounding(x, y):
    """Rounds to TF32."""
    t = cuda.threadIdx.x
    y[t] = to_tf32(x[t])


@cuda.jit
def product(a, b, c, d):
    """Each warp multiplies its own matrices, twice, so that a second call meets the first one's fragments."""
    warp, lane = cuda.threadIdx.x // 32, cuda.threadIdx.x % 32
    g, t = lane // 4, lane % 4
    a0, a1, a2, a3 = a[warp, g, t], a[warp, g + 8, t], a[warp, g, t + 4], a[warp, g + 8, t + 4]
    b0, b1 = b[warp, t, g], b[warp, t + 4, g]
    left, right = 2 * t, 2 * t + 1
    c0, c1, c2, c3 = c[warp, g, left], c[warp, g, right], c[warp, g + 8, left], c[warp, g + 8, right]
    c0, c1, c2, c3 = mma_tf32(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3)
    c0, c1, c2, c3 = mma_tf32(-a0, -a1, -a2, -a3, b0 + float32(1), b1 + float32(1), c0, c1, c2, c3)
    d[warp, g, left], d[warp, g, right], d[warp, g + 8, left], d[warp, g + 8, right] = c0, c1, c2, c3


def check_all() -> None:
    """Runs each kernel and compares with NumPy; raises AssertionError."""
    rng = np.random.default_rng(0)
    x = rng.integers(-1000, 1000, (4, 64)).astype(np.float32)
    fours = x.reshape(-1, 4)
    expected = fours[:, ::-1].copy()
    expected[:, 3] += fours[:, 1]
    np.testing.assert_array_equal(_run(vectors, x, np.zeros_like(x)).reshape(-1, 4), expected)

    x = rng.standard_normal(512).astype(np.float32)
    fours = x.reshape(2, 64, 4).copy()
    fours[0, 2::3] = 0
    expected = fours[:, np.arange(64) ^ 1].reshape(-1)
    np.testing.assert_array_equal(_run(copies, x, np.zeros_like(x)), expected)

    values = np.resize(SPECIAL.astype(np.uint32), THREADS).view(np.float32)
    bits = _run(rounding, values, np.zeros_like(values)).view(np.uint32)
    np.testing.assert_array_equal(bits, np.resize(ROUNDED, THREADS))
    nans = np.full(THREADS, np.nan, np.float32)
    assert np.isnan(_run(rounding, nans, np.zeros_like(nans))).all()

    a = rng.integers(-1023, 1024, (2, 16, 8)).astype(np.float32)
    b = rng.integers(-1023, 1023, (2, 8, 8)).astype(np.float32)
    c = rng.integers(-9, 9, (2, 16, 8)).astype(np.float32)
    np.testing.assert_array_equal(_run(product, a, b, c, np.zeros_like(c)), c + a @ b - a @ (b + 1))
    # Of 1 + 2^-11 a tensor core reads 1: it cuts, it does not round.
    ones, nothing = np.ones((2, 16, 8), np.float32), np.zeros((2, 16, 8), np.float32)
    cut = _run(product, ones * np.float32(1 + 2**-11), np.zeros((2, 8, 8), np.float32), nothing, nothing.copy())
    np.testing.assert_array_equal(cut, -8 * ones)


def _run(kernel, *arrays, threads=THREADS):
    """The last array, after one block."""
    on_device = [cuda.to_device(array) for array in arrays]
    kernel[1, threads](*on_device)
    return on_device[-1].copy_to_host()


if __name__ == "__main__":
    if sys.argv[1] == "turns":
        from gpulabs import simulator

        simulator.install()
    check_all()
    print("all agree")
