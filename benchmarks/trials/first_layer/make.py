"""Writes the trial kernels of the first layer into src/: make.py. Names say F filters, P pixels, R rows, S column parts, B resident blocks."""
import pathlib

HEAD = '''"""Trial: the first layer of a network, 3 x 3 taps of 3 channels."""
import numpy as np
from numba import cuda, float32, int32, uint32

from autograder.ladder.layout import Step, Variant
from gpulabs.intrinsics import load1, load4, store4
{extra_import}
CHANNELS, SIZE = 3, 3
PIXELS, FILTERS = {P}, {F}
ROWS, COLUMNS, WIDE, SPLIT = {R}, 32, 32, {S}
LANES = WIDE // FILTERS
TURNS = {T}
"""Rows that a thread computes, one after the other."""
TOGETHER = ROWS // TURNS
THREADS = LANES * TOGETHER * SPLIT
TAPS = SIZE * SIZE * CHANNELS
LINE, LINES = (COLUMNS + SIZE - 1) * CHANNELS, ROWS + SIZE - 1
PITCH = 108
ACROSS = min(THREADS, 128)
PARTS, DOWN = 128 // ACROSS, THREADS // ACROSS
FETCH = -(-LINES // DOWN)
ROW_TAPS = SIZE * CHANNELS
ROW_W = ROW_TAPS * FILTERS
FOURS = -(-(PIXELS + SIZE - 1) * CHANNELS // 4)
X_TILE, TOTAL, WINDOW, HELD = LINES * PITCH, PIXELS * FILTERS, FOURS * 4, FETCH * PARTS

VARIANTS = (
    Variant(
        (Step("few_channels", (THREADS, 1, 1), ("w_out^32*k^32", "h_out", "n"), (COLUMNS * WIDE, ROWS, 1), resident={B}),),
        needs={{"c": CHANNELS, "r": SIZE, "s": SIZE, "stride": 1, "k_multiple": 4}},
    ),
)


@cuda.jit
def few_channels(x, w, y, stride, pad_top, pad_left):
    x_tile = cuda.shared.array(X_TILE, float32)
    held = cuda.local.array(HELD, float32)
    total = cuda.local.array(TOTAL, float32)
    window = cuda.local.array(WINDOW, float32)
    w0 = cuda.local.array(ROW_W, float32)
    w1 = cuda.local.array(ROW_W, float32)
    w2 = cuda.local.array(ROW_W, float32)
    height, floats = int32(x.shape[1]), int32(x.shape[2] * CHANNELS)
    h_out, w_out, filters = int32(y.shape[1]), int32(y.shape[2]), int32(y.shape[3])
    me = int32(cuda.threadIdx.x)
    n, i0 = int32(cuda.blockIdx.z), int32(int32(cuda.blockIdx.y) * ROWS)
    j0, k0 = int32(int32(cuda.blockIdx.x) * COLUMNS), int32(0)
    while j0 >= w_out:  # once for each 32 filters: no division
        j0, k0 = int32(j0 - ((w_out + 31) & ~31)), int32(k0 + WIDE)

    top, left = int32(i0 - pad_top), int32((j0 - pad_left) * CHANNELS)
    at, down = int32(me & (ACROSS - 1)), int32(me >> 7)
    begin_x = int32(int32(int32(n * height) + top + down) * floats + left + at)
'''
def w_load(F):
    names = [", ".join(f"w{r}[t * {F} + {f}]" for f in range(F)) for r in range(3)]
    return f"""    k = int32(k0 + (me & (LANES - 1)) * FILTERS)
    first = int32(min(k, int32(filters - FILTERS)))
    for t in range(ROW_TAPS):
        {names[0]} = load{F}(w, first + t * filters)
        {names[1]} = load{F}(w, first + (t + ROW_TAPS) * filters)
        {names[2]} = load{F}(w, first + (t + 2 * ROW_TAPS) * filters)
"""


