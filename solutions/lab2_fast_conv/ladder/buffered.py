"""Rung 6 of the ladder: the next tiles arrive by asynchronous copies while these are multiplied.

Rung 5 stops twice a tile: all threads wait until it is there, and again until all have read it. Here shared
memory has room for three tiles. `cp.async` moves 16 bytes from global to shared memory without passing
through a register, and the thread goes on; when it comes to a tile, that tile was asked for two rounds ago.
One barrier a tile is left: after it everybody's copies of this tile are there, and everybody is done with the
tile before, whose room takes the next copies.

What else makes it fast:

    16 channels a tile         half the barriers and bookkeeping of 8
    blocks of 64 threads       a barrier stops 2 warps; the other blocks of the multiprocessor go on
    x as it comes              a copy can't transpose. A thread reads 4 channels of a pixel at once instead,
                               one vector for 4 x 8 multiply-adds, as many as before
    XOR for bank conflicts     8 neighbouring pixels' vectors would lie in the same banks: chunk q of pixel m
                               is stored at place q ^ (m / 2 % 4), so that they lie in all 32
    int32 at every step        Numba's integers have 64 bits, a GPU's registers and multipliers 32

Needs channels in multiples of 16 (x) and 4 (y). The rung below computes what this one can't.

Source: the pipeline is CUTLASS's "multistage" (Kerr et al.); Ampere's cp.async made it possible.
"""

import numpy as np
from numba import cuda, float32, int32

from autograder.ladder.layout import Step, Variant
from gpulabs.intrinsics import commit_copies, copy4_async, load4, store4, wait_copies

COMPUTE_CAPABILITY = 8, 0
CHANNELS, CHUNKS, STAGES = 16, 4, 3
"""Input channels of a tile; 16-byte chunks of them; tiles in shared memory."""
LANES_DOWN, LANES_ACROSS = 8, 4
"""How the 32 lanes of a warp lie over its patch: pixels x channels."""
COLUMN = 1 << 16
"""Of a mask of taps: bit r says that row r of the filter meets the image, bit 16 + s that column s does."""


@cuda.jit(device=True, inline="always")
def meeting(start, size, taps):
    """Bits first to last - 1: the taps of a window from start on that lie in 0 to size - 1."""
    return int32((int32(1) << min(taps, int32(size - start))) - (int32(1) << max(int32(-start), int32(0))))


