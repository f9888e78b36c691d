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
#     lab: lab1_conv_kernel
#     version: "1"
# ---

# %% [markdown]
# # Lab 1: a first convolution kernel
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/gpulabs/gpulabs/blob/main/labs/lab1_conv_kernel/lab1_conv_kernel.ipynb)
#
# You write your first program for a GPU: a convolution, the operation that most of a neural network for images consists
# of. You start from nothing, make it right, then make it fast, and end by reading off a chart how fast it could ever be.
#
# | stage | you write | points |
# | --- | --- | ---: |
# | 1 | `conv_first`: one thread, one output | 20 |
# | 2 | `conv_strided`: stride and padding | 25 |
# | 3 | `launch_config`: how many threads, in which blocks | 15 |
# | 4 | `conv_coalesced`: the same answer, faster | 25 |
# | 5 | `count_flops`, `count_bytes`, `attainable_gflops`: the roofline | 15 |
#
# Every stage goes the same way: the **idea**, a **prediction** (a number, before you know it), your **code**, a **check**,
# a **measurement**, and the **gap** between prediction and measurement, first in your words and then in ours. Points come
# from the checks alone; predictions and explanations are for you. You need Python and NumPy, no GPU experience.

# %% [markdown]
# ## Set up
#
# Run the next cell first, and again after every restart of the kernel.
#
# - **On Colab**: choose *Runtime > Change runtime type > GPU*, then run this in a cell of its own, once:
#
#   ```
#   %pip install gpulabs
#   ```
#
# - **No GPU at hand?** The cell then switches to a simulator, which runs your kernels as plain Python, one thread after
#   the other. All answers are the same, all checks work, only speed has to wait for a GPU.

# %%
from gpulabs import check, hint, load, setup

lab = setup("lab1")

# %%
import math

import numpy as np
from numba import cuda

from gpulabs.notebook import attempt, compare, measure, recorded, run, shrink
from gpulabs.plots import access_map, block_map, filtered_photographs, roofline, thread_map, window_map
from gpulabs.roofline import roof_for

# %% [markdown]
# ## Before you start: a GPU in ten lines
#
# A CPU core does one thing after another, fast. A GPU has thousands of slow workers, and gives each the same short function
# and a number of its own. Five words to know:
#
# - **kernel**: the function that every worker runs. It returns nothing; it writes into an array.
# - **thread**: one worker, running the kernel once.
# - **block**: a box of threads, up to 1,024, in up to three directions x, y, z.
# - **grid**: all blocks of one launch, again in up to three directions.
# - **device**: the GPU with memory of its own; arrays are copied there and back.
#
# Here is a whole kernel. It turns a grey photograph into its negative, one thread for each pixel.

# %%
@cuda.jit
def negative_kernel(x, y):
    j, i = cuda.grid(2)                    # who am I? column j (direction x) and row i (direction y)
    if i < y.shape[0] and j < y.shape[1]:  # the last blocks stick out over the edge: no pixel, no work
        y[i, j] = np.float32(1) - x[i, j]

# %% [markdown]
# `cuda.grid(2)` counts through the whole grid: block number times block size plus the thread's place in its block.
# The number of blocks is rounded **up**, so that the last pixels are covered too.

# %%
china = shrink(load("photographs")["china"], step=lab.size(gpu=1, simulator=8))
grey = china.mean(axis=2)
rows, columns = grey.shape

threads = (16, 8)                          # of a block: 16 in x, 8 in y
blocks = (math.ceil(columns / 16), math.ceil(rows / 8))
x = cuda.to_device(grey)                   # copy to the device
y = cuda.device_array((rows, columns), np.float32)
negative_kernel[blocks, threads](x, y)     # launch: grid first, block second
filtered_photographs({"x": grey, "y = 1 - x": y.copy_to_host()})

# %% [markdown]
# **Predict.** An image of 21 columns and 13 rows, blocks of 8 x 4 threads: how many threads does the launch start? Put your
# number in place of the dots. Nobody grades it; what matters is that you commit to a number before you look.

