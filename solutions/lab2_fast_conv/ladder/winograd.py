"""Rung 7 of the ladder: Winograd's F(2x2, 3x3), which multiplies 16 times where a convolution multiplies 36 times.

A tile of 2x2 outputs depends on a patch d of 4x4 inputs and on a filter g of 3x3: directly, 4 outputs take 9
multiplications each. Winograd's way takes one for each element of a 4x4 matrix (* is elementwise):

    Y = At [(G g Gt) * (Bt d B)] A

    Bt = 1  0 -1  0      G = 1    0    0      At = 1  1  1  0
         0  1  1  0          1/2  1/2  1/2         0  1 -1 -1
         0 -1  1  0          1/2 -1/2  1/2
         0  1  0 -1          0    0    1

U = G g Gt is made once a filter. V = Bt d B is 32 additions a patch, shared by all filters. At [...] A is linear,
so it waits until the sum over the channels is there. What is left for each channel, tile and filter is
U * V: for each of the 16 positions a matrix product, tiles x channels times channels x filters, with 16/36 of
the multiply-adds. A GPU's time goes into the multiply-adds, so at most 2.25 times the speed comes out.

V and the products hold 4 floats for each float of x and y. Through global memory, 256x34x34x128 -> 128 would
write and read 2.1 GB, which takes an H100 0.65 ms, as long as the products. So all is one kernel:

    block     16 tiles x 64 filters x 16 positions, 8 channels at a time; two blocks share a multiprocessor
    copies    U lies in memory in the order of its use: 32 KB in a row are a block's next 8 channels
    patches   each thread loads one, of one tile and channel, multiplies the last 8 channels, and only then
              transforms what has arrived meanwhile: one barrier a round
    thread    2 positions x 8 tiles x 8 filters: 128 sums in registers, as in rung 5's patch
    outputs   a thread has 2 of the 16 positions; through shared memory they meet in the thread that adds them

Needs a 3x3 filter and stride 1. U is padded with zeros to whole rounds and blocks, so any number of channels and
filters will do. TOLERANCE says how it rounds; an infinity or NaN reaches all four outputs of its tiles.

Source: Winograd, "Arithmetic complexity of computations" (1980); Lavin and Gray (arXiv 1509.09308) made it a
convolution; blocks of 16 positions in one kernel: Yan et al., "Optimizing batched Winograd convolution on GPUs" (2020).
"""

import numpy as np
from numba import cuda, float32, int32, uint32, uint64

from autograder.ladder.layout import Step, Variant
from gpulabs.intrinsics import commit_copies, copy4_async, load4, store4, wait_copies

COMPUTE_CAPABILITY = 8, 0
TOLERANCE = 5e-6
"""Largest error, relative to the largest output, for normal inputs of up to 512 channels. V's elements have variance
4, U's 1 to 9/16; an output adds 9 of their products, 25 in variance where a direct sum has 9. But each of the 9 is a
sum of C terms, not one of 9 C: adding C terms one by one, each rounded by up to u = 2^-24 of the sum so far, errs by
u C sqrt(25 / 6) rms. The largest of millions is 5.5 times that, the largest output 5.5 x 3 sqrt(C): 0.7 u sqrt(C),
1e-6 at 512 channels. Five times as much is allowed. Whole numbers come out exact while sums of 4 U V fit 24 bits."""

TILES, FILTERS, CHANNELS, THREADS = 16, 64, 8, 128
"""Of a block: tiles, filters, input channels a round, threads."""
V, U = CHANNELS * TILES, CHANNELS * FILTERS
"""Floats of one position, of V and of U, in a round."""
U_START = 16 * V
STAGE = U_START + 16 * U
"""Floats of a round; shared memory has room for two."""
PITCH = FILTERS + 4
"""From tile to tile, of the products in shared memory: 4 more than needed, so that 4 tiles go to other banks."""
PASS = 4 * THREADS
SUMS = 128
FULL = 0xFFFF
"""Of a mask of a patch: bit 4 r + s says that pixel (r, s) is inside the image."""
HALF = float32(0.5)
assert THREADS == V  # each thread transforms one patch a round
assert 16 * TILES * PITCH <= 2 * STAGE  # in the end the products take the same shared memory