def make(pixels, filters, rows):
    """A kernel whose blocks compute pixels x filters, and whose threads rows x 8 of them.

    Args:
        pixels: Output pixels of a block.
        filters: Output channels of a block.
        rows: Pixels of a thread, which are 8 apart; its channels are two vectors of 4, 16 apart.

    Returns:
        The kernel, and its threads a block.
    """
    warp_pixels, warp_filters = LANES_DOWN * rows, LANES_ACROSS * 8
    warps_across = filters // warp_filters
    threads = pixels // warp_pixels * warps_across * 32
    x_copies, w_copies = pixels * CHUNKS // threads, CHANNELS * filters // 4 // threads
    x_apart, w_apart = threads // CHUNKS, threads // (filters // 4)
    vectors = filters // 4
    w_start = pixels * CHANNELS
    stage = w_start + CHANNELS * filters
    room, last, ahead = STAGES * stage, (STAGES - 1) * stage, STAGES - 2
    patch, x_patch = rows * 8, rows * 4

    @cuda.jit(device=True, inline="always")
    def copy(tile, to_x, to_w, x, w, window, mask, from_x, taps, from_w, w_inside, filters_all):
        """Starts this thread's copies of a tile."""
        for i in range(x_copies):
            inside = int32(mask[i] & taps) == taps
            copy4_async(tile, to_x + i * x_apart * CHANNELS, x, int32(window[i] + from_x), inside)
        for i in range(w_copies):
            copy4_async(tile, to_w + i * w_apart * filters, w, int32(from_w + i * w_apart * filters_all), w_inside)

    @cuda.jit(device=True, inline="always")
    def advance(from_x, c, s, taps, channels, columns, next_row):
        """The next tile's place in (r, s, c): 16 channels on, or the next column or row of the filter."""
        from_x, c = int32(from_x + CHANNELS), int32(c + CHANNELS)
        if c == channels:
            c, s, taps = int32(0), int32(s + 1), int32(taps + (taps & int32(-COLUMN)))
            if s == columns:
                s, taps = int32(0), int32(int32(COLUMN) | ((taps & int32(COLUMN - 1)) << int32(1)))
                from_x = int32(from_x + next_row)
        return from_x, c, s, taps

    @cuda.jit(device=True, inline="always")
    def multiply(tile, at, place, mine_x, mine_w, total, chunk):
        """Multiplies and adds 4 of the tile's channels."""
        for i in range(rows):
            a, b, c, d = load4(tile, at[chunk] + i * LANES_DOWN * CHANNELS)
            mine_x[4 * i], mine_x[4 * i + 1], mine_x[4 * i + 2], mine_x[4 * i + 3] = a, b, c, d
        for c in range(4):
            for half in range(2):
                row = w_start + (4 * chunk + c) * filters + half * 4 * LANES_ACROSS
                p, q, r, s = load4(tile, place + row)
                mine_w[4 * half], mine_w[4 * half + 1], mine_w[4 * half + 2], mine_w[4 * half + 3] = p, q, r, s
            for i in range(rows):
                for j in range(8):
                    total[8 * i + j] += mine_x[4 * i + c] * mine_w[j]

    @cuda.jit
    def kernel(x, w, y, stride, pad_top, pad_left):
        """Convolves x with w into y."""
        tile = cuda.shared.array(room, float32)
        total = cuda.local.array(patch, float32)
        mine_x = cuda.local.array(x_patch, float32)
        mine_w = cuda.local.array(8, float32)
        at = cuda.local.array(CHUNKS, np.int32)
        window = cuda.local.array(x_copies, np.int32)
        mask = cuda.local.array(x_copies, np.int32)
        height, width, channels = int32(x.shape[1]), int32(x.shape[2]), int32(x.shape[3])
        columns, filters_all = int32(w.shape[1]), int32(y.shape[3])
        area, pixels_all = int32(y.shape[1] * y.shape[2]), int32(y.shape[0] * y.shape[1] * y.shape[2])
        me = int32(cuda.threadIdx.x)
        m0, k0 = int32(cuda.blockIdx.x * pixels), int32(cuda.blockIdx.y * filters)

        # What this thread copies: a chunk of every x_apart-th pixel, a vector of every w_apart-th row of w.
        chunk, pixel = int32(me % int32(CHUNKS)), int32(me // int32(CHUNKS))
        for i in range(x_copies):
            m = min(int32(m0 + pixel + i * x_apart), int32(pixels_all - 1))
            n = int32(m // area)
            row = int32(int32(m - n * area) // int32(y.shape[2]))
            top = int32(row * stride - pad_top)
            left = int32((m - n * area - row * y.shape[2]) * stride - pad_left)
            window[i] = int32(((n * height + top) * width + left) * channels + 4 * chunk)
            mask[i] = meeting(top, height, int32(w.shape[0])) | meeting(left, width, columns) << int32(16)
        vector, w_row = int32(me % int32(vectors)), int32(me // int32(vectors))
        to_x = int32(pixel * CHANNELS + (chunk ^ ((pixel >> int32(1)) & int32(3))) * 4)
        to_w = int32(w_start + w_row * filters + 4 * vector)
        from_w = int32(w_row * filters_all + k0 + 4 * vector)
        w_inside = int32(k0 + 4 * vector) < filters_all

        # What it multiplies.
        lane, warp = int32(me % int32(32)), int32(me // int32(32))
        down = int32(warp // int32(warps_across) * warp_pixels + lane % int32(LANES_DOWN))
        across = int32(warp % int32(warps_across) * warp_filters + lane // int32(LANES_DOWN) * 4)
        for i in range(patch):
            total[i] = np.float32(0)

        steps = int32(int32(w.shape[0] * w.shape[1] * w.shape[2]) // int32(CHANNELS))
        next_row = int32((width - columns) * channels)
        from_x, c, s, taps = int32(0), int32(0), int32(0), int32(COLUMN | 1)
        for p in range(STAGES - 1):  # the first tiles
            if int32(p) < steps:
                start = p * stage
                copy(
                    tile,
                    int32(to_x + start),
                    int32(to_w + start),
                    x,
                    w,
                    window,
                    mask,
                    from_x,
                    taps,
                    from_w,
                    w_inside,
                    filters_all,
                )
                from_w = int32(from_w + CHANNELS * filters_all)
                from_x, c, s, taps = advance(from_x, c, s, taps, channels, columns, next_row)
            commit_copies()
        write, read = int32(last), int32(0)
        for left_over in range(int32(steps - 1), int32(-1), int32(-1)):
            wait_copies(ahead)
            cuda.syncthreads()
            if left_over >= int32(STAGES - 1):
                copy(
                    tile,
                    int32(to_x + write),
                    int32(to_w + write),
                    x,
                    w,
                    window,
                    mask,
                    from_x,
                    taps,
                    from_w,
                    w_inside,
                    filters_all,
                )
                from_w = int32(from_w + CHANNELS * filters_all)
                from_x, c, s, taps = advance(from_x, c, s, taps, channels, columns, next_row)
            commit_copies()  # an empty group at the end: then the count of groups stays right
            for q in range(CHUNKS):
                at[q] = int32(read + down * CHANNELS + (int32(q) ^ ((down >> int32(1)) & int32(3))) * 4)
            place = int32(read + across)
            multiply(tile, at, place, mine_x, mine_w, total, 0)
            multiply(tile, at, place, mine_x, mine_w, total, 1)
            multiply(tile, at, place, mine_x, mine_w, total, 2)
            multiply(tile, at, place, mine_x, mine_w, total, 3)
            write, read = read, int32(read + stage) if read < int32(last) else int32(0)
        for i in range(rows):
            m = int32(m0 + down + i * LANES_DOWN)
            for half in range(2):
                k = int32(k0 + across + half * 4 * LANES_ACROSS)
                if m < pixels_all and k < filters_all:
                    o = 8 * i + 4 * half
                    store4(y, int32(m * filters_all + k), total[o], total[o + 1], total[o + 2], total[o + 3])

    return kernel, threads


def variant(name, threads, pixels, filters, **needs):
    """The variant of a kernel."""
    step = Step(name, (threads, 1, 1), ("n*h_out*w_out", "k", "1"), (pixels, filters, 1))
    return Variant((step,), needs={"c_multiple": CHANNELS, "k_multiple": 4, "max_r": 15, "max_s": 15} | needs)


buffered_narrow, NARROW_THREADS = make(128, 32, 8)
buffered_small, SMALL_THREADS = make(64, 64, 4)
buffered, THREADS = make(64, 64, 8)

VARIANTS = (
    variant("buffered_narrow", NARROW_THREADS, 128, 32, max_k=32),
    # Too few pixels for three blocks of 64 threads on each of a large GPU's multiprocessors: 128 smaller patches.
    variant("buffered_small", SMALL_THREADS, 64, 64, max_pixels=25000),
    variant("buffered", THREADS, 64, 64),
)