# %%
my_prediction = ...

# %%
picture = block_map(w_out=21, h_out=13, block=(8, 4))
compare(my_prediction, math.ceil(21 / 8) * math.ceil(13 / 4) * 8 * 4, "threads", show=picture)

# %% [markdown]
# The picture appears once you have predicted. Its hatched threads found no pixel and left at the `if`. Without it they would write outside the array: on a GPU that is
# no exception but silent damage to whatever lies there.

# %% [markdown]
# ---
# ## Stage 1: one thread, one output
#
# **Idea.** A convolution slides a small filter over an image; each output is the sum of one window, weighted by the filter:
#
# $$y[n, i, j, k] = \sum_{r}\sum_{s}\sum_{c} x[n,\ i + r,\ j + s,\ c] \cdot w[r, s, c, k]$$
#
# - `x` holds images, **NHWC**: image n, row, column, channel c (red, green, blue).
# - `w` holds filters, **HWIO**: row r, column s, channel in c, channel out k. Each k is a filter of its own. One product of
#   the sum, one (r, s, c), is called a **tap**.
# - `y` is NHWC again, with K channels. Windows stay inside, so it has H - R + 1 rows and W - S + 1 columns.

# %%
window_map(h=6, w=7, filter=(3, 3), stride=1, padding="valid")

# %% [markdown]
# **Predict.** Filters of 3 x 3 over 3 channels: how many multiplications does *one* output need?

# %%
my_prediction = ...

# %%
filters = np.zeros((3, 3, 3, 2), np.float32)  # R, S, C, K: two filters over three colours
compare(my_prediction, filters[:, :, :, 0].size, "multiplications")

# %% [markdown]
# **Implement.** No output needs another, so give each a thread. A grid has three directions and `y` four axes: let x run
# over columns, y over rows, and z over images *and* channels: `m = n * K + k`, so that `n = m // K` and `k = m % K`.
#
# One trap: a bare `0.0` is double precision to Numba, which many GPUs compute 32 to 64 times slower. Start your sum with
# `np.float32(0)`.
#
# Replace each `raise NotImplementedError(...)`. The first line stays as it is: the check finds the cell by it. Imports,
# constants and helper functions of other cells count too, if you ran them. Stuck? Run `hint("conv_first")` in a new cell;
# each call says a bit more.

# %% nbgrader={"grade": false, "grade_id": "conv_first", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: conv_first
import math
import numpy as np
from numba import cuda

@cuda.jit
def conv_first_kernel(x, w, y):
    # about 9 lines: find this thread's output, leave if there is none, sum its window, write it
    ### BEGIN SOLUTION
    j, i, m = cuda.grid(3)
    n, k = m // y.shape[3], m % y.shape[3]
    if n < y.shape[0] and i < y.shape[1] and j < y.shape[2]:
        total = np.float32(0)
        for r in range(w.shape[0]):
            for s in range(w.shape[1]):
                for c in range(w.shape[2]):
                    total += x[n, i + r, j + s, c] * w[r, s, c, k]
        y[n, i, j, k] = total
    ### END SOLUTION

def conv_first(x, w):
    h_out, w_out = x.shape[1] - w.shape[0] + 1, x.shape[2] - w.shape[1] + 1
    y = cuda.device_array((x.shape[0], h_out, w_out, w.shape[3]), np.float32)
    # about 3 lines: threads of a block, blocks of the grid (rounded up!), launch
    ### BEGIN SOLUTION
    threads = (32, 4, 1)
    blocks = (math.ceil(w_out / 32), math.ceil(h_out / 4), x.shape[0] * w.shape[3])
    conv_first_kernel[blocks, threads](x, w, y)
    ### END SOLUTION
    return y

# %% [markdown]
# **Check.** Your kernel runs on freshly drawn inputs: integers, for which the answer has to be exact, a photograph and real
# numbers. It is the instructor's own grader, so the points you see are the points you get.

