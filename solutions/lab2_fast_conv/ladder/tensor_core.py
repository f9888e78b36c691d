"""Beside the ladder: tensor cores multiply, in TF32.

A tensor core multiplies small matrices, and 32 threads feed it together: `mma.sync.m16n8k8` adds a 16x8 matrix times
an 8x8 matrix to a 16x8 one, 2,048 operations an instruction where an FMA of a warp does 64. It reads float32 but keeps
10 bits of the mantissa (TF32) and adds in float32. The convolution is one matrix product, as in the rungs below:

    y[k, pixel] = sum over (r, s, c) of w[k, (r, s, c)] * x[(r, s, c), pixel]

Filters are the 16 rows of an mma, pixels its 8 columns, input channels what is summed. So much arithmetic an
instruction makes everything else the bottleneck. What keeps it small:

    64 x 64 outputs a warp     128 sums a thread, in registers: 16 loads of 16 bytes feed 64 mma
    channels in another order  the sum over channels may be taken in any order, if x and w agree. Lane t holds channels
                               4 t to 4 t + 3 of a pixel by one 16-byte load, and they are k = t and t + 4 of the first
                               mma and of the second. Two neighbouring registers are an mma's pair: nothing is moved
    a packed filter            `tensor_core_pack` lays w out once as the lanes hold it: one 16-byte load, one fragment,
                               rounded to TF32 already, padded with zeros to whole tiles
    16 channels a row          a pixel's row in shared memory is 64 bytes: 8 lanes read 2 rows, all 32 banks once
    two blocks of 4 warps      while one waits at its barrier, the other multiplies

Rounding: the core cuts x and w after 10 bits, which makes products smaller, all in one direction: the error of y would
be 4.6e-4 of its root mean square with x cut (7.7e-4 with both), of which 3.5e-4 are a bias. `to_tf32` rounds: 2.9e-4
and no bias, for two cheap instructions a register.

Copies of 16 bytes need channels in multiples of 4. Other numbers of them are padded with zeros first, and y is cut.

Source: the fragments' layout is in the PTX ISA ("mma.m16n8k8"); the pipeline is rung 6's.
"""

from dataclasses import replace

import numpy as np
from numba import cuda, float32, int32, int64, uint32

from autograder.ladder.layout import Step, Variant
from gpulabs.intrinsics import commit_copies, copy4_async, load4, mma_tf32, store4, to_tf32, wait_copies

COMPUTE_CAPABILITY = 8, 0
TOLERANCE = 2**-9
"""Largest error of an output, relative to the largest output. Rounding a factor to 10 bits is off by at most 2^-11 of
it, 2.0e-4 in root mean square; both factors, 2.9e-4; errors of products are independent, so the error of y is 2.9e-4
of y's own root mean square, which is at most its largest output. 2^-9 is 6.7 times that."""
SLICE, FRAGMENT = 16, 128
"""Input channels that two rows of mma sum; floats of a fragment of 16 filters x 8 channels."""
PACKERS = 128
LIMITS = {"max_r": 15, "max_s": 15}
"""Masks of taps have 16 bits a row and a column."""
COLUMN = 1 << 16
"""Of a mask of taps: bit r says that row r of the filter meets the image, bit 16 + s that column s does."""


