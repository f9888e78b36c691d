"""Questions of Lab 2, small closed formulas: tiles, banks of shared memory, occupancy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder.questions.question import number

if TYPE_CHECKING:
    from autograder.rubric import CaseSpec

WARP = 32
BANKS = 32
WORD_BYTES = 4
Limits = Mapping[str, int]

# Per multiprocessor, by compute capability. Source: CUDA C++ Programming Guide, "Technical Specifications per
# Compute Capability"; registers are given to warps in units of 256, shared memory to blocks in units of 128
# bytes (256 before 8.0).
DEVICES: tuple[dict[str, int], ...] = (
    {"threads_per_sm": 1024, "warps_per_sm": 32, "blocks_per_sm": 16, "registers_per_sm": 65536,
     "shared_bytes_per_sm": 65536, "register_unit": 256, "shared_unit": 256},  # 7.5, T4
    {"threads_per_sm": 2048, "warps_per_sm": 64, "blocks_per_sm": 32, "registers_per_sm": 65536,
     "shared_bytes_per_sm": 167936, "register_unit": 256, "shared_unit": 128},  # 8.0, A100
    {"threads_per_sm": 1536, "warps_per_sm": 48, "blocks_per_sm": 24, "registers_per_sm": 65536,
     "shared_bytes_per_sm": 102400, "register_unit": 256, "shared_unit": 128},  # 8.9, L4
    {"threads_per_sm": 2048, "warps_per_sm": 64, "blocks_per_sm": 32, "registers_per_sm": 65536,
     "shared_bytes_per_sm": 233472, "register_unit": 256, "shared_unit": 128},  # 9.0, H100
)  # fmt: skip
_WARP_UNIT = 4
"""NVIDIA's calculator has a multiprocessor's registers in four parts; cases are drawn where that changes nothing."""


def tile_bytes(tile_h: int, tile_w: int, r: int, s: int, c: int, stride: int) -> int:
    """Shared memory of an input tile with its halo, float32, in bytes, for tile_h x tile_w outputs."""
    return WORD_BYTES * ((tile_h - 1) * stride + r) * ((tile_w - 1) * stride + s) * c


def reads_saved(tile_h: int, tile_w: int, r: int, s: int) -> float:
    """How many times fewer global reads of x a tile needs than one read a tap, at stride 1."""
    return tile_h * tile_w * r * s / ((tile_h + r - 1) * (tile_w + s - 1))


def bank_passes(words: Sequence[int]) -> int:
    """Passes that a warp's access to shared memory takes: the most different words in one bank."""
    return max(len({word for word in words if word % BANKS == bank}) for bank in range(BANKS))


def occupancy(threads: int, registers: int, shared_bytes: int, limits: Limits) -> float:
    """Resident warps over the most that a multiprocessor holds.

    Source: NVIDIA's occupancy calculator (cuda_occupancy.h of the CUDA toolkit).
    """
    return _resident_blocks(threads, registers, shared_bytes, limits) * _up(threads, WARP) / limits["warps_per_sm"]