# %% nbgrader={"grade": true, "grade_id": "check_conv_first", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
check("conv_first")

# %% [markdown]
# **Look.** Two Sobel filters on a photograph: the first answers to vertical edges, the second to horizontal ones.

# %%
sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
filters[:, :, :, 0] = sobel[:, :, None] / 3    # the same for red, green and blue
filters[:, :, :, 1] = sobel.T[:, :, None] / 3

photo = shrink(load("photographs")["china"], step=lab.size(gpu=1, simulator=7))
edges = run(conv_first, photo[None], filters)  # [None]: a batch of one image
filtered_photographs({
    "photograph": photo,
    "k = 0: vertical edges": None if edges is None else np.abs(edges[0, :, :, :1]),
    "k = 1: horizontal edges": None if edges is None else np.abs(edges[0, :, :, 1:]),
})

# %% [markdown]
# **Measure.** **Predict** first: a GPU's peak is what its cores could do if they never waited; an H100's is 67,000 billion
# float32 operations a second (GFLOP/s). What share of the peak does your kernel reach, in percent?

# %%
my_prediction = ...

# %%
rng = np.random.default_rng(0)
x = rng.random(lab.size(gpu=(64, 58, 58, 64), simulator=(1, 6, 6, 2)), np.float32)
w = rng.random((3, 3, x.shape[3], x.shape[3]), np.float32)
gflops = measure(conv_first, x, w)
if not lab.gpu:
    gflops = recorded("naive").get("naive")    # a kernel like yours, timed on a GPU
if gflops is not None:
    roof = roof_for(lab.gpu)                   # of your GPU; without one, of that one
    compare(my_prediction, 100 * gflops / roof.peak_gflops, f"% of the peak of {roof.name}")

# %% [markdown]
# **Explain.** What might the cores be doing most of the time, if not arithmetic?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** A first kernel of this kind reaches less than 1 % of an H100: 0.5 of its 67 TFLOP/s. Nothing is wrong with
# your arithmetic: the cores wait for data. For each multiplication and addition a thread fetches two numbers from memory,
# and your threads fetch them in an order that the memory dislikes. Stage 4 is about that order.

# %% [markdown]
# ---
# ## Stage 2: stride and padding
#
# **Idea.** Networks use two more knobs. With **stride** t neighbouring windows lie t pixels apart, so the image shrinks t
# times. With **padding** `"same"` zeros are put around the image, so that stride 1 keeps its size:
#
# - rows of output: `ceil(H / t)`
# - rows of zeros, above and below together: `max((rows - 1) * t + R - H, 0)`
# - above goes half of them, **rounded down**; the rest goes below. Columns likewise.
#
# The window of output (i, j) starts at row `i * t - top` and column `j * t - left`. `"valid"` means no zeros.

# %% [markdown]
# **Predict.** 6 rows, a filter of 3 rows, stride 2: how many rows of zeros go *above* the image? Use the rules.

# %%
my_prediction = ...

# %%
from gpulabs.convolution import output_shape, same_padding

top, bottom = same_padding(6, 3, 2)            # size, filter, stride -> zeros before, zeros after
picture = window_map(h=6, w=7, filter=(3, 3), stride=2, padding="same")
compare(my_prediction, top, "rows above", show=picture)

# %% [markdown]
# Uneven padding is the classic slip here: with one row too many, everything shifts by a pixel.
#
# **Implement.** Don't copy the image into a larger one: compute each tap's row and column, and skip taps outside. Test
# *before* you read: in Python row `-1` is the last row, on a GPU it is whatever lies there. The two functions above give
# shape and zeros, and `conv_strided` below already uses them.

# %% nbgrader={"grade": false, "grade_id": "conv_strided", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: conv_strided
import math
import numpy as np
from numba import cuda
from gpulabs.convolution import output_shape, same_padding