X_LOAD = {"branch": '''    for part in range(PARTS):
        col = int32(at + part * ACROSS)
        fits = col < LINE and uint32(left + col) < uint32(floats)
        for q in range(FETCH):
            held[part * FETCH + q] = np.float32(0)
            if fits and uint32(top + down + q * DOWN) < uint32(height):
                held[part * FETCH + q] = load1(x, begin_x + part * ACROSS + q * DOWN * floats)
''', "select": '''    for part in range(PARTS):
        col = int32(at + part * ACROSS)
        fits = col < LINE and uint32(left + col) < uint32(floats)
        for q in range(FETCH):
            inside = fits & (uint32(top + down + q * DOWN) < uint32(height))
            got = load1(x, int32(begin_x + part * ACROSS + q * DOWN * floats) if inside else int32(0))
            held[part * FETCH + q] = got if inside else np.float32(0)
'''}
X_STORE = '''    to = int32(down * PITCH + at)
    for part in range(PARTS):
        if at + part * ACROSS < LINE:
            for q in range(FETCH):
                if LINES % DOWN == 0 or down + q * DOWN < LINES:
                    store1(x_tile, to + part * ACROSS + q * DOWN * PITCH, held[part * FETCH + q])
    cuda.syncthreads()

'''
MAIN = '''    group = int32(me >> (5 - FILTERS // 2))
    row, piece = int32(group & (TOGETHER - 1)), int32(group // TOGETHER)
{rows}'''
ONE = '''    i = int32(i0 + row)
    j = int32(j0 + piece * (COLUMNS // SPLIT))
    end = int32(min(int32(j + COLUMNS // SPLIT), w_out)) if i < h_out and k < filters else j
    begin = int32(row * PITCH + piece * (COLUMNS // SPLIT * CHANNELS))
    place = int32(int32(int32(int32(n * h_out) + i) * w_out + j) * filters + k)
    while j < end:
        for t in range(TOTAL):
            total[t] = np.float32(0)
{rows}        store{F}(y, place, {t0})
        for p in range(1, PIXELS):
            if int32(j + p) < end:
                store{F}(y, place + p * filters, {tp})
        begin = int32(begin + PIXELS * CHANNELS)
        place = int32(place + PIXELS * filters)
        j = int32(j + PIXELS)
'''
ROW = '''        for q in range(FOURS):
            a = 4 * q
            window[a], window[a + 1], window[a + 2], window[a + 3] = load4(x_tile, begin + ({r} * PITCH + a))
        for t in range(ROW_TAPS):
            for p in range(PIXELS):
                for f in range(FILTERS):
                    total[p * FILTERS + f] += window[p * CHANNELS + t] * w{r}[t * FILTERS + f]
'''


def source(F, P, R, S, B, T=1, order="xw", load="branch", part=""):
    extra = "from trial_intrinsics import load2, store1, store2\n"
    rows = "".join(ROW.format(r=r) for r in range(3))
    if part == "nocompute":
        rows = "        total[0] = w0[0] + w1[1] + w2[2] + load1(x_tile, begin)\n"
    one = ONE.format(rows=rows, F=F, t0=", ".join(f"total[{f}]" for f in range(F)), tp=", ".join(f"total[p * {F} + {f}]" for f in range(F)))
    if part == "nostore":
        a, b = one.index("        store"), one.index("        begin = int32(begin +")
        one = one[:a] + "        for t in range(1, TOTAL):\n            total[0] += total[t]\n        if total[0] == np.float32(1e30):\n" \
            + f"            store{F}(y, place, {', '.join(['total[0]'] * F)})\n" + one[b:]
    if T > 1:
        one = "    for turn in range(int32(0), int32(TURNS)):\n" + "".join("    " + line + "\n" for line in one.splitlines()) + "        row = int32(row + TOGETHER)\n"
    loads = [X_LOAD[load], w_load(F)]
    return HEAD.format(F=F, P=P, R=R, S=S, B=B, T=T, extra_import=extra) + "".join(loads if order == "xw" else loads[::-1]) + X_STORE + MAIN.format(rows=one)


FAMILY = [
    *(dict(F=4, P=P, R=R, S=1, B=B) for P in (4, 8) for R, B in ((4, 8), (8, 4), (16, 2), (32, 1))),
    *(dict(F=2, P=P, R=R, S=1, B=B) for P in (4, 8) for R, B in ((4, 8), (8, 4), (16, 2))),
    *(dict(F=1, P=4, R=R, S=1, B=B) for R, B in ((4, 8), (8, 4))),
    *(dict(F=1, P=P, R=R, S=1, B=B, T=2) for P in (8, 16) for R, B in ((8, 4), (16, 2))),
    dict(F=2, P=8, R=16, S=1, B=2, T=2),
    dict(F=4, P=4, R=4, S=2, B=6),
    dict(F=4, P=4, R=8, S=1, B=4, order="wx"),
    dict(F=4, P=8, R=8, S=1, B=4, order="wx"),
    dict(F=4, P=4, R=8, S=1, B=4, load="select"),
    dict(F=4, P=4, R=8, S=1, B=4, part="nocompute"),
    dict(F=4, P=4, R=8, S=1, B=4, part="nostore"),
    dict(F=4, P=8, R=8, S=1, B=4, part="nostore"),
]
"""Each fits as one wave of blocks on 132 multiprocessors, for 128 images of 32 x 32 outputs, but the one with S = 2."""


def name(F, P, R, S, B, T=1, order="xw", load="branch", part=""):
    found = f"f{F}_p{P}_r{R}_b{B}" + (f"_s{S}" if S > 1 else "") + (f"_t{T}" if T > 1 else "") + ("_wx" if order == "wx" else "")
    return ("z_" if part else "") + found + ("_select" if load == "select" else "") + (f"_{part}" if part else "")


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent / "src"
    here.mkdir(exist_ok=True)
    for floor in here.parent.glob("z_*.py"):
        (here / floor.name).write_text(floor.read_text())
    for each in FAMILY:
        (here / f"{name(**each)}.py").write_text(source(**each))
