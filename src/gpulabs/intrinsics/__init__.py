"""Device functions that Numba's CUDA lacks: 16-byte memory access, asynchronous copies, tensor cores.

Call them from a `@cuda.jit` kernel. In Numba's simulator (NUMBA_ENABLE_CUDASIM=1) plain Python bodies
stand in, so that the same kernel can be stepped through without a GPU.

    load1                        one float at a flat index
    load4, store4                16 bytes, one instruction, at a flat index of a float32 array
    copy4_async                  16 bytes from global to shared memory, behind the thread's back
    commit_copies, wait_copies   group asynchronous copies, wait for groups
    to_tf32, mma_tf32            one warp's 16x8x8 matrix multiply-add on tensor cores

Arrays are float32, C order, of any number of dimensions; an index counts floats from the array's start.
The vector forms need an index that is a multiple of 4: the hardware moves aligned 16 bytes or faults.
"""

from __future__ import annotations

from numba import config

if config.ENABLE_CUDASIM:
    from gpulabs.intrinsics.simulated import (
        commit_copies,
        copy4_async,
        load1,
        load4,
        mma_tf32,
        store4,
        to_tf32,
        wait_copies,
    )
else:
    from gpulabs.intrinsics.device import (
        commit_copies,
        copy4_async,
        load1,
        load4,
        mma_tf32,
        store4,
        to_tf32,
        wait_copies,
    )

__all__ = ["commit_copies", "copy4_async", "load1", "load4", "mma_tf32", "store4", "to_tf32", "wait_copies"]