@cuda.jit
def conv_strided_kernel(x, w, y, stride, top, left):
    # about 13 lines: your first kernel, with the row and column of each tap computed and tested
    ### BEGIN SOLUTION
    j, i, m = cuda.grid(3)
    n, k = m // y.shape[3], m % y.shape[3]
    if n < y.shape[0] and i < y.shape[1] and j < y.shape[2]:
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

def conv_strided(x, w, stride, padding):
    y = cuda.device_array(output_shape(x.shape, w.shape, stride, padding), np.float32)
    top = same_padding(x.shape[1], w.shape[0], stride)[0] if padding == "same" else 0
    left = same_padding(x.shape[2], w.shape[1], stride)[0] if padding == "same" else 0
    # about 3 lines: threads, blocks, launch; y.shape knows how many rows and columns there are
    ### BEGIN SOLUTION
    threads = (32, 4, 1)
    blocks = (math.ceil(y.shape[2] / 32), math.ceil(y.shape[1] / 4), y.shape[0] * y.shape[3])
    conv_strided_kernel[blocks, threads](x, w, y, stride, top, left)
    ### END SOLUTION
    return y

# %% nbgrader={"grade": true, "grade_id": "check_conv_strided", "locked": true, "points": 25, "schema_version": 3, "solution": false, "task": false}
check("conv_strided")

# %% [markdown]
# **Look.** A sharpening filter: each colour keeps to itself (c = k), the centre counts five times, its neighbours are
# taken off. With stride 2 the photograph comes out sharpened and at half its size.

# %%
sharpen = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32)
filters = np.zeros((3, 3, 3, 3), np.float32)
for colour in range(3):
    filters[:, :, colour, colour] = sharpen

photo = shrink(load("photographs")["flower"], step=lab.size(gpu=1, simulator=4))
half = run(conv_strided, photo[None], filters, 2, "same")
if half is not None:
    print("x", photo[None].shape, "-> y", half.shape)
filtered_photographs({
    "photograph": photo,
    "sharpened, half the size": None if half is None else half[0].clip(0, 1),
})

# %% [markdown]
# **Measure.** **Predict:** stride 2 leaves a quarter of the outputs. How many times less time does it take?

# %%
my_prediction = ...

# %%
rng = np.random.default_rng(0)
x = rng.random(lab.size(gpu=(64, 58, 58, 64), simulator=(1, 6, 6, 2)), np.float32)
w = rng.random((3, 3, x.shape[3], x.shape[3]), np.float32)
one, two = measure(conv_strided, x, w, 1, "same"), measure(conv_strided, x, w, 2, "same")
if one is not None and two is not None:
    compare(my_prediction, 4 * two / one, "times less")  # a quarter of the operations, at their own rates

# %% [markdown]
# **Explain.** A quarter of the outputs: why might the time not fall to a quarter?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** If it came out below 4: the arithmetic fell to a quarter, but the image is still read as a whole. A pixel that
# is fetched once serves 9 windows at stride 1, but only 1, 2 or 4 at stride 2. Work done and data moved are two different
# things; stage 5 counts both.

# %% [markdown]
# ---
# ## Stage 3: the launch configuration
#
# **Idea.** How you cut the outputs into blocks changes no answer, but it decides how many threads idle and how busy the GPU
# can be. The hardware has rules:
#
# - Threads run in **warps** of 32 with neighbouring x, all doing the same instruction at once. A block that is no multiple
#   of 32 wastes the rest of its last warp.
# - A block has at most 1,024 threads, and at most 64 in z. A grid has at most 65,535 blocks in y and in z.
# - A GPU hides waiting by switching to another warp. Blocks of fewer than 64 threads leave it too few to switch to.
#
# From here on let **x run over channels k, y over columns, z over the rows of all images** (n * h_out of them).
# Stage 4 shows why.

# %% [markdown]
# **Predict.** 20 channels, 10 columns, blocks of 32 x 4 in x and y: what share of the threads is idle, in percent?

# %%
my_prediction = ...

