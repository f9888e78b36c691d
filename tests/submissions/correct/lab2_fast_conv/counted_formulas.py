# The formulas in other algebra: NumPy, counters, a search for the number of blocks.

# %% task: tile_plan
import numpy as np


def tile_bytes(tile_h, tile_w, r, s, c, stride):
    last_row = max(i * stride + tap for i in range(tile_h) for tap in range(r))
    last_column = max(j * stride + tap for j in range(tile_w) for tap in range(s))
    return np.dtype(np.float32).itemsize * (last_row + 1) * (last_column + 1) * c


def reads_saved(tile_h, tile_w, r, s):
    rows, columns = 1 + (r - 1) / tile_h, 1 + (s - 1) / tile_w
    return (r / rows) * (s / columns)


# %% task: bank_conflicts
from collections import Counter


def bank_conflicts(words):
    (_, passes), = Counter(word & 31 for word in {int(word) for word in words}).most_common(1)
    return passes


# %% task: occupancy
import math


def occupancy(threads, registers, shared_bytes, limits):
    warps = math.ceil(threads / 32)
    register_units = math.ceil(32 * registers / limits["register_unit"])
    shared_units = math.ceil(shared_bytes / limits["shared_unit"])

    def fits(blocks):
        return (
            blocks <= limits["blocks_per_sm"]
            and blocks * warps <= limits["warps_per_sm"]
            and blocks * warps * 32 <= limits["threads_per_sm"]
            and blocks * warps * register_units * limits["register_unit"] <= limits["registers_per_sm"]
            and blocks * shared_units * limits["shared_unit"] <= limits["shared_bytes_per_sm"]
        )

    blocks = 0
    while fits(blocks + 1):
        blocks += 1
    return blocks * warps / limits["warps_per_sm"]
