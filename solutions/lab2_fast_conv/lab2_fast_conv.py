# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   gpulabs:
#     lab: lab2_fast_conv
#     version: "1"
# ---

# %% [markdown]
# # Lab 2: a fast convolution
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/gpulabs/gpulabs/blob/main/labs/lab2_fast_conv/lab2_fast_conv.ipynb)
#
# Lab 1 ended with a kernel that is right and reaches 2 % of the GPU. In this lab you make it many times faster, in steps that
# each remove one obstacle, and end in a race with cuDNN, NVIDIA's own library. All of it stays Python.
#
# | stage | you write | points |
# | --- | --- | ---: |
# | 1 | `tile_bytes`, `reads_saved`: what a tile costs and saves | 10 |
# | 2 | `conv_tiled`: a tile of the image in shared memory | 25 |
# | 3 | `bank_conflicts`: when threads get into each other's way | 8 |
# | 4 | `occupancy`: how many warps fit | 12 |
# | 5 | `conv_blocked`: many outputs a thread, in registers | 20 |
# | 6 | `conv_vector`: four numbers in one load | 15 |
# | 7 | `conv_challenge`: as fast as you can | 10 |
#
# Every stage goes the same way: the **idea**, a **prediction**, your **code**, a **check**, a **measurement**, and the **gap**
# between prediction and measurement. You need Lab 1, or what it teaches: kernels, blocks, warps, coalescing, stride and
# padding. Stages 1, 3 and 4 are on paper; the kernels of 2, 5 and 6 each start from the one before.

# %% [markdown]
# ## Set up
#
# Run the next cell first, and again after every restart of the kernel. On Colab choose *Runtime > Change runtime type > GPU*,
# then run `%pip install gpulabs` in a cell of its own, once. Without a GPU a simulator runs your kernels as plain Python: all
# answers are the same, only speed has to wait.

# %%
from gpulabs import check, hint, setup

lab = setup("lab2")

# %%
import math

import numpy as np
from numba import cuda

from gpulabs.notebook import attempt, compare, measure, recorded, recorded_on
from gpulabs.occupancy import LIMITS
from gpulabs.plots import bank_map, halo_map, ladder_bars, occupancy_bars, register_map, roofline
from gpulabs.roofline import TENSOR_KERNELS, roof_for, tensor_peak_gflops

# %% [markdown]
# ## Where you start
#
# Your coalesced kernel of Lab 1: x over the channels, y over the columns, z over the rows of all images. Paste its body here, and
# its launch. `x` holds images (NHWC), `w` filters (HWIO), `y` outputs (NHWC), `top` and `left` are the zeros of padding `"same"`.
# It is not graded again; the lab compares with it.

# %% nbgrader={"grade": false, "grade_id": "conv_coalesced", "locked": false, "schema_version": 3, "solution": true, "task": false}
from gpulabs.convolution import output_shape, padding_before

@cuda.jit
def conv_coalesced_kernel(x, w, y, stride, top, left):
    # about 12 lines, from your Lab 1
    ### BEGIN SOLUTION
    k, j, m = cuda.grid(3)
    n, i = m // y.shape[1], m % y.shape[1]
    if n < y.shape[0] and j < y.shape[2] and k < w.shape[3]:
        total = np.float32(0)
        for r in range(w.shape[0]):
            row = i * stride + r - top
            for s in range(w.shape[1]):
                column = j * stride + s - left
                if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                    for c in range(w.shape[2]):
                        total += x[n, row, column, c] * w[r, s, c, k]
        y[n, i, j, k] = total
    ### END SOLUTION