# %%
picture = block_map(w_out=20, h_out=10, block=(32, 4), names=("channels", "columns"))
compare(my_prediction, 100 * (1 - 20 * 10 / (32 * 12)), "%", show=picture)

# %% [markdown]
# **Implement.** One fixed block suits some shapes and wastes most of its threads on others (think of 3 channels). Write a
# function that fits the block to the shape: whole warps, 64 to 1,024 threads a block, and **at least a quarter of a
# launch's threads with an output to compute** (asked for from 4 images of 8 x 8 x 3 on: a single output can't fill a warp).
# Shrink an axis of the block that is longer than its outputs.

# %% nbgrader={"grade": false, "grade_id": "launch_config", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: launch_config
import math

def launch_config(n, h_out, w_out, k):
    """Gives ((gx, gy, gz), (bx, by, bz)): x covers channels, y columns, z the rows of all images."""
    ### BEGIN SOLUTION
    bx = 1
    while bx < min(k, 32):                 # the power of two that holds the channels, a warp at most
        bx *= 2
    by, bz = 1, 64 // bx                   # what is left of 64 threads goes to the longest axis, the rows
    grid = (math.ceil(k / bx), math.ceil(w_out / by), math.ceil(n * h_out / bz))
    return grid, (bx, by, bz)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_launch_config", "locked": true, "points": 15, "schema_version": 3, "solution": false, "task": false}
check("launch_config")

# %% [markdown]
# **Measure.** Threads are countable without a GPU. Here is what your function does for four shapes.

# %%
for n, h_out, w_out, k in [(1, 1, 1, 1), (8, 30, 30, 3), (64, 56, 56, 64), (128, 8, 8, 200)]:
    config = attempt(launch_config, n, h_out, w_out, k)
    if config is None:
        break
    grid, block = config
    threads = math.prod(grid) * math.prod(block)
    idle = 1 - n * h_out * w_out * k / threads
    print(f"{n:4} x {h_out} x {w_out} x {k}: grid {grid}, block {block}, {threads:,} threads, {idle:.0%} idle")

# %% [markdown]
# **Explain.** Which of the four shapes wastes most, and could any block do better there?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Compare the idle share of 3 channels with that of your prediction above. Idle threads cost little when a
# whole warp leaves at once; they cost most when a few threads of *every* warp idle, because a warp takes its time no matter
# how many of its threads work.

# %% [markdown]
# ---
# ## Stage 4: coalescing, the order of memory
#
# **Idea.** A warp's 32 threads read or write together. The memory does not deliver single floats, it moves **sectors** of
# 32 bytes: 8 neighbouring floats. If the 32 threads touch 32 neighbouring floats, 4 sectors do (*coalesced*). If each
# touches a float of its own neighbourhood, 32 sectors move and most of what they carry is thrown away.
#
# In `y[n, i, j, k]` the last index is the neighbour in memory. Which output does thread 0 of a warp compute, which thread 1?

# %%
thread_map(w_out=32, k=32)

# %% [markdown]
# **Predict.** `y` has 64 channels. In your kernels so far x runs over the columns j, so the threads of a warp write
# `y[n, i, 0, k]`, `y[n, i, 1, k]`, ... `y[n, i, 31, k]`. How many sectors does that one store touch?

# %%
my_prediction = ...

# %%
from gpulabs.access import sectors

over_columns = [64 * thread for thread in range(32)]  # one column on: 64 words on
over_channels = [thread for thread in range(32)]      # one channel on: the next word
picture = access_map({
    "writing y, x over the columns": over_columns,
    "writing y, x over the channels": over_channels,
    "reading x[n, row, column, c], x over the channels": [0] * 32,
})
compare(my_prediction, len(sectors(over_columns)), "sectors", show=picture)

# %% [markdown]
# In the last row of the picture all threads of a warp need the same pixel: one sector serves all, a **broadcast**.
#
# **Implement.** The same convolution with x over the channels, y over the columns, z over the rows of all images. Start from
# your `conv_strided`, which is right and slow: copy its body, then change who computes what.