@cuda.jit(device=True, inline="always")
def divide(a, b):
    """a // b of numbers that are not negative: Numba's signed division has 64 bits and rounds down, four times as long."""
    return int32(uint32(a) // uint32(b))


@cuda.jit(device=True, inline="always")
def meeting(start, size, taps):
    """Bits first to last - 1: the taps of a window from start on that lie in 0 to size - 1."""
    return int32((int32(1) << min(taps, int32(size - start))) - (int32(1) << max(int32(-start), int32(0))))


@cuda.jit
def tensor_core_pack(w, packed, stride, pad_top, pad_left):
    """Lays the filter out as fragments: [tap][16 channels][16 filters][half][lane][4], zeros where w has nothing.

    Lane 4 g + t of half h gets channels 4 t + 2 h and the next of two neighbouring filters. Those are rows g and g + 8
    of the mma; two tiles of 16 take turns, so that a lane ends up with four neighbouring filters to store.
    """
    me = int32(cuda.blockIdx.x * PACKERS + cuda.threadIdx.x)
    if 4 * me >= packed.size:
        return
    slices, tiles = divide(packed.shape[2], SLICE), divide(packed.shape[3], 16)
    g, t, half, rest = me // 4 % 8, me % 4, me // 32 % 2, me // 64
    f, rest = rest % tiles, divide(rest, tiles)
    c, tap = rest % slices * SLICE + 4 * t + 2 * half, divide(rest, slices)
    k = f // 2 * 32 + 4 * g + f % 2 * 2
    mine = cuda.local.array(4, float32)
    for i in range(4):
        mine[i] = float32(0)
        if c + i // 2 < w.shape[2] and k + i % 2 < w.shape[3]:
            mine[i] = to_tf32(w[divide(tap, w.shape[1]), tap % w.shape[1], c + i // 2, k + i % 2])
    store4(packed, 4 * me, mine[0], mine[1], mine[2], mine[3])


@cuda.jit
def tensor_core_resize(source, target, stride, pad_top, pad_left):
    """Copies images, with zeros as further channels or without the last ones."""
    c, j, m = cuda.grid(3)
    if c < target.shape[3] and j < target.shape[2] and m < target.shape[0] * target.shape[1]:
        n, i = divide(m, target.shape[1]), m % target.shape[1]
        target[n, i, j, c] = source[n, i, j, c] if c < source.shape[3] else float32(0)


def make(pixels, filters, warp_pixels, warp_filters, slices, stages):
    """A kernel whose blocks compute pixels x filters.

    Args:
        pixels: Output pixels of a block.
        filters: Output channels of a block.
        warp_pixels: Pixels of a warp.
        warp_filters: Its output channels.
        slices: Slices of 16 input channels that a block takes at a time, 1 or 2.
        stages: So many of these in shared memory: one is multiplied, the others are on their way.

    Returns:
        The kernel, its threads a block, and its shared memory in bytes.
    """
    warps_across = filters // warp_filters
    threads = pixels // warp_pixels * warps_across * 32
    x_copies, w_copies, x_apart, w_apart = pixels * 4 // threads, filters * 4 // threads, threads // 4, threads * 4
    x_slice, w_slice = pixels * SLICE, filters * SLICE
    w_start, stage = slices * x_slice, slices * (x_slice + w_slice)
    last, ahead = (stages - 1) * stage, stages - 2
    down, across = warp_filters // 16, warp_pixels // 8  # a warp's sums, in tiles of an mma
    n_total, n_x, n_w = down * across * 4, across * 4, down * 4

    @cuda.jit(device=True, inline="always")
    def copy(tile, to, x, packed, window, mask, from_x, from_w, w_step, taps, rest, more):
        """Starts this thread's copies of a stage; where there is no more, of zeros."""
        for i in range(x_copies):
            meets = (int32(mask[i] & taps) == taps) & more
            for q in range(slices):
                here = int32(window[i] + from_x) + q * SLICE
                copy4_async(tile, to + q * x_slice + i * x_apart * SLICE, x, here, meets & (rest > int32(q * SLICE)))
        for i in range(w_copies):
            for q in range(slices):
                here = from_w + q * w_step + i * w_apart
                copy4_async(tile, to + w_start + q * w_slice + i * w_apart, packed, here, more)
        commit_copies()

    @cuda.jit(device=True, inline="always")
    def advance(from_x, rest, s, taps, mine, padded, next_column, columns, next_row):
        """The next stage's place in (r, s, c). Choices, not branches: the mma around it go on in one piece."""
        from_x, rest = int32(from_x + slices * SLICE), int32(rest - slices * SLICE)
        next_tap = int32(mine - rest) == padded
        rest = mine if next_tap else rest
        from_x = int32(from_x + (next_column if next_tap else int32(0)))
        s = int32(s + (int32(1) if next_tap else int32(0)))
        taps = int32(taps + ((taps & int32(-COLUMN)) if next_tap else int32(0)))
        below = s == columns
        s = int32(0) if below else s
        from_x = int32(from_x + (next_row if below else int32(0)))
        taps = int32(int32(COLUMN) | ((taps & int32(COLUMN - 1)) << int32(1))) if below else taps
        return from_x, rest, s, taps

    @cuda.jit(device=True, inline="always")
    def multiply(tile, x_at, w_at, mine_x, mine_w, total):
        """Adds the products of 16 channels: 2 x 4 x 8 mma for 16 loads, all of them from banks of their own."""
        for i in range(across):
            a, b, c, d = load4(tile, x_at + i * 8 * SLICE)
            mine_x[4 * i], mine_x[4 * i + 1] = to_tf32(a), to_tf32(b)
            mine_x[4 * i + 2], mine_x[4 * i + 3] = to_tf32(c), to_tf32(d)
        for half in range(2):
            for f in range(down):
                a, b, c, d = load4(tile, w_at + (2 * f + half) * FRAGMENT)
                mine_w[4 * f], mine_w[4 * f + 1], mine_w[4 * f + 2], mine_w[4 * f + 3] = a, b, c, d
            for f in range(down):
                for i in range(across):
                    w, x, o = 4 * f, 4 * i + 2 * half, 4 * (f * across + i)
                    total[o], total[o + 1], total[o + 2], total[o + 3] = mma_tf32(
                        mine_w[w], mine_w[w + 1], mine_w[w + 2], mine_w[w + 3], mine_x[x], mine_x[x + 1],
                        total[o], total[o + 1], total[o + 2], total[o + 3],
                    )  # fmt: skip

    @cuda.jit
    def kernel(x, w, y, packed, stride, pad_top, pad_left):
        """Convolves x with w, which comes packed, into y."""
        tile = cuda.shared.array(0, float32)
        total = cuda.local.array(n_total, float32)
        mine_x, mine_w = cuda.local.array(n_x, float32), cuda.local.array(n_w, float32)
        window, mask = cuda.local.array(x_copies, np.int32), cuda.local.array(x_copies, np.int32)
        height, width, channels = int32(x.shape[1]), int32(x.shape[2]), int32(x.shape[3])
        columns, filters_all, width_out = int32(w.shape[1]), int32(y.shape[3]), int32(y.shape[2])
        area = int32(y.shape[1] * y.shape[2])
        pixels_all = int32(y.shape[0] * area)
        me = int32(cuda.threadIdx.x)
        m0, k0 = int32(cuda.blockIdx.x * pixels), int32(cuda.blockIdx.y * filters)

        # What this thread copies: a quarter of a slice of every x_apart-th pixel, every threads-th vector of packed.
        chunk = int32(me & 3)
        for i in range(x_copies):
            m = min(int32(m0 + (me >> 2) + i * x_apart), int32(pixels_all - 1))
            n = divide(m, area)
            row = divide(m - n * area, width_out)
            top = int32(row * stride - pad_top)
            left = int32((m - n * area - row * width_out) * stride - pad_left)
            window[i] = int32(((n * height + top) * width + left) * channels + 4 * chunk)
            mask[i] = meeting(top, height, int32(w.shape[0])) | meeting(left, width, columns) << int32(16)
        # Indices of 64 bits where a constant is added to them: the compiler then makes it part of the instruction.
        w_step = int64(packed.shape[3]) * SLICE
        from_w = int64(k0) * SLICE + 4 * me

        # What it multiplies: lane 4 g + t begins with pixel g and channels 4 t to 4 t + 3 of its warp's patch.
        lane, down_from = int32(me & 31), int32((me >> 5) // warps_across * warp_pixels)
        across_from = int32((me >> 5) % warps_across * warp_filters)
        x_at = int64((down_from + (lane >> 2)) * SLICE + 4 * (lane & 3))
        w_at = int64(w_start + across_from * SLICE + 4 * lane)
        for i in range(n_total):
            total[i] = float32(0)

        # The taps of the filter one after the other; of each all channels, slices x 16 at a time.
        rounds = divide(packed.shape[2], slices * SLICE)
        steps, padded = int32(w.shape[0] * columns * rounds), int32(rounds * (slices * SLICE))
        next_column, next_row = int32(channels - padded), int32((width - columns) * channels)
        mine = int32(channels - 4 * chunk)  # so many are left in x from this thread's chunk on; packed has zeros
        from_x, rest, s, taps = int32(0), mine, int32(0), int32(COLUMN | 1)
        write, read = int64(4 * me), int64(0)
        for p in range(stages - 1):  # the first stages
            copy(tile, write, x, packed, window, mask, from_x, from_w, w_step, taps, rest, int32(p) < steps)
            write, from_w = write + stage, from_w + slices * w_step
            from_x, rest, s, taps = advance(from_x, rest, s, taps, mine, padded, next_column, columns, next_row)
        for step in range(int32(stages - 1), int32(steps + (stages - 1))):
            wait_copies(ahead)
            cuda.syncthreads()
            multiply(tile, read + x_at, read + w_at, mine_x, mine_w, total)
            # In the middle: the mma before it keep the tensor cores busy while addresses are computed.
            copy(tile, write, x, packed, window, mask, from_x, from_w, w_step, taps, rest, step < steps)
            if slices == 2:
                multiply(tile, read + x_at + x_slice, read + w_at + w_slice, mine_x, mine_w, total)
            write, from_w = read + 4 * me, from_w + slices * w_step
            from_x, rest, s, taps = advance(from_x, rest, s, taps, mine, padded, next_column, columns, next_row)
            read = read + stage if read < last else int64(0)

        # A lane has pixels 2 t and 2 t + 1 of every 8, and of every 32 filters 4 g to 4 g + 3: 8 lanes store 128 bytes.
        for i in range(across):
            for odd in range(2):
                m = int32(m0 + down_from + i * 8 + 2 * (lane & 3) + odd)
                for f in range(down // 2):
                    k = int32(k0 + across_from + 32 * f + 4 * (lane >> 2))
                    o = 4 * (2 * f * across + i) + odd
                    p = o + 4 * across
                    if m < pixels_all and k < filters_all:
                        store4(y, int64(m) * filters_all + k, total[o], total[o + 2], total[p], total[p + 2])

    return kernel, threads, stages * stage * 4


def variant(name, made, pixels, filters, channels, resident, **needs):
    """The variant of a kernel that `make` made: the filter is packed first, padded to whole tiles."""
    _, threads, shared_bytes = made
    packed = "r", "s", f"c^{channels}", f"k^{filters}"
    packing = Step("tensor_core_pack", (PACKERS, 1, 1), ("*".join(packed), "1", "1"), (4 * PACKERS, 1, 1), ("w", "packed"))
    cover, each = ("n*h_out*w_out", "k", "1"), (pixels, filters, 1)
    step = Step(name, (threads, 1, 1), cover, each, ("x", "w", "y", "packed"), shared_bytes, resident)
    return Variant((packing, step), {"c_multiple": 4, "k_multiple": 4, **LIMITS, **needs}, {"packed": packed})


def padded(of):
    """A variant for any number of channels: another's steps, between copies that pad x and cut y."""
    packing, step = of.steps
    threads, wide = (4, 64, 1), ("n", "h_out", "w_out", "k^4")
    before = Step("tensor_core_resize", threads, ("c^4", "w", "n*h"), threads, ("x", "padded"))
    after = Step("tensor_core_resize", threads, ("k", "w_out", "n*h_out"), threads, ("wide", "y"))
    step = replace(step, arrays=("padded", "w", "wide", "packed"))
    temporaries = {**of.temporaries, "padded": ("n", "h", "w", "c^4"), "wide": wide}
    return Variant((before, packing, step, after), LIMITS, temporaries)


NARROW = make(128, 32, 32, 32, slices=1, stages=3)
SMALL = make(64, 64, 32, 32, slices=1, stages=4)
MEDIUM = make(128, 64, 64, 64, slices=2, stages=3)
WIDE = make(128, 128, 64, 64, slices=2, stages=3)
tensor_core_narrow, tensor_core_small, tensor_core_medium, tensor_core = NARROW[0], SMALL[0], MEDIUM[0], WIDE[0]

VARIANTS = (
    variant("tensor_core_narrow", NARROW, 128, 32, 16, 5, max_k=32),
    # Few pixels: small patches, so that all multiprocessors have some.
    variant("tensor_core_small", SMALL, 64, 64, 16, 5, max_pixels=50000),
    variant("tensor_core_medium", MEDIUM, 128, 64, 32, 3, max_k=64),
    variant("tensor_core", WIDE, 128, 128, 32, 2),
    padded(variant("tensor_core_narrow", NARROW, 128, 32, 16, 5)),
)