def _resident_blocks(threads: int, registers: int, shared_bytes: int, limits: Limits, warp_unit: int = 1) -> int:
    warps = _up(threads, WARP)
    blocks = min(limits["blocks_per_sm"], limits["warps_per_sm"] // warps, limits["threads_per_sm"] // (warps * WARP))
    if registers:
        unit = limits["register_unit"]
        of_warp = _up(registers * WARP, unit) * unit
        blocks = min(blocks, limits["registers_per_sm"] // of_warp // warp_unit * warp_unit // warps)
    if shared_bytes:
        of_block = _up(shared_bytes, limits["shared_unit"]) * limits["shared_unit"]
        blocks = min(blocks, limits["shared_bytes_per_sm"] // of_block)
    return blocks


def _up(size: int, unit: int) -> int:
    return -(-size // unit)


def _draw_tile(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    tile_h, tile_w, r, s = (int(rng.integers(low, high)) for low, high in ((4, 17), (4, 33), (1, 8), (1, 8)))
    return tile_h, tile_w, r, s, int(rng.integers(1, 33)), 1 + index % 3


def _draw_reads(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return _draw_tile(rng, index, spec)[:4]


def _draw_words(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """A warp's words: strides, rows of a padded array, broadcasts, pairs that share a word, and chance."""
    start, lanes = int(rng.integers(0, 512)), range(WARP)
    kind = index % 6
    if kind == 0:  # strides 1, 2, 4 ... 32, and odd ones
        stride = int(rng.choice([1, 2, 3, 4, 5, 8, 16, 31, 32, 33]))
        words = [start + stride * lane for lane in lanes]
    elif kind == 1:  # all the same word
        words = [start] * WARP
    elif kind == 2:  # a column of a tile, with or without padding
        pitch = int(rng.choice([32, 33, 34, 36, 40]))
        words = [start + pitch * lane for lane in lanes]
    elif kind == 3:  # 8 x 4 threads of a block read a patch
        pitch = int(rng.choice([10, 16, 18, 32, 34]))
        words = [start + pitch * (lane // 8) + lane % 8 for lane in lanes]
    elif kind == 4:  # neighbours share a word, words lie a bank row apart
        sharers = int(2 ** rng.integers(1, 4))
        words = [start + BANKS * (lane // sharers) for lane in lanes]
    else:
        words = [int(word) for word in rng.integers(0, 256, WARP)]
    return ([int(word) for word in words],)


def _draw_occupancy(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """Bound by registers, shared memory, both and neither in turn.

    Where registers decide, rounding them up to whole units matters, and where nothing does, part of a warp does:
    chance alone would show these slips in every second run at best.
    """
    for _ in range(1000):
        limits = DEVICES[int(rng.integers(len(DEVICES)))]
        threads = int(rng.choice([32, 64, 96, 128, 192, 256, 384, 512])) - int(rng.choice([0, 0, 0, 8]))
        registers, shared_bytes = int(rng.integers(16, 33)), 0
        if index % 4 == 0:
            registers = int(rng.integers(40, 200))
        elif index % 4 == 1:
            shared_bytes = int(rng.integers(4000, 49153))
        elif index % 4 == 3:
            threads = 32 * int(rng.integers(1, 6)) - 8
        elif index % 4 == 2:
            registers, shared_bytes = int(rng.integers(40, 129)), int(rng.integers(4000, 49153))
        arguments = threads, registers, shared_bytes, dict(limits)
        blocks = _resident_blocks(*arguments)
        finer = threads, registers, shared_bytes, {**limits, "register_unit": 1}
        telling = index % 4 != 0 or blocks != _resident_blocks(*finer)
        if telling and blocks == _resident_blocks(*arguments, warp_unit=_WARP_UNIT) > 0:
            break
    return arguments


def _slips_of_tile(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    tile_h, tile_w, r, s, c, stride = arguments
    too_far = (tile_h * stride + r - 1) * (tile_w * stride + s - 1)
    return [
        (right / WORD_BYTES, "How many bytes is a float32 long?"),
        (WORD_BYTES * tile_h * tile_w * c, "Where is the halo?"),
        (
            WORD_BYTES * too_far * c,
            "The last output's window starts (tile - 1) * stride further on, not tile * stride.",
        ),
        (tile_bytes(tile_h, tile_w, r, s, c, 1), "With stride t, neighbouring windows start t pixels apart."),
        (right / c, "Does the tile hold all channels?"),
    ]


def _slips_of_reads(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    return [
        (1 / right, "Times fewer: the reads without a tile over those with one."),
        (arguments[2] * arguments[3], "The halo is read too: the tile that is loaded is larger than the outputs."),
    ]


def _slips_of_banks(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    words = arguments[0]
    longest = max(sum(word % BANKS == bank for word in words) for bank in range(BANKS))
    return [
        (longest, "Threads that read the same word share one pass: count different words."),
        (longest - 1, "Without a conflict it is one pass, not none."),
        (right - 1, "Without a conflict it is one pass, not none."),
        (len({word % BANKS for word in words}), "Not how many banks are used: how many words the busiest one has."),
    ]


def _slips_of_occupancy(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    threads, registers, shared_bytes, limits = arguments
    finer = {**limits, "register_unit": 1, "shared_unit": 1}
    in_parts = _resident_blocks(threads, registers, shared_bytes, limits) * threads / WARP / limits["warps_per_sm"]
    return [
        (occupancy(threads, registers, shared_bytes, finer), "Registers are given to warps in whole units."),
        (occupancy(threads, 0, shared_bytes, limits), "Do the registers of all its warps fit?"),
        (occupancy(threads, registers, 0, limits), "Does the shared memory of all its blocks fit?"),
        (right * limits["warps_per_sm"], "Resident warps as a share of the most there can be."),
        (in_parts, "Part of a warp is a warp: round up before you multiply."),
    ]


QUESTIONS = (
    number("tile_bytes", _draw_tile, tile_bytes, _slips_of_tile),
    number("reads_saved", _draw_reads, reads_saved, _slips_of_reads, whole=False),
    number("banks", _draw_words, bank_passes, _slips_of_banks),
    number("occupancy", _draw_occupancy, occupancy, _slips_of_occupancy, whole=False),
)
