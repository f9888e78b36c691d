"""How many warps of a kernel fit on a multiprocessor, and which resource runs out first.

Source: NVIDIA, "CUDA C++ Programming Guide", "Technical specifications per compute capability", and the
occupancy calculator of its toolkit. The kilobyte of shared memory that a driver keeps for itself in each
block from compute capability 8.0 on is left out, and so is the division of registers into four parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gpulabs.access import WARP_SIZE
from gpulabs.errors import BadInputError

Limits = Mapping[str, int]


def _limits(threads: int, blocks: int, shared_kib: int, shared_unit: int) -> Limits:
    return MappingProxyType(
        {
            "threads_per_sm": threads,
            "warps_per_sm": threads // WARP_SIZE,
            "blocks_per_sm": blocks,
            "registers_per_sm": 65_536,
            "shared_bytes_per_sm": shared_kib * 1024,
            "register_unit": 256,  # registers are given to warps in units of so many
            "shared_unit": shared_unit,  # shared memory to blocks, in units of so many bytes
        }
    )


LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "V100": _limits(2048, 32, 96, 256),
        "T4": _limits(1024, 16, 64, 256),
        "A100": _limits(2048, 32, 164, 128),
        "RTX 3090": _limits(1536, 16, 100, 128),
        "L4": _limits(1536, 24, 100, 128),
        "H100": _limits(2048, 32, 228, 128),
    }
)
"""What one multiprocessor has, by GPU."""

_BY_CAPABILITY = {"7.0": "V100", "7.5": "T4", "8.0": "A100", "8.6": "RTX 3090", "8.9": "L4", "9.0": "H100"}


def limits_of(compute_capability: str) -> tuple[str, Limits]:
    """The limits of a GPU's multiprocessors, and the name of the GPU whose limits they are.

    Args:
        compute_capability: E.g. `9.0`; an H100's limits stand in for one that is not listed, or for none.

    Example:
        >>> limits_of("7.5")[1]["threads_per_sm"]
        1024
    """
    name = _BY_CAPABILITY.get(compute_capability, "H100")
    return name, LIMITS[name]


def blocks_by_limit(threads: int, registers: int, shared_bytes: int, limits: Limits) -> dict[str, int]:
    """How many blocks each resource of a multiprocessor would allow; the least of them is what fits.

    Args:
        threads: Threads a block.
        registers: Registers a thread.
        shared_bytes: Shared memory a block.
        limits: Of the GPU, one of `LIMITS`.

    Returns:
        Resource -> blocks; a resource that the kernel doesn't use is left out.

    Raises:
        BadInputError: No threads, or a negative number of anything.

    Example:
        >>> blocks_by_limit(256, 96, 12_288, LIMITS["T4"])
        {'blocks': 16, 'threads': 4, 'registers': 2, 'shared memory': 5}
    """
    if threads < 1 or registers < 0 or shared_bytes < 0:
        raise BadInputError(f"a block of {threads} threads, {registers} registers, {shared_bytes} bytes: count from 1")
    warps = -(-threads // WARP_SIZE)
    blocks = {"blocks": limits["blocks_per_sm"], "threads": limits["warps_per_sm"] // warps}
    if registers:
        unit = limits["register_unit"]
        blocks["registers"] = limits["registers_per_sm"] // (-(-registers * WARP_SIZE // unit) * unit * warps)
    if shared_bytes:
        unit = limits["shared_unit"]
        blocks["shared memory"] = limits["shared_bytes_per_sm"] // (-(-shared_bytes // unit) * unit)
    return blocks


def occupancy(threads: int, registers: int, shared_bytes: int, limits: Limits) -> float:
    """Warps that fit on a multiprocessor, as a share of the most that it can hold.

    Args:
        threads: Threads a block.
        registers: Registers a thread.
        shared_bytes: Shared memory a block.
        limits: Of the GPU, one of `LIMITS`.

    Returns:
        0 (not one block fits) to 1.

    Example:
        >>> occupancy(256, 96, 12_288, LIMITS["T4"])
        0.5
    """
    blocks = min(blocks_by_limit(threads, registers, shared_bytes, limits).values())
    return blocks * -(-threads // WARP_SIZE) / limits["warps_per_sm"]
