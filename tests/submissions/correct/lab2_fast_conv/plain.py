# Everything right, plainly: kernels made by factories, a tile a filter position, 4 x 4 outputs a thread.
# loses on gpu: conv_challenge.speed

# %% task: tile_plan
def tile_bytes(tile_h, tile_w, r, s, c, stride):
    rows = (tile_h - 1) * stride + r
    columns = (tile_w - 1) * stride + s
    return 4 * rows * columns * c


def reads_saved(tile_h, tile_w, r, s):
    return (tile_h * tile_w * r * s) / ((tile_h + r - 1) * (tile_w + s - 1))


# %% task: conv_tiled
import functools

import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding

SIDE, DEPTH = 4, 16


@functools.lru_cache(None)
def make_tiled(r_size, s_size, stride):
    rows, columns = (SIDE - 1) * stride + r_size, (SIDE - 1) * stride + s_size

    @cuda.jit
    def tiled(x, w, y, top, left):
        tile = cuda.shared.array((rows, columns, DEPTH), np.float32)
        tx, ty, tz = cuda.threadIdx.x, cuda.threadIdx.y, cuda.threadIdx.z
        channels = x.shape[3]
        across = (y.shape[2] + SIDE - 1) // SIDE
        i0, j0 = cuda.blockIdx.x // across * SIDE, cuda.blockIdx.x % across * SIDE
        i, j, k, n = i0 + tz, j0 + ty, cuda.blockIdx.y * 16 + tx, cuda.blockIdx.z
        total = np.float32(0)
        for c0 in range(0, channels, DEPTH):
            cuda.syncthreads()
            for place in range(tz * SIDE + ty, rows * columns, SIDE * SIDE):
                a, b = place // columns, place % columns
                row, column, c = i0 * stride - top + a, j0 * stride - left + b, c0 + tx
                value = np.float32(0)
                if 0 <= row and row < x.shape[1] and 0 <= column and column < x.shape[2] and c < channels:
                    value = x[n, row, column, c]
                tile[a, b, tx] = value
            cuda.syncthreads()
            if k < w.shape[3]:
                for r in range(r_size):
                    for s in range(s_size):
                        for c in range(min(DEPTH, channels - c0)):
                            total += tile[tz * stride + r, ty * stride + s, c] * w[r, s, c0 + c, k]
        if i < y.shape[1] and j < y.shape[2] and k < y.shape[3]:
            y[n, i, j, k] = total

    return tiled