VARIANTS = (
    Variant(
        (
            Step("winograd_filters", (64, 2, 1), ("k^64", "c^8", "1"), (64, 2, 1), arrays=("w", "u")),
            Step(
                "winograd",
                (THREADS, 1, 1),
                ("k^64", "n*h_half*w_half", "1"),
                (FILTERS, TILES, 1),
                arrays=("x", "u", "y"),
                shared_bytes=4 * 2 * STAGE,
                resident=2,
            ),
        ),
        needs={"r": 3, "s": 3, "stride": 1},
        temporaries={"u": ("16", "c^8", "k^64")},
    ),
)


@cuda.jit
def winograd_filters(w, u, stride, pad_top, pad_left):
    """U = G g Gt of each channel and filter, laid out as [filters / 64][channels / 8][position][channel][filter]."""
    k, c = cuda.grid(2)
    k, c = int32(k), int32(c)
    half = cuda.local.array((4, 3), float32)  # G g
    for s in range(3):
        top, middle, bottom = float32(0), float32(0), float32(0)
        if c < w.shape[2] and k < w.shape[3]:
            top, middle, bottom = w[0, s, c, k], w[1, s, c, k], w[2, s, c, k]
        half[0, s] = top
        half[1, s] = (top + middle + bottom) * HALF
        half[2, s] = (top - middle + bottom) * HALF
        half[3, s] = bottom
    rounds = int32(u.shape[1] >> 3)
    at = int32(((k >> 6) * rounds + (c >> 3)) * (16 * U) + (c & 7) * FILTERS + (k & 63))
    for r in range(4):
        left, middle, right = half[r, 0], half[r, 1], half[r, 2]
        u.flat[int32(at + 4 * r * U)] = left
        u.flat[int32(at + (4 * r + 1) * U)] = (left + middle + right) * HALF
        u.flat[int32(at + (4 * r + 2) * U)] = (left - middle + right) * HALF
        u.flat[int32(at + (4 * r + 3) * U)] = right


