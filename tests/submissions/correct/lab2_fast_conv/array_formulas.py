# The formulas with arrays and exact fractions.

# %% task: tile_plan
from fractions import Fraction

import numpy as np


def tile_bytes(tile_h, tile_w, r, s, c, stride):
    outputs, taps = np.array([tile_h, tile_w]), np.array([r, s])
    return int(np.prod(outputs * stride + taps - stride) * c * 4)


def reads_saved(tile_h, tile_w, r, s):
    return float(Fraction(tile_h * r, tile_h + r - 1) * Fraction(tile_w * s, tile_w + s - 1))


# %% task: bank_conflicts
import numpy as np


def bank_conflicts(words):
    return int(np.bincount(np.unique(np.asarray(words)) % 32).max())


# %% task: occupancy
def occupancy(threads, registers, shared_bytes, limits):
    warps = (threads + 31) // 32
    needs = {"blocks_per_sm": 1, "warps_per_sm": warps, "threads_per_sm": 32 * warps}
    unit = limits["register_unit"]
    needs["registers_per_sm"] = warps * ((32 * registers + unit - 1) // unit * unit)
    unit = limits["shared_unit"]
    needs["shared_bytes_per_sm"] = (shared_bytes + unit - 1) // unit * unit
    return min(limits[name] // need for name, need in needs.items() if need) * warps / limits["warps_per_sm"]