# %% nbgrader={"grade": false, "grade_id": "conv_coalesced", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: conv_coalesced
import math
import numpy as np
from numba import cuda
from gpulabs.convolution import output_shape, same_padding

@cuda.jit
def conv_coalesced_kernel(x, w, y, stride, top, left):
    # about 13 lines: as before, but k is the thread's x; z counts rows of all images
    ### BEGIN SOLUTION
    k, j, m = cuda.grid(3)
    n, i = m // y.shape[1], m % y.shape[1]
    if n < y.shape[0] and j < y.shape[2] and k < y.shape[3]:
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
    top = same_padding(x.shape[1], w.shape[0], stride)[0] if padding == "same" else 0
    left = same_padding(x.shape[2], w.shape[1], stride)[0] if padding == "same" else 0
    # about 3 lines: threads with 32 in x, blocks, launch
    ### BEGIN SOLUTION
    threads = (32, 4, 2)
    blocks = (math.ceil(y.shape[3] / 32), math.ceil(y.shape[2] / 4), math.ceil(y.shape[0] * y.shape[1] / 2))
    conv_coalesced_kernel[blocks, threads](x, w, y, stride, top, left)
    ### END SOLUTION
    return y

# %% [markdown]
# **Check.** Besides the answers, this check counts the sectors of every load and store. On a GPU it also races your kernel
# against a naive one like that of stage 1, in the same run: 1.5 times as fast is asked for, and twice as fast as TensorFlow
# on one CPU core. (An H100 gave 2.2 and 8 times.)

# %% nbgrader={"grade": true, "grade_id": "check_conv_coalesced", "locked": true, "points": 25, "schema_version": 3, "solution": false, "task": false}
check("conv_coalesced")

# %% [markdown]
# **Measure.** The store touches 8 times fewer sectors. **Predict:** how many times faster is the whole kernel?

# %%
my_prediction = ...

# %%
rng = np.random.default_rng(0)
x = rng.random(lab.size(gpu=(64, 58, 58, 64), simulator=(1, 6, 6, 2)), np.float32)
w = rng.random((3, 3, x.shape[3], x.shape[3]), np.float32)
slow, fast = measure(conv_strided, x, w, 1, "valid"), measure(conv_coalesced, x, w, 1, "valid")
if slow is not None and fast is not None:
    compare(my_prediction, fast / slow, "times")
elif not lab.gpu:
    times = recorded()                             # kernels like yours, timed on a GPU
    if times:
        print("Our kernels, as recorded:")
        compare(my_prediction, times["coalesced"] / times["naive"], "times")

# %% [markdown]
# **Explain.** 8 times fewer sectors a store: why is the whole kernel not 8 times faster?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** Stores are rare: one for each output, against hundreds of loads. What decides is the loads. For each tap the
# 32 threads read 32 pixels far apart and one weight, 32 + 1 sectors; now they read one pixel and 32 weights side by side,
# 1 + 4 sectors. Even that ratio is not the gain: an H100 went from 0.50 to 1.11 TFLOP/s, 2.2 times. Caches had hidden part
# of the old cost, and a thread still issues two loads for each multiply-add.

# %% [markdown]
# ---
# ## Stage 5: the roofline
#
# **Idea.** How fast could this ever be? A device has two limits: operations a second (**peak**) and bytes a second
# (**bandwidth**). Which one binds depends on the work alone:
#
# $$\text{intensity} = \frac{\text{floating-point operations}}{\text{bytes moved}} \qquad
# \text{attainable} = \min(\text{peak},\ \text{intensity} \times \text{bandwidth})$$
#
# Count a multiplication and an addition as 2 operations for each tap, taps on padding included. Count the *fewest* bytes:
# `x` and `w` read once, `y` written once, 4 bytes a float. With intensity in FLOP per byte and bandwidth in GB/s, the
# product is in GFLOP/s.