def conv_tiled(x, w, stride, padding):
    shape = output_shape(x.shape, w.shape, stride, padding)
    top = left = 0
    if padding == "same":
        top, left = same_padding(x.shape[1], w.shape[0], stride)[0], same_padding(x.shape[2], w.shape[1], stride)[0]
    y = cuda.device_array(shape, np.float32)
    blocks = -(-shape[1] // SIDE) * -(-shape[2] // SIDE)
    kernel = make_tiled(w.shape[0], w.shape[1], stride)
    kernel[(blocks, -(-shape[3] // 16), shape[0]), (16, SIDE, SIDE)](x, w, y, top, left)
    return y


# %% task: bank_conflicts
def bank_conflicts(words):
    return max(len({word for word in words if word % 32 == bank}) for bank in range(32))


# %% task: occupancy
def occupancy(threads, registers, shared_bytes, limits):
    warps = -(-threads // 32)
    blocks = min(limits["blocks_per_sm"], limits["warps_per_sm"] // warps)
    if registers:
        unit = limits["register_unit"]
        per_warp = -(-32 * registers // unit) * unit
        blocks = min(blocks, limits["registers_per_sm"] // (per_warp * warps))
    if shared_bytes:
        unit = limits["shared_unit"]
        blocks = min(blocks, limits["shared_bytes_per_sm"] // (-(-shared_bytes // unit) * unit))
    return blocks * warps / limits["warps_per_sm"]


# %% task: conv_blocked
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding

SIZE, STEP, PATCH = 32, 8, 4


@cuda.jit
def blocked(x, w, y, stride, top, left):
    pixels = cuda.shared.array((STEP, SIZE), np.float32)
    filters = cuda.shared.array((STEP, SIZE), np.float32)
    sums = cuda.local.array((PATCH, PATCH), np.float32)
    a = cuda.local.array(PATCH, np.float32)
    b = cuda.local.array(PATCH, np.float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    me = ty * 8 + tx
    rows, columns = y.shape[1], y.shape[2]
    first, k0 = cuda.blockIdx.x * SIZE, cuda.blockIdx.y * SIZE
    outputs = y.shape[0] * rows * columns
    for i in range(PATCH):
        for j in range(PATCH):
            sums[i, j] = np.float32(0)
    m = first + me % SIZE
    n, rest = m // (rows * columns), m % (rows * columns)
    i0, j0 = rest // columns * stride - top, rest % columns * stride - left
    for r in range(w.shape[0]):
        for s in range(w.shape[1]):
            row, column = i0 + r, j0 + s
            inside = m < outputs and row >= 0 and row < x.shape[1] and column >= 0 and column < x.shape[2]
            for c0 in range(0, x.shape[3], STEP):
                cuda.syncthreads()
                for part in range(4):
                    c = me // SIZE + 2 * part
                    value = np.float32(0)
                    if inside and c0 + c < x.shape[3]:
                        value = x[n, row, column, c0 + c]
                    pixels[c, me % SIZE] = value
                    weight = np.float32(0)
                    if c0 + c < x.shape[3] and k0 + me % SIZE < w.shape[3]:
                        weight = w[r, s, c0 + c, k0 + me % SIZE]
                    filters[c, me % SIZE] = weight
                cuda.syncthreads()
                for c in range(STEP):
                    for i in range(PATCH):
                        a[i] = pixels[c, ty * PATCH + i]
                        b[i] = filters[c, tx * PATCH + i]
                    for i in range(PATCH):
                        for j in range(PATCH):
                            sums[i, j] += a[i] * b[j]
    for i in range(PATCH):
        m = first + ty * PATCH + i
        if m < outputs:
            for j in range(PATCH):
                k = k0 + tx * PATCH + j
                if k < w.shape[3]:
                    y[m // (rows * columns), m // columns % rows, m % columns, k] = sums[i, j]


def conv_blocked(x, w, stride, padding):
    shape = output_shape(x.shape, w.shape, stride, padding)
    top = left = 0
    if padding == "same":
        top, left = same_padding(x.shape[1], w.shape[0], stride)[0], same_padding(x.shape[2], w.shape[1], stride)[0]
    y = cuda.device_array(shape, np.float32)
    outputs = shape[0] * shape[1] * shape[2]
    blocked[(-(-outputs // SIZE), -(-shape[3] // SIZE)), (8, 8)](x, w, y, stride, top, left)
    return y


# %% task: conv_vector
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding
from gpulabs.intrinsics import load4, store4

WIDE, DEEP = 64, 16


def make_vector(wide_x, wide_w):
    @cuda.jit(launch_bounds=(256, 2))
    def vector(x, w, y, stride, top, left):
        pixels = cuda.shared.array((DEEP, WIDE), np.float32)
        filters = cuda.shared.array((DEEP, WIDE), np.float32)
        sums = cuda.local.array((4, 4), np.float32)
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        me = ty * 16 + tx
        rows, columns, channels, outs = y.shape[1], y.shape[2], x.shape[3], w.shape[3]
        first, k0 = cuda.blockIdx.x * WIDE, cuda.blockIdx.y * WIDE
        outputs = y.shape[0] * rows * columns
        for i in range(4):
            for j in range(4):
                sums[i, j] = np.float32(0)
        m, part = first + me // 4, me % 4 * 4  # whose pixel, and which four of its channels, this thread fetches
        n, rest = m // (rows * columns), m % (rows * columns)
        i0, j0 = rest // columns * stride - top, rest % columns * stride - left
        depth, k = me // 16, k0 + me % 16 * 4
        for r in range(w.shape[0]):
            for s in range(w.shape[1]):
                row, column = i0 + r, j0 + s
                inside = m < outputs and row >= 0 and row < x.shape[1] and column >= 0 and column < x.shape[2]
                at = ((n * x.shape[1] + row) * x.shape[2] + column) * channels
                for c0 in range(0, channels, DEEP):
                    cuda.syncthreads()
                    if wide_x:
                        p0 = p1 = p2 = p3 = np.float32(0)
                        if inside and c0 + part < channels:
                            p0, p1, p2, p3 = load4(x, at + c0 + part)
                        pixels[part, me // 4], pixels[part + 1, me // 4] = p0, p1
                        pixels[part + 2, me // 4], pixels[part + 3, me // 4] = p2, p3
                    else:
                        for c in range(part, part + 4):
                            value = np.float32(0)
                            if inside and c0 + c < channels:
                                value = x[n, row, column, c0 + c]
                            pixels[c, me // 4] = value
                    if wide_w:
                        q0 = q1 = q2 = q3 = np.float32(0)
                        if c0 + depth < channels and k < outs:
                            q0, q1, q2, q3 = load4(w, ((r * w.shape[1] + s) * channels + c0 + depth) * outs + k)
                        store4(filters, depth * WIDE + me % 16 * 4, q0, q1, q2, q3)
                    else:
                        for j in range(4):
                            weight = np.float32(0)
                            if c0 + depth < channels and k + j < outs:
                                weight = w[r, s, c0 + depth, k + j]
                            filters[depth, me % 16 * 4 + j] = weight
                    cuda.syncthreads()
                    for c in range(DEEP):
                        a = load4(pixels, c * WIDE + ty * 4)
                        b = load4(filters, c * WIDE + tx * 4)
                        for i in range(4):
                            for j in range(4):
                                sums[i, j] += a[i] * b[j]
        for i in range(4):
            m = first + ty * 4 + i
            if m < outputs:
                for j in range(4):
                    if k0 + tx * 4 + j < outs:
                        y[m // (rows * columns), m // columns % rows, m % columns, k0 + tx * 4 + j] = sums[i, j]

    return vector


KERNELS = {(wide_x, wide_w): make_vector(wide_x, wide_w) for wide_x in (False, True) for wide_w in (False, True)}


def conv_vector(x, w, stride, padding):
    shape = output_shape(x.shape, w.shape, stride, padding)
    top = left = 0
    if padding == "same":
        top, left = same_padding(x.shape[1], w.shape[0], stride)[0], same_padding(x.shape[2], w.shape[1], stride)[0]
    y = cuda.device_array(shape, np.float32)
    kernel = KERNELS[x.shape[3] % 4 == 0, w.shape[3] % 4 == 0]
    outputs = shape[0] * shape[1] * shape[2]
    kernel[(-(-outputs // WIDE), -(-shape[3] // WIDE)), (16, 16)](x, w, y, stride, top, left)
    return y


# %% task: conv_challenge
import numpy as np
from numba import cuda

from gpulabs.convolution import output_shape, same_padding


@cuda.jit(max_registers=64)
def simple(x, w, y, stride, top, left):
    k, j, m = cuda.grid(3)
    if k < y.shape[3] and j < y.shape[2] and m < y.shape[0] * y.shape[1]:
        n, i = m // y.shape[1], m % y.shape[1]
        total = np.float32(0)
        for r in range(w.shape[0]):
            row = i * stride - top + r
            if row >= 0 and row < x.shape[1]:
                for s in range(w.shape[1]):
                    column = j * stride - left + s
                    if column >= 0 and column < x.shape[2]:
                        for c in range(w.shape[2]):
                            total += x[n, row, column, c] * w[r, s, c, k]
        y[n, i, j, k] = total


def conv_challenge(x, w, stride, padding):
    shape = output_shape(x.shape, w.shape, stride, padding)
    top = left = 0
    if padding == "same":
        top, left = same_padding(x.shape[1], w.shape[0], stride)[0], same_padding(x.shape[2], w.shape[1], stride)[0]
    y = cuda.device_array(shape, np.float32)
    grid = -(-shape[3] // 32), -(-shape[2] // 8), shape[0] * shape[1]
    simple[grid, (32, 8, 1)](x, w, y, stride, top, left)
    return y