def conv_coalesced(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    # about 3 lines: blocks, launch
    ### BEGIN SOLUTION
    blocks_up = (math.ceil(y.shape[3] / 32), math.ceil(y.shape[2] / 4), math.ceil(y.shape[0] * y.shape[1] / 2))
    conv_coalesced_kernel[blocks_up, (32, 4, 2)](x, w, y, stride, top, left)
    ### END SOLUTION
    return y

# %% [markdown]
# Everything in this lab is timed on one workload: 64 images of 58 x 58 pixels and 64 channels, 64 filters of 3 x 3. Speeds are
# kept in `speed`, kernel by kernel. Without a GPU, our kernels' recorded times stand in; the cell says from which GPU.

# %%
rng = np.random.default_rng(0)
x = rng.random(lab.size(gpu=(64, 58, 58, 64), simulator=(1, 4, 10, 4)), np.float32)
w = rng.random((3, 3, x.shape[3], x.shape[3]), np.float32)
speed = {"conv_coalesced": measure(conv_coalesced, x, w, 1, "valid")}
shown = recorded()

# %% [markdown]
# ---
# ## Stage 1: what a tile costs and saves
#
# **Idea.** Neighbouring outputs look at overlapping windows, so the kernel above reads the same pixel again and again. Each
# multiprocessor has some **shared memory**: small, on the chip, and visible to all threads of a block. Let a block fetch the
# pixels that its outputs need once, as a **tile**, and let its threads read the tile.
#
# A block of 4 x 8 outputs needs more than 4 x 8 pixels: the windows of the outputs at the edge stick out. What sticks out is
# called the **halo**. With filter R x S and stride t, TH x TW outputs need
#
# $$((TH - 1) \cdot t + R) \times ((TW - 1) \cdot t + S) \ \text{pixels.}$$

# %%
halo_map(tile=(4, 8), filter=(3, 3), stride=1, loaders=8)

# %% [markdown]
# **Predict.** The same 4 x 8 outputs and 3 x 3 filter, 32 channels of each pixel, stride 1: how many **bytes** does the tile
# take? A float32 has 4.

# %%
my_prediction = ...

# %%
compare(my_prediction, 6 * 10 * 32 * 4, "bytes")

# %% [markdown]
# **Implement.** Two formulas. `tile_bytes`: the bytes of such a tile with `c` channels of each pixel. `reads_saved`: how many
# times fewer pixels a block reads with the tile than with one read for each tap of each output, at stride 1.

# %% nbgrader={"grade": false, "grade_id": "tile_plan", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: tile_plan
def tile_bytes(tile_h, tile_w, r, s, c, stride):
    """Bytes of shared memory for the float32 tile, halo included, of tile_h x tile_w outputs."""
    ### BEGIN SOLUTION
    rows = (tile_h - 1) * stride + r
    columns = (tile_w - 1) * stride + s
    return 4 * rows * columns * c
    ### END SOLUTION

def reads_saved(tile_h, tile_w, r, s):
    """How many times fewer pixels are read with the tile, at stride 1."""
    ### BEGIN SOLUTION
    return tile_h * tile_w * r * s / ((tile_h + r - 1) * (tile_w + s - 1))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_tile_plan", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
check("tile_plan")

# %% [markdown]
# **Measure.** What different tiles cost and save, for a 3 x 3 filter and 32 channels.

# %%
for tile_h, tile_w in [(1, 1), (1, 8), (4, 8), (8, 8), (8, 16), (16, 16), (16, 32)]:
    wanted, saved = attempt(tile_bytes, tile_h, tile_w, 3, 3, 32, 1), attempt(reads_saved, tile_h, tile_w, 3, 3)
    if wanted is None or saved is None:
        break
    print(f"{tile_h:3} x {tile_w:2} outputs: {wanted:7,} bytes, {saved:.2f} times fewer reads")

# %% [markdown]
# **Explain.** Why does the saving level off, and at which number?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Without a halo each pixel would be read once instead of 9 times: 9 is the limit. The halo is the rim, and a rim
# weighs less the larger the tile. But shared memory is small: a block gets at most 48 KiB (49,152 bytes) of it without
# asking for more, and all blocks on a multiprocessor share 64 to 228 KiB. A tile of 16 x 32 outputs with 32 channels doesn't
# fit. The way out is to fetch only some of the channels at a time.

# %% [markdown]
# ---
# ## Stage 2: the tile in shared memory
#
# **Idea.** A block computes 4 x 8 outputs of 32 channels with 32 x 8 threads: `tx` is the channel, `ty` the column, and each
# thread sums the `TILE_H` = 4 outputs of its column and channel. For a `chunk` of up to 32 input channels at a time, it
#
# 1. **fetches**: threads with `threadIdx.y = ty` fetch the pixels `ty, ty + 8, ty + 16 ...` of the tile (the numbers in the
#    picture above), thread `tx` channel `tx` of each. Pixels outside the image become zeros.
# 2. **waits** at a barrier, `cuda.syncthreads`, until all threads of the block have fetched;
# 3. **computes** from the tile; the weights still come from global memory;
# 4. **waits** again, so that nobody overwrites a tile that others still read.
#
# A thread without an output of its own must fetch and wait all the same: it may skip step 3, and the writing at the end.
#
# How large the tile is depends on filter and stride, so its size comes with the launch:
# `kernel[blocks, threads, 0, bytes](...)`, and `cuda.shared.array(0, float32)` in the kernel is all of it, as one flat array.
# Channel c of pixel p of the tile lies at `tile[p * chunk + c]`.

# %% [markdown]
# **Predict.** How many times faster than the coalesced kernel will the tiled one be? You know how many reads it saves.

# %%
my_prediction = ...

# %% [markdown]
# **Implement.** `n`, `i0`, `j0`, `k` say where the block's outputs begin, `rows` and `columns` how large its tile is.

# %% nbgrader={"grade": false, "grade_id": "conv_tiled", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: conv_tiled
import math
import numpy as np
from numba import cuda, float32
from gpulabs.convolution import output_shape, padding_before

TILE_H, TILE_W, TILE_K = 4, 8, 32                    # outputs of a block: rows, columns, channels
@cuda.jit
def conv_tiled_kernel(x, w, y, stride, top, left, chunk):
    tile, total = cuda.shared.array(0, float32), cuda.local.array(TILE_H, float32)
    tx, ty, j0, k = cuda.threadIdx.x, cuda.threadIdx.y, cuda.blockIdx.y * TILE_W, cuda.grid(1)
    down = (y.shape[1] + TILE_H - 1) // TILE_H       # blocks above each other in an image
    n, i0 = cuda.blockIdx.z // down, cuda.blockIdx.z % down * TILE_H
    rows, columns = (TILE_H - 1) * stride + w.shape[0], (TILE_W - 1) * stride + w.shape[1]
    # about 25 lines: zero the totals; for each chunk of channels fetch, wait, compute, wait; write
    ### BEGIN SOLUTION
    for t in range(TILE_H):
        total[t] = 0
    for c0 in range(0, x.shape[3], chunk):
        depth = min(chunk, x.shape[3] - c0)          # the last chunk may be shorter
        for pixel in range(ty, rows * columns, TILE_W):
            row, column = i0 * stride - top + pixel // columns, j0 * stride - left + pixel % columns
            if tx < depth:
                inside = 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
                tile[pixel * chunk + tx] = x[n, row, column, c0 + tx] if inside else np.float32(0)
        cuda.syncthreads()
        if k < w.shape[3]:
            for r in range(w.shape[0]):
                for s in range(w.shape[1]):
                    # uint32: an index that can't be negative needs no test for it, and fewer registers
                    first, step = np.uint32((r * columns + ty * stride + s) * chunk), np.uint32(stride * columns * chunk)
                    for c in range(depth):
                        weight = w[r, s, c0 + c, k]
                        for t in range(TILE_H):
                            total[t] += tile[first + np.uint32(t) * step + np.uint32(c)] * weight
        cuda.syncthreads()
    for t in range(TILE_H):
        i, j = i0 + t, j0 + ty
        if i < y.shape[1] and j < y.shape[2] and k < y.shape[3]:
            y[n, i, j, k] = total[t]
    ### END SOLUTION

def conv_tiled(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    # about 6 lines: the chunk (at most 32 channels, and what fits 48 KiB), the tile's bytes, blocks, launch
    ### BEGIN SOLUTION
    pixels = ((TILE_H - 1) * stride + w.shape[0]) * ((TILE_W - 1) * stride + w.shape[1])
    chunk = max(1, min(32, x.shape[3], 48 * 1024 // (4 * pixels)))
    blocks = (math.ceil(y.shape[3] / TILE_K), math.ceil(y.shape[2] / TILE_W),
              y.shape[0] * math.ceil(y.shape[1] / TILE_H))
    conv_tiled_kernel[blocks, (TILE_K, TILE_W), 0, 4 * pixels * chunk](x, w, y, stride, top, left, chunk)
    ### END SOLUTION
    return y

# %% [markdown]
# **Check.** Besides the answers, this check reads the code that the compiler made: do the multiply-adds take numbers out of
# shared memory, are there barriers, does nothing spill out of the registers?
#
# On a GPU it also races your kernel against two of ours, in the same run: position 0 is a coalesced kernel like Lab 1's, position 1
# a tiled one. Positions count factors: at 0.5 you are as many times faster than the one as the other is faster than you. The two
# ends are measured, so they mean the same on every GPU; the steps between are our choice: 0.25, 0.5 and 0.75 earn 2, 4 and 6
# of the 7 points, 0.95 all. Stages 5 and 6 are raced in the same way, one and two rungs higher.

# %% nbgrader={"grade": true, "grade_id": "check_conv_tiled", "locked": true, "points": 25, "schema_version": 3, "solution": false, "task": false}
check("conv_tiled")

# %% [markdown]
# **Measure.**

# %%
speed["conv_tiled"] = measure(conv_tiled, x, w, 1, "valid")
if speed["conv_tiled"] and speed["conv_coalesced"]:
    compare(my_prediction, speed["conv_tiled"] / speed["conv_coalesced"], "times")
elif "tiled" in shown:
    print("Our kernels, as recorded:")
    compare(my_prediction, shown["tiled"] / shown["coalesced"], "times")

# %% [markdown]
# **Explain.** Memory is asked for pixels 4.8 times less. What else takes time?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Caches had served many of the repeated reads before, so the memory was not the only obstacle, and a tile does not
# make reading free: each multiply-add still takes a number from the tile, at an address that must be computed. Count the
# loads: 4 from the tile and 1 weight for 4 multiply-adds, 1.25 each (the coalesced kernel: 2). A multiprocessor can start 4
# warps' multiply-adds a cycle, but only 1 warp's load. Loads a multiply-add are what the next stages bring down.

# %% [markdown]
# ---
# ## Stage 3: banks
#
# **Idea.** Shared memory consists of 32 **banks**. Word `i` (a float32) lies in bank `i % 32`, and a bank delivers **one word a
# pass**. If the 32 threads of a warp want words of 32 different banks, one pass does. If some want *different* words of the
# same bank, they queue: a **bank conflict**. Threads that want the *same* word are served together.

# %%
bank_map({
    "32 neighbours": range(32),
    "every second word": range(0, 64, 2),
    "two words for all (broadcast)": [thread // 16 for thread in range(32)],
})

# %% [markdown]
# **Predict.** An array of 32 x 32 floats in shared memory; each thread of a warp reads its own row's first word, so the words
# lie 32 apart. How many passes?

# %%
my_prediction = ...

# %%
picture = bank_map({
    "32 words apart": [32 * thread for thread in range(32)],
    "33 words apart": [33 * thread for thread in range(32)],
})
compare(my_prediction, len({32 * thread for thread in range(32)}), "passes", show=picture)

# %% [markdown]
# One unused word at the end of each row, and the conflict is gone. **Implement:** count the passes of any access.

# %% nbgrader={"grade": false, "grade_id": "bank_conflicts", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: bank_conflicts
def bank_conflicts(words):
    """Passes that one access of a warp takes; words holds the 32 threads' word indices."""
    # about 4 lines
    ### BEGIN SOLUTION
    wanted = {}
    for word in set(words):                          # the same word is served once
        wanted[word % 32] = wanted.get(word % 32, 0) + 1
    return max(wanted.values())
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_bank_conflicts", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check("bank_conflicts")

# %% [markdown]
# **Measure.** In stage 5 a tile will hold 8 channels of many pixels. Two threads share a pixel: thread t writes channel
# `t % 2 * 4` of pixel `t // 2`. How long should a pixel's row of the tile be, its **pitch**?

# %%
rows = {pitch: [thread // 2 * pitch + thread % 2 * 4 for thread in range(32)] for pitch in (8, 9, 12)}
for pitch, words in rows.items():
    print(f"pitch {pitch:2}: {attempt(bank_conflicts, words)} passes")
bank_map({f"pitch {pitch}": words for pitch, words in rows.items()})

# %% [markdown]
# **Explain.** Why do 12 words do no better than 8, and 9 do?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** With rows of 8 all words land on multiples of 4: only 8 of the 32 banks work. Rows of 12 keep that common factor.
# An odd pitch has no factor in common with 32, so the rows spread over all banks. Conflicts cost only time, never answers,
# which is why nobody notices them without counting.

# %% [markdown]
# ---
# ## Stage 4: occupancy
#
# **Idea.** A multiprocessor hides waiting by switching between warps, so it should hold many. What it can hold is limited, and
# blocks come as a whole or not at all:
#
# - warps and threads (`warps_per_sm`, `threads_per_sm`), and blocks (`blocks_per_sm`);
# - registers (`registers_per_sm`): each warp takes 32 times those of a thread, rounded **up** to a multiple of
#   `register_unit`;
# - shared memory (`shared_bytes_per_sm`): each block takes its bytes, rounded **up** to a multiple of `shared_unit`.
#
# A block of 40 threads takes two warps. **Occupancy** is the share of `warps_per_sm` that is filled in the end.

# %%
print(f"{'':20}", *(f"{gpu:>9}" for gpu in LIMITS))
for name in LIMITS["H100"]:
    print(f"{name:20}", *(f"{of_gpu[name]:9,}" for of_gpu in LIMITS.values()))

# %% [markdown]
# **Predict.** Blocks of 256 threads with 96 registers each, no shared memory, on an H100: what is the occupancy, in percent?

# %%
my_prediction = ...

# %%
picture = occupancy_bars({"256 threads": (256, 96, 0)}, LIMITS["H100"], "an H100")
compare(my_prediction, 100 * 2 * 8 / 64, "%", show=picture)

# %% [markdown]
# **Implement.** `limits` is a dictionary with the seven names above. Use whole-number division; don't forget what a block that
# uses no registers or no shared memory (0) means.

# %% nbgrader={"grade": false, "grade_id": "occupancy", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: occupancy
def occupancy(threads, registers, shared_bytes, limits):
    """Share (0 to 1) of a multiprocessor's warps; threads and shared_bytes a block, registers a thread."""
    # about 10 lines: warps of a block, blocks that each resource allows, the least of them
    ### BEGIN SOLUTION
    def round_up(number, unit):
        return -(-number // unit) * unit

    warps = round_up(threads, 32) // 32
    blocks = min(limits["blocks_per_sm"], limits["warps_per_sm"] // warps, limits["threads_per_sm"] // (32 * warps))
    if registers:
        of_block = warps * round_up(32 * registers, limits["register_unit"])
        blocks = min(blocks, limits["registers_per_sm"] // of_block)
    if shared_bytes:
        blocks = min(blocks, limits["shared_bytes_per_sm"] // round_up(shared_bytes, limits["shared_unit"]))
    return blocks * warps / limits["warps_per_sm"]
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_occupancy", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
check("occupancy")

# %% [markdown]
# **Measure.** Three kernels of this lab as they compile for an H100: the coalesced one, the tiled one, and the register-blocked
# one that comes next, in our solution.

# %%
kernels = {"conv_coalesced": (256, 70, 0), "conv_tiled": (256, 101, 7680), "conv_blocked": (256, 122, 6656)}
for name, needs in kernels.items():
    share = attempt(occupancy, *needs, LIMITS["H100"])
    print(f"{name}: {'-' if share is None else format(share, '.0%')}")
occupancy_bars(kernels, LIMITS["H100"], "an H100")

# %% [markdown]
# **Explain.** The faster kernels have the *lower* occupancy. How can that be?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Occupancy is one way to hide waiting; the other is to give each warp many instructions that don't wait for each
# other. A thread that sums 32 outputs has 32 independent multiply-adds to go on with. It needs registers for them, fewer warps
# fit, and fewer are needed. What must never happen is a **spill**: registers that run out and continue in slow memory.

# %% [markdown]
# ---
# ## Stage 5: register blocking
#
# **Idea.** Registers are faster than shared memory. Let a thread own 8 pixels x 4 channels of `y`. For one input channel it
# loads 8 values and 4 weights, and has 8 x 4 multiply-adds to do with them.
#
# Rectangles of pixels waste threads at the edges of small images, so from here on a block takes 128 **consecutive** pixels of
# the whole batch, counted m = 0, 1, 2 ... over images, rows and columns, and 64 channels. For each tap (r, s) and each 8
# input channels (`DEPTH`) it fetches the 128 x 8 values of `x` that this tap meets, and the 8 x 64 weights. That is a matrix
# product, 128 x 8 times 8 x 64, summed over all taps and channels: an **implicit GEMM**.

# %%
register_map(pixels=128, filters=64, mine=(8, 4), threads=(16, 16))

# %% [markdown]
# **Predict.** How many loads from shared memory does a multiply-add cost with 4 pixels x 4 channels a thread?

# %%
my_prediction = ...

# %%
compare(my_prediction, (4 + 4) / (4 * 4), "loads a multiply-add")

# %% [markdown]
# The next cell is given, for stages 5 to 7: the sizes, and where the window of output m begins.

# %%
from numba import cuda

PIXELS, FILTERS, DEPTH = 128, 64, 8    # of a block: outputs m, output channels; input channels of a step
PITCH = 9                              # words from one pixel of the tile to the next: see stage 3

@cuda.jit(device=True)
def corner(m, h_out, w_out, stride, top, left):
    """Image, row and column of the first tap of output m."""
    return m // (h_out * w_out), m // w_out % h_out * stride - top, m % w_out * stride - left

# %% [markdown]
# **Implement.** 16 x 16 threads. Thread number t fetches for pixel `t // 2` four channels, from `t % 2 * 4` on, and two
# weights. Its outputs are the pixels `m0 + ty + 16 * p` and the channels `k0 + tx + 16 * q`. Sums stay in `total`, a local
# array: when every index into it is known to the compiler (loops over `range(8)`, not over a variable), it is kept in registers.
#
# `y` comes as a matrix: row m, column k.

# %% nbgrader={"grade": false, "grade_id": "conv_blocked", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: conv_blocked
import math
import numpy as np
from numba import cuda, float32
from gpulabs.convolution import output_shape, padding_before

@cuda.jit
def conv_blocked_kernel(x, w, y, h_out, w_out, stride, top, left):
    pixels = cuda.shared.array((PIXELS, PITCH), float32)
    filters = cuda.shared.array((DEPTH, FILTERS), float32)
    total = cuda.local.array((8, 4), float32)
    tx, ty, thread = cuda.threadIdx.x, cuda.threadIdx.y, cuda.threadIdx.y * 16 + cuda.threadIdx.x
    m0, k0 = cuda.blockIdx.x * PIXELS, cuda.blockIdx.y * FILTERS
    n, i, j = corner(m0 + thread // 2, h_out, w_out, stride, top, left)  # of the pixel that it fetches
    # about 30 lines: zero the totals; for each tap and each 8 channels fetch, wait, compute, wait; write
    ### BEGIN SOLUTION
    for p in range(8):
        for q in range(4):
            total[p, q] = 0
    for r in range(w.shape[0]):
        for s in range(w.shape[1]):
            row, column = i + r, j + s
            inside = n < x.shape[0] and 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
            for c0 in range(0, x.shape[3], DEPTH):
                for q in range(4):
                    c = thread % 2 * 4 + q
                    known = inside and c0 + c < x.shape[3]
                    pixels[thread // 2, c] = x[n, row, column, c0 + c] if known else np.float32(0)
                for q in range(2):
                    c, k = thread // FILTERS + 4 * q, thread % FILTERS
                    known = c0 + c < w.shape[2] and k0 + k < w.shape[3]
                    filters[c, k] = w[r, s, c0 + c, k0 + k] if known else np.float32(0)
                cuda.syncthreads()
                for c in range(DEPTH):
                    for p in range(8):
                        value = pixels[ty + 16 * p, c]
                        for q in range(4):
                            total[p, q] += value * filters[c, tx + 16 * q]
                cuda.syncthreads()
    for p in range(8):
        for q in range(4):
            m, k = m0 + ty + 16 * p, k0 + tx + 16 * q
            if m < y.shape[0] and k < y.shape[1]:
                y[m, k] = total[p, q]
    ### END SOLUTION

def conv_blocked(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    matrix = y.reshape(y.shape[0] * y.shape[1] * y.shape[2], y.shape[3])
    ### BEGIN SOLUTION
    blocks = (math.ceil(matrix.shape[0] / PIXELS), math.ceil(matrix.shape[1] / FILTERS))
    conv_blocked_kernel[blocks, (16, 16)](x, w, matrix, y.shape[1], y.shape[2], stride, top, left)
    ### END SOLUTION
    return y

# %% nbgrader={"grade": true, "grade_id": "check_conv_blocked", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
check("conv_blocked")

# %% [markdown]
# **Measure.** From 1.25 loads a multiply-add to 0.375. **Predict:** how many times faster than the tiled kernel?

# %%
my_prediction = ...

# %%
speed["conv_blocked"] = measure(conv_blocked, x, w, 1, "valid")
if speed["conv_blocked"] and speed["conv_tiled"]:
    compare(my_prediction, speed["conv_blocked"] / speed["conv_tiled"], "times")
elif "blocked" in shown:
    print("Our kernels, as recorded:")
    compare(my_prediction, shown["blocked"] / shown["tiled"], "times")

# %% [markdown]
# **Explain.** Why not give a thread 16 x 16 outputs and 0.125 loads a multiply-add?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Loads fell 3.3 times, and index arithmetic fell with them: a step of 8 channels has its addresses fixed when the
# kernel is compiled. Blocking twice as wide in both directions halves the loads but takes four times the registers: 16 x 16
# sums alone are 256, and a thread can have 255 registers in all. Beyond that the compiler spills.

# %% [markdown]
# ---
# ## Stage 6: four numbers in one load
#
# **Idea.** A load instruction can bring 16 bytes, four floats, instead of 4. That is a quarter of the load instructions for the
# same data. Numba has no such load, so `gpulabs.intrinsics` adds it:
#
# - `a, b, c, d = load4(array, index)` and `store4(array, index, a, b, c, d)`, where `index` counts floats from the start of the
#   array, whatever its shape: element [p, c] of an array of 8 columns is at `p * 8 + c`.
#
# **The hardware wants the index to be a multiple of 4.** So the four floats must be neighbours, and begin in the right place:
# a matter of **layout**. In NHWC four channels of a pixel are neighbours, if C is a multiple of 4; in HWIO four output
# channels are, if K is. For any other C or K take the kernel of stage 5.

# %% [markdown]
# **Predict.** 4 channels of 8 pixels and 4 x 4 weights: how many load instructions does a thread issue for these 128
# multiply-adds, if every load brings four floats?

# %%
my_prediction = ...

# %%
compare(my_prediction, 8 + 4, "loads")

# %% [markdown]
# The inner part is given: `four_channels` adds four input channels to a thread's 8 pixels x 4 outputs. `from_pixels` and
# `from_filters` are flat indices of the first values that it takes, `apart` is the way from one of the pixels to the next: 16
# rows of the tile, as in stage 5.

# %%
from gpulabs.intrinsics import load4

@cuda.jit(device=True)
def four_channels(pixels, filters, total, from_pixels, from_filters, apart):
    """Adds channels c to c + 3 of 8 pixels, times their weights for outputs k to k + 3."""
    w00, w01, w02, w03 = load4(filters, from_filters)
    w10, w11, w12, w13 = load4(filters, from_filters + FILTERS)
    w20, w21, w22, w23 = load4(filters, from_filters + 2 * FILTERS)
    w30, w31, w32, w33 = load4(filters, from_filters + 3 * FILTERS)
    for o in range(8):                     # o: one of its pixels
        v0, v1, v2, v3 = load4(pixels, from_pixels + apart * o)
        total[o, 0] = total[o, 0] + v0 * w00 + v1 * w10 + v2 * w20 + v3 * w30
        total[o, 1] = total[o, 1] + v0 * w01 + v1 * w11 + v2 * w21 + v3 * w31
        total[o, 2] = total[o, 2] + v0 * w02 + v1 * w12 + v2 * w22 + v3 * w32
        total[o, 3] = total[o, 3] + v0 * w03 + v1 * w13 + v2 * w23 + v3 * w33

# %% [markdown]
# **Implement.** The plan of stage 5 in another layout. A thread's 4 channels lie side by side, from `k0 + 4 * tx` on. The tile has
# rows of 8 words: 9 is no multiple of 4. Fetching is shared out in fours: 128 x 8 values of `x` are one `load4` for each of 256
# threads, 8 x 64 weights one for each of the first 128. Write `y` with `store4`.

# %% nbgrader={"grade": false, "grade_id": "conv_vector", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: conv_vector
import math
from numba import cuda, float32
from gpulabs.intrinsics import load4, store4
@cuda.jit
def conv_vector_kernel(x, w, y, h_out, w_out, stride, top, left):
    pixels = cuda.shared.array((PIXELS, DEPTH), float32)
    filters = cuda.shared.array((DEPTH, FILTERS), float32)
    total = cuda.local.array((8, 4), float32)
    tx, ty, thread = cuda.threadIdx.x, cuda.threadIdx.y, cuda.threadIdx.y * 16 + cuda.threadIdx.x
    m0, k0 = cuda.blockIdx.x * PIXELS, cuda.blockIdx.y * FILTERS
    n, i, j = corner(m0 + thread // 2, h_out, w_out, stride, top, left)  # of the pixel that it fetches
    # about 30 lines: as in stage 5, in fours
    ### BEGIN SOLUTION
    c, k = thread % 2 * 4, k0 + thread % 16 * 4          # the four channels and filters that it fetches
    for p in range(8):
        for q in range(4):
            total[p, q] = 0
    for r in range(w.shape[0]):
        for s in range(w.shape[1]):
            row, column = i + r, j + s
            inside = n < x.shape[0] and 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
            from_x = ((n * x.shape[1] + row) * x.shape[2] + column) * x.shape[3] + c
            from_w = ((r * w.shape[1] + s) * w.shape[2] + thread // 16) * w.shape[3] + k
            for c0 in range(0, x.shape[3], DEPTH):
                a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = np.float32(0)
                if inside and c0 + c < x.shape[3]:
                    a0, a1, a2, a3 = load4(x, from_x + c0)
                store4(pixels, 4 * thread, a0, a1, a2, a3)
                if thread < DEPTH * FILTERS // 4:
                    if c0 + thread // 16 < w.shape[2] and k < w.shape[3]:
                        b0, b1, b2, b3 = load4(w, from_w + c0 * w.shape[3])
                    store4(filters, 4 * thread, b0, b1, b2, b3)
                cuda.syncthreads()
                for g in range(0, DEPTH, 4):
                    four_channels(pixels, filters, total, ty * DEPTH + g, g * FILTERS + 4 * tx, 16 * DEPTH)
                cuda.syncthreads()
    for p in range(8):
        m, k = m0 + ty + 16 * p, k0 + 4 * tx
        if m < y.shape[0] and k < y.shape[1]:
            store4(y, m * y.shape[1] + k, total[p, 0], total[p, 1], total[p, 2], total[p, 3])
    ### END SOLUTION

def conv_vector(x, w, stride, padding):
    if x.shape[3] % 4 or w.shape[3] % 4:
        return conv_blocked(x, w, stride, padding)                   # stage 5's kernel takes any
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    matrix = y.reshape(y.shape[0] * y.shape[1] * y.shape[2], y.shape[3])
    ### BEGIN SOLUTION
    grid = (math.ceil(matrix.shape[0] / PIXELS), math.ceil(matrix.shape[1] / FILTERS))
    conv_vector_kernel[grid, (16, 16)](x, w, matrix, y.shape[1], y.shape[2], stride, top, left)
    ### END SOLUTION
    return y

# %% [markdown]
# **Check.** Answers and compiled code as before; among the shapes are channels and filters that are no multiples of 4. In the race
# 0.75 of the way from the blocked to the vectorised kernel earns all: a step that follows our own solution, 0.83 on an H200.

# %% nbgrader={"grade": true, "grade_id": "check_conv_vector", "locked": true, "points": 15, "schema_version": 3, "solution": false, "task": false}
check("conv_vector")

# %% [markdown]
# **Measure.** Four times fewer load instructions. **Predict:** how many times faster than stage 5?

# %%
my_prediction = ...

# %%
speed["conv_vector"] = measure(conv_vector, x, w, 1, "valid")
if speed["conv_vector"] and speed["conv_blocked"]:
    compare(my_prediction, speed["conv_vector"] / speed["conv_blocked"], "times")
elif "vectorised" in shown:
    print("Our kernels, as recorded:")
    compare(my_prediction, shown["vectorised"] / shown["blocked"], "times")

# %% [markdown]
# **Explain.** The bytes are the same as before. What became cheaper?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** The memory moves the same bytes; what became fewer are *instructions*: loads, and an address for each. Every
# instruction that is no multiply-add takes the place of one. What the threads still do is wait: all of them fetch, then all
# of them compute, and while they fetch the cores idle.

# %% [markdown]
# ---
# ## Stage 7: the open challenge
#
# **Idea.** From here there are several roads. Choose one. The points depend on where you come between two kernels of the
# reference ladder, the vectorised one and one with asynchronous copies, raced in the same run: 0.35 of the way earns all. That
# step follows our own solution, which got to 0.44 on an H100 and to 0.45 on an H200, and nothing else. The leaderboard figure
# goes on from there: your share of cuDNN's speed. (On an H100 a Winograd kernel in Python got to 1.6.)
#
# **Double buffering.** Fetch the next tile *while* you compute on this one: two tiles in shared memory, used in turn. The copy
# must not hold up the threads, so the hardware makes it behind their backs (from compute capability 8.0 on; on older GPUs
# the same functions copy at once):
#
# - `copy4_async(shared, i, source, j, valid)` starts a copy of 16 bytes; where `valid` is false zeros arrive, whatever
#   `j` is;
# - `commit_copies` closes a group of them, and `wait_copies(pending)` waits until at most so many groups are under way. A
#   barrier must follow, because each thread waits for its own copies only.
#
# ```
# for each step, and once more at the end:
#     start the copies of this step, if there is one, into tile step % 2; commit
#     from the second step on: wait for all groups but the newest; barrier;
#                              compute on the other tile; barrier
# ```

# %% [markdown]
# **Winograd F(2x2, 3x3).** For 3 x 3 filters at stride 1: 4 neighbouring outputs cost 36 multiplications; transformed they
# cost 16. Transform each filter (3 x 3 to 4 x 4) and each 4 x 4 patch of the image with additions, multiply element by
# element (16 matrix products over the channels), transform back. In one dimension, with $d$ the image and $g$ the filter:
#
# $$m_1 = (d_0 - d_2)\, g_0 \quad m_2 = (d_1 + d_2) \tfrac{g_0 + g_1 + g_2}{2} \quad m_3 = (d_2 - d_1) \tfrac{g_0 - g_1 + g_2}{2}
# \quad m_4 = (d_1 - d_3)\, g_2$$
#
# $$y_0 = m_1 + m_2 + m_3 \qquad y_1 = m_2 - m_3 - m_4$$
#
# (Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2015.) The halves cost a little accuracy.
#
# **Tensor cores.** `mma_tf32(a0 ... a3, b0, b1, c0 ... c3)` multiplies a 16 x 8 by an 8 x 8 matrix with one instruction of a whole
# warp (8.0 on); `help(mma_tf32)` says which thread holds which element. Round the inputs with `to_tf32`: 10 bits of mantissa
# stay, and the result is no longer float32's; the check of this stage allows an error of 0.3 %.

# %% [markdown]
# **Predict.** What share of cuDNN's speed will you reach, in percent?

# %%
my_prediction = ...

# %% [markdown]
# **Implement.** `conv_challenge` must be right for every shape, like all the others; for those that your idea doesn't suit, call
# `conv_vector`. Double buffering likes more work between two barriers, and fewer threads that wait at each: 8 x 8 outputs a
# thread (they fit 255 registers), blocks of 64 threads, 16 input channels a step. `ROW` is 20, not 16: predict why, with stage 3.

# %% nbgrader={"grade": false, "grade_id": "conv_challenge", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: conv_challenge
import math
import numpy as np
from numba import cuda, float32
from gpulabs.convolution import output_shape, padding_before
from gpulabs.intrinsics import commit_copies, copy4_async, mma_tf32, store4, to_tf32, wait_copies

BLOCK, ROUND, ROW = 64, 16, 20          # pixels of a block; input channels of a step; words of a pixel in the tile

@cuda.jit
def conv_challenge_kernel(x, w, y, h_out, w_out, stride, top, left):
    # double buffering takes about 50 lines, most of them stage 6's; other ideas may take several kernels
    ### BEGIN SOLUTION
    pixels = cuda.shared.array((2, BLOCK, ROW), float32)
    filters = cuda.shared.array((2, ROUND, FILTERS), float32)
    low, high = cuda.local.array((8, 4), float32), cuda.local.array((8, 4), float32)
    tx, ty, thread = cuda.threadIdx.x, cuda.threadIdx.y, cuda.threadIdx.y * 8 + cuda.threadIdx.x
    m0, k0 = cuda.blockIdx.x * BLOCK, cuda.blockIdx.y * FILTERS
    n, i, j = corner(m0 + thread, h_out, w_out, stride, top, left)
    first = ((n * x.shape[1] + i) * x.shape[2] + j) * x.shape[3]       # of this thread's window
    down, across = thread // 16, thread % 16 * 4                       # of its weights
    for p in range(8):
        for q in range(4):
            low[p, q] = high[p, q] = 0
    r, s, c0 = 0, 0, 0
    steps = w.shape[0] * w.shape[1] * ((w.shape[2] + ROUND - 1) // ROUND)
    for step in range(steps + 1):
        if step < steps:                                     # 64 threads: each copies a pixel and four vectors of weights
            half, row, column = step % 2, i + r, j + s
            inside = n < x.shape[0] and 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
            from_x = first + (r * x.shape[2] + s) * x.shape[3] + c0
            from_w = ((r * w.shape[1] + s) * w.shape[2] + c0 + down) * w.shape[3] + k0 + across
            for c in range(0, ROUND, 4):
                copy4_async(pixels, (half * BLOCK + thread) * ROW + c, x, from_x + c, inside and c0 + c < x.shape[3])
                known = c0 + down + c < w.shape[2] and k0 + across < w.shape[3]
                copy4_async(filters, (half * ROUND + down + c) * FILTERS + across, w, from_w + c * w.shape[3], known)
            c0 += ROUND
            if c0 >= w.shape[2]:
                c0, s = 0, s + 1
            if s == w.shape[1]:
                s, r = 0, r + 1
        commit_copies()
        if step > 0:
            wait_copies(1)
            cuda.syncthreads()
            other = (step - 1) % 2
            for g in range(0, ROUND, 4):
                a, b = (other * BLOCK + ty) * ROW + g, (other * ROUND + g) * FILTERS + 4 * tx
                four_channels(pixels, filters, low, a, b, 8 * ROW)
                four_channels(pixels, filters, high, a, b + FILTERS // 2, 8 * ROW)
            cuda.syncthreads()
    for p in range(8):
        m, k = m0 + ty + 8 * p, k0 + 4 * tx
        if m < y.shape[0] and k < y.shape[1]:
            store4(y, m * y.shape[1] + k, low[p, 0], low[p, 1], low[p, 2], low[p, 3])
        k += FILTERS // 2
        if m < y.shape[0] and k < y.shape[1]:
            store4(y, m * y.shape[1] + k, high[p, 0], high[p, 1], high[p, 2], high[p, 3])
    ### END SOLUTION

def conv_challenge(x, w, stride, padding):
    if x.shape[3] % 4 or w.shape[3] % 4:                     # and whatever else your idea doesn't suit
        return conv_vector(x, w, stride, padding)
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top, left = padding_before(x.shape, w.shape, stride, padding)
    matrix = y.reshape(y.shape[0] * y.shape[1] * y.shape[2], y.shape[3])
    # about 2 lines: blocks, launch
    ### BEGIN SOLUTION
    grid = (math.ceil(matrix.shape[0] / BLOCK), math.ceil(matrix.shape[1] / FILTERS))
    conv_challenge_kernel[grid, (8, 8)](x, w, matrix, y.shape[1], y.shape[2], stride, top, left)
    ### END SOLUTION
    return y

# %% nbgrader={"grade": true, "grade_id": "check_conv_challenge", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
check("conv_challenge")

# %% [markdown]
# **Measure.** The whole ladder. On a GPU these are your kernels, beside cuDNN's recorded time if it is from a GPU
# like yours; without a GPU they are our kernels, as recorded. cuDNN's bar is float32's; `tensor_core` rounds to TF32.

# %%
speed["conv_challenge"] = measure(conv_challenge, x, w, 1, "valid")
mine = {kernel: gflops for kernel, gflops in speed.items() if gflops}
if lab.gpu == recorded_on() and "cudnn" in shown:
    mine["cudnn"] = shown["cudnn"]
ours = ("naive", "coalesced", "tiled", "blocked", "vectorised", "buffered", "winograd", "tensor_core", "cudnn")
bars = mine if lab.gpu else {kernel: gflops for kernel, gflops in shown.items() if kernel in ours}
best = bars.get("conv_challenge") or bars.get("buffered")
if best and "cudnn" in bars:
    compare(my_prediction, 100 * best / bars["cudnn"], "% of cuDNN")
elif best:
    print("cuDNN's time on this GPU is not recorded: `gpulabs bench conv --shape medium` in a terminal measures it.")
ladder_bars(bars, title="Your kernels" if lab.gpu else f"Our kernels, recorded on one {recorded_on()}")

# %% [markdown]
# And under the roof. All rungs do the same convolution, so all have the same intensity: the fewest bytes don't change, only how
# well the cores are fed. Tensor cores have a roof of their own.

# %%
from gpulabs.convolution import flops, min_bytes

x_shape, w_shape, y_shape = (64, 58, 58, 64), (3, 3, 64, 64), (64, 56, 56, 64)
intensity = flops(y_shape, w_shape) / min_bytes(x_shape, w_shape, y_shape)
roof = roof_for(lab.gpu)
points = {kernel: (intensity, gflops) for kernel, gflops in bars.items()}
roofline(roof, points, tensor_peak_gflops(roof.name), TENSOR_KERNELS)

# %% [markdown]
# **Explain.** Which step gained most, and which of your predictions was furthest off?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** What is between you and the roof is spent on everything that is no multiply-add: loads from shared memory,
# addresses, barriers, the last blocks that don't fill the GPU. Libraries remove more of it in assembly, and choose among dozens
# of kernels by shape. That Python gets this near is because you said exactly what each thread does; the compiler did the rest.
# Two ways past the direct kernel's roof remain: fewer multiplications (Winograd), or cores made for matrices (tensor cores).
# In Lab 3 your kernel learns to run backwards, and trains a network.

# %% [markdown]
# ---
# ## Hand in
#
# Restart the kernel, run all cells, save, then in a terminal in this folder:
#
# ```
# gpulabs check lab2
# gpulabs submit lab2
# ```
#
# On Colab: *File > Download > .ipynb*, and hand in that file. The checks above are the same grader.
#
# Points that are *pending* need a GPU; they are settled on your instructor's machine and cost you nothing.