# %% [markdown]
# **Predict.** The convolution you timed: x is 64 x 58 x 58 x 64, w is 3 x 3 x 64 x 64, y is 64 x 56 x 56 x 64. What is its
# intensity in FLOP per byte? A guess to a factor of 2 is good; do it on paper.

# %%
my_prediction = ...

# %% nbgrader={"grade": false, "grade_id": "roofline", "locked": false, "schema_version": 3, "solution": true, "task": false}
# task: roofline
import math

def count_flops(y_shape, w_shape):
    """Floating-point operations of a convolution; y_shape is (N, H_out, W_out, K), w_shape (R, S, C, K)."""
    ### BEGIN SOLUTION
    r, s, c, _ = w_shape
    return 2 * r * s * c * math.prod(y_shape)
    ### END SOLUTION

def count_bytes(x_shape, w_shape, y_shape):
    """Fewest bytes that a float32 convolution has to move."""
    ### BEGIN SOLUTION
    return 4 * (math.prod(x_shape) + math.prod(w_shape) + math.prod(y_shape))
    ### END SOLUTION

def attainable_gflops(intensity, peak_gflops, bandwidth_gb_s):
    """The roof over a kernel of this intensity, in GFLOP/s."""
    ### BEGIN SOLUTION
    return min(peak_gflops, intensity * bandwidth_gb_s)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_roofline", "locked": true, "points": 15, "schema_version": 3, "solution": false, "task": false}
check("roofline")

# %% [markdown]
# **Measure.** Your prediction against your own count, and the roof over it on the device at hand.

# %%
roof = roof_for(lab.gpu)                       # without a GPU: of the one whose times we recorded
x_shape, w_shape, y_shape = (64, 58, 58, 64), (3, 3, 64, 64), (64, 56, 56, 64)
flops = attempt(count_flops, y_shape, w_shape)
moved = attempt(count_bytes, x_shape, w_shape, y_shape)
intensity = flops / moved if flops and moved else None
if intensity is not None:
    compare(my_prediction, intensity, "FLOP per byte")
    limit = attempt(attainable_gflops, intensity, roof.peak_gflops, roof.bandwidth_gb_s)
    if limit is not None:
        print(f"On {roof.name} the roof over it is {limit:,.0f} GFLOP/s.")

# %% [markdown]
# Now your kernels under the roof. Without a GPU, kernels like yours whose times we recorded stand in.

# %%
points = {}
if lab.gpu and intensity is not None:
    rng = np.random.default_rng(0)
    x, w = rng.random(x_shape, np.float32), rng.random(w_shape, np.float32)
    for function in (conv_strided, conv_coalesced):
        gflops = measure(function, x, w, 1, "valid")
        if gflops is not None:
            points[function.__name__] = (intensity, gflops)
elif intensity is not None:
    points = {kernel: (intensity, gflops) for kernel, gflops in recorded().items()}
roofline(roof, points)

# %% [markdown]
# **Explain.** How far below the roof are the kernels, and what does the roof not know about them?
#
# > *Double-click here and write a sentence or two, before you read on. Not graded.*

# %% [markdown]
# **The gap.** This convolution lies far right of the **ridge**, where the two limits meet: by the fewest bytes it could run
# at full peak. An H100 has a peak of 66.9 TFLOP/s; the coalesced kernel reaches 1.11 of them, cuDNN, NVIDIA's library, about
# 40. The fewest bytes are what an *ideal* kernel moves. Yours asks again for each pixel that another output needs too, two
# loads for each multiply-add: 2 FLOP to 8 bytes, and only caches soften that. The way up is to load once and use often:
# keep a tile of the image where all threads of a block can reach it. That is Lab 2.

# %% [markdown]
# ---
# ## Hand in
#
# Restart the kernel, run all cells, save, then in a terminal in this folder:
#
# ```
# gpulabs check lab1
# gpulabs submit lab1
# ```
#
# On Colab: *File > Download > .ipynb*, and hand in that file. The checks above are the same grader.
#
# Points that are *pending* need a GPU; they are settled on your instructor's machine and cost you nothing.