@cuda.jit(device=True, inline="always")
def place(tile, y):
    """Image, first row and first column of a tile's outputs."""
    down, across = int32((y.shape[1] + 1) >> 1), int32((y.shape[2] + 1) >> 1)
    n = int32(uint32(tile) // uint32(down * across))  # unsigned: Python's division of negatives takes longer
    rest = int32(tile - n * down * across)
    i = int32(uint32(rest) // uint32(across))
    return n, int32(2 * i), int32(2 * (rest - i * across))


@cuda.jit(device=True, inline="always")
def copy_filters(tile, to, u, source):
    """Starts this thread's copies of U for a round."""
    for p in range(16 * U // PASS):
        copy4_async(tile, to + p * PASS, u, source + p * PASS, True)
    commit_copies()


@cuda.jit(device=True, inline="always")
def load_patch(x, d, rows, cols, c):
    """Loads a 4x4 patch of channel c; nothing waits for it yet."""
    for r in range(4):
        row = int32(rows[r] + c)
        for s in range(4):
            d[4 * r + s] = x.flat[int32(row + cols[s])]


@cuda.jit(device=True, inline="always")
def store_patch(tile, to, d, mask):
    """V = Bt d B of a patch: one float for each of the 16 positions."""
    if mask != FULL:
        for e in range(16):
            if (mask >> e) & 1 == 0:
                d[e] = float32(0)
    half = cuda.local.array(16, float32)  # Bt d
    for s in range(4):
        half[s] = d[s] - d[8 + s]
        half[4 + s] = d[4 + s] + d[8 + s]
        half[8 + s] = d[8 + s] - d[4 + s]
        half[12 + s] = d[4 + s] - d[12 + s]
    for r in range(4):
        tile[to + uint64(4 * r * V)] = half[4 * r] - half[4 * r + 2]
        tile[to + uint64((4 * r + 1) * V)] = half[4 * r + 1] + half[4 * r + 2]
        tile[to + uint64((4 * r + 2) * V)] = half[4 * r + 2] - half[4 * r + 1]
        tile[to + uint64((4 * r + 3) * V)] = half[4 * r + 1] - half[4 * r + 3]


@cuda.jit(device=True, inline="always")
def fetch(tile, from_v, from_u, v, u):
    """Loads 8 tiles of V and 8 filters of U, of one position and channel."""
    v[0], v[1], v[2], v[3] = load4(tile, from_v)
    u[0], u[1], u[2], u[3] = load4(tile, from_u)
    v[4], v[5], v[6], v[7] = load4(tile, (from_v ^ int32(8)) + V // 2)  # two groups of 4 tiles on: c ^ q ^ 2
    u[4], u[5], u[6], u[7] = load4(tile, from_u + FILTERS // 2)


@cuda.jit(device=True, inline="always")
def multiply(total, start, v, u):
    """Multiplies and adds 8 tiles x 8 filters."""
    for i in range(8):
        for j in range(8):
            total[start + 8 * i + j] += v[i] * u[j]


@cuda.jit(device=True, inline="always")
def multiply_channel(tile, total, from_v, from_u, c, v0, u0, v1, u1):
    """Both positions of channel c, the first already loaded: one set of operands arrives while the other is used."""
    fetch(tile, int32(from_v ^ (4 * c)) + 2 * V, int32(from_u + c * FILTERS) + 2 * U, v1, u1)
    multiply(total, 0, v0, u0)
    # Of the next channel; after the last one these are other floats of the round, which nobody uses.
    fetch(tile, int32(from_v ^ (4 * c + 4)), int32(from_u + c * FILTERS) + FILTERS, v0, u0)
    multiply(total, SUMS // 2, v1, u1)


@cuda.jit(device=True, inline="always")
def store_row(y, n, i, j, k, half):
    """The two outputs of one row of a tile, of 4 filters: half times A."""
    filters = int32(y.shape[3])
    out = cuda.local.array(8, float32)
    for z in range(4):
        out[z] = half[z] + half[4 + z] + half[8 + z]
        out[4 + z] = half[4 + z] - half[8 + z] - half[12 + z]
    for s in range(2):
        if i < y.shape[1] and j + s < y.shape[2]:
            at = int32(((n * y.shape[1] + i) * y.shape[2] + j + s) * filters + k)
            if filters % 4 == 0 and k < filters:
                store4(y, at, out[4 * s], out[4 * s + 1], out[4 * s + 2], out[4 * s + 3])
            elif filters % 4:
                for z in range(4):
                    if k + z < filters:
                        y.flat[int32(at + z)] = out[4 * s + z]


@cuda.jit
def winograd(x, u, y, stride, pad_top, pad_left):
    """Convolves x with the filters behind u into y."""
    tile = cuda.shared.array(0, float32)
    total = cuda.local.array(SUMS, float32)
    d = cuda.local.array(16, float32)
    v0, u0 = cuda.local.array(8, float32), cuda.local.array(8, float32)
    v1, u1 = cuda.local.array(8, float32), cuda.local.array(8, float32)
    rows, cols = cuda.local.array(4, np.int32), cuda.local.array(4, np.int32)
    height, width, channels = int32(x.shape[1]), int32(x.shape[2]), int32(x.shape[3])
    tiles = int32(x.shape[0] * ((y.shape[1] + 1) >> 1) * ((y.shape[2] + 1) >> 1))
    rounds = int32(int32(channels + CHANNELS - 1) >> 3)
    me, t0, k0 = int32(cuda.threadIdx.x), int32(cuda.blockIdx.y * TILES), int32(cuda.blockIdx.x * FILTERS)

    # The patch that this thread brings: channel c of tile t. For a pixel outside, one inside is loaded and zeroed
    # later; for a channel too many the last one, which meets zeros in U.
    c, t = int32(me & 7), int32(me >> 3)
    n, i, j = place(min(int32(t0 + t), int32(tiles - 1)), y)
    mask = int32(FULL)
    for r in range(4):
        row, col = int32(i - pad_top + r), int32(j - pad_left + r)
        if row < 0 or row >= height:
            mask = int32(mask & (FULL - (0xF << (4 * r))))
        if col < 0 or col >= width:
            mask = int32(mask & (FULL - (0x1111 << r)))
        rows[r] = int32((n * height + min(max(row, int32(0)), int32(height - 1))) * width * channels)
        cols[r] = int32(min(max(col, int32(0)), int32(width - 1)) * channels)
    # V lies as [position][t / 4][c][t % 4]. There 4 tiles of a channel lie side by side for one load, but those of
    # neighbouring groups lie in the same banks: channel c of group q is stored at place c ^ q.
    to_v = int32(32 * (t >> 2) + 4 * (c ^ (t >> 2)) + (t & 3))
    to_u = int32(U_START + 4 * me)
    source = int32(cuda.blockIdx.x * rounds * (16 * U) + 4 * me)

    # What it multiplies: positions `first` and `first + 2`; 16 lanes a position, 2 along the tiles, 8 the filters.
    lane = int32(me & 31)
    down, across = int32(lane & 1), int32((lane >> 1) & 7)
    first = int32((me >> 5) * 4 + (lane >> 4))
    get_v = int32(first * V + 36 * down)
    get_u = int32(U_START + first * U + 4 * across)
    for e in range(SUMS):
        total[e] = float32(0)

    copy_filters(tile, to_u, u, source)
    load_patch(x, d, rows, cols, min(c, int32(channels - 1)))
    store_patch(tile, uint64(uint32(to_v)), d, mask)
    stage = int32(0)
    for left in range(int32(rounds - 1), int32(-1), int32(-1)):
        wait_copies(0)
        cuda.syncthreads()
        if left > 0:
            source, c = int32(source + 16 * U), int32(c + CHANNELS)
            copy_filters(tile, int32(to_u + STAGE - stage), u, source)
            load_patch(x, d, rows, cols, min(c, int32(channels - 1)))
        from_v, from_u = int32(stage + get_v), int32(stage + get_u)
        fetch(tile, from_v, from_u, v0, u0)
        for b in range(int32(0), int32(CHANNELS), int32(4)):
            multiply_channel(tile, total, from_v, from_u, b, v0, u0, v1, u1)
            multiply_channel(tile, total, from_v, from_u, b + 1, v0, u0, v1, u1)
            multiply_channel(tile, total, from_v, from_u, b + 2, v0, u0, v1, u1)
            multiply_channel(tile, total, from_v, from_u, b + 3, v0, u0, v1, u1)
        stage = int32(STAGE - stage)
        if left > 0:
            store_patch(tile, uint64(uint32(to_v + stage)), d, mask)
    cuda.syncthreads()

    # The products, as [position][tile][filter]: then At [...] A, 4 filters of a tile at a time.
    to = int32((first * TILES + 4 * down) * PITCH + 4 * across)
    for e in range(0, SUMS, 4):
        row = e // 64 * 2 * TILES + e % 64 // 32 * 8 + e % 32 // 8
        store4(tile, to + row * PITCH + e % 8 * 8, total[e], total[e + 1], total[e + 2], total[e + 3])
    cuda.syncthreads()
    top, bottom = cuda.local.array(16, float32), cuda.local.array(16, float32)
    quad = int32(4 * (me & 15))
    for part in range(2):
        t = int32((me >> 4) + 8 * part)
        for s in range(4):
            at = int32(t * PITCH + quad) + s * TILES * PITCH
            m0, m1 = load4(tile, at), load4(tile, at + 4 * TILES * PITCH)
            m2, m3 = load4(tile, at + 8 * TILES * PITCH), load4(tile, at + 12 * TILES * PITCH)
            for z in range(4):
                top[4 * s + z] = m0[z] + m1[z] + m2[z]
                bottom[4 * s + z] = m1[z] - m2[z] - m3[z]
        if t0 + t < tiles:
            n, i, j = place(int32(t0 + t), y)
            store_row(y, n, i, j, int32(k0 + quad), top)
            store_row(y, n, int32(i + 1), j, int32(k0 + quad), bottom)
