"""How a rung of the ladder is laid out over a convolution: which kernels, over which grid, with which arrays.

Sources in `solutions/` declare it as `VARIANTS`, the JSON beside the PTX repeats it. A size is a product written
`n*h_out*w_out` of n, h, w, c, k, r, s, h_out, w_out, of h_half and w_half (half the output, rounded up), and of
numbers; `k^32` is k rounded up to a multiple of 32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from autograder.evidence import Case
from gpulabs.convolution import output_shape, same_padding

ARGUMENTS = ("stride", "pad_top", "pad_left")
"""The scalars that end every kernel's arguments, int32."""


@dataclass(frozen=True)
class Step:
    """One launch.

    Attributes:
        kernel: The kernel's name, in its source and in PTX.
        block: Threads in x, y, z.
        covers: What the grid's x, y and z cover, as products.
        per_block: How much of each a block covers.
        arrays: Names of the array arguments: x, w, y, or a temporary.
        shared_bytes: Dynamic shared memory of a block.
        resident: Blocks that should fit on a multiprocessor together: it bounds the registers of a thread.
    """

    kernel: str
    block: tuple[int, int, int]
    covers: tuple[str, str, str]
    per_block: tuple[int, int, int]
    arrays: tuple[str, ...] = ("x", "w", "y")
    shared_bytes: int = 0
    resident: int = 1


@dataclass(frozen=True)
class Variant:
    """A way to compute a convolution that fits some shapes.

    Attributes:
        steps: The launches, in order.
        needs: Conditions: `c_multiple` and the like (a multiple of it), `max_c`, `min_c` and the like, `stride`, `r`
            and the like (equal to it); `pixels` is n*h_out*w_out.
        temporaries: Name -> shape, as products.
    """

    steps: tuple[Step, ...]
    needs: Mapping[str, int] = field(default_factory=dict)
    temporaries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def sizes(case: Case) -> dict[str, int]:
    """What the names in products stand for, and the scalars of the kernels."""
    n, h, w, c = case.x_shape
    r, s, _, k = case.w_shape
    _, h_out, w_out, _ = output_shape(case.x_shape, case.w_shape, case.stride, case.padding)
    found = {"n": n, "h": h, "w": w, "c": c, "k": k, "r": r, "s": s, "h_out": h_out, "w_out": w_out}
    found |= {"h_half": -(-h_out // 2), "w_half": -(-w_out // 2), "pixels": n * h_out * w_out}
    found |= {"stride": case.stride, "pad_top": 0, "pad_left": 0}
    if case.padding == "same":
        found["pad_top"], _ = same_padding(h, r, case.stride)
        found["pad_left"], _ = same_padding(w, s, case.stride)
    return found


def product(text: str, known: Mapping[str, int]) -> int:
    """The value of `n*h_out*c^16*16`."""
    return math.prod(_factor(factor, known) for factor in text.split("*"))


def _factor(text: str, known: Mapping[str, int]) -> int:
    name, _, multiple = text.partition("^")
    value = int(name) if name.isdigit() else known[name]
    return -(-value // int(multiple)) * int(multiple) if multiple else value


def fits(variant: Variant, known: Mapping[str, int]) -> bool:
    """Whether a variant can compute a convolution of these sizes."""
    tests = {
        "max": lambda value, bound: value <= bound,
        "min": lambda value, bound: value >= bound,
        "multiple": lambda value, bound: value % bound == 0,
    }
    for need, bound in variant.needs.items():
        if need.endswith("_multiple"):
            good = tests["multiple"](known[need.removesuffix("_multiple")], bound)
        elif need[:4] in ("max_", "min_"):
            good = tests[need[:3]](known[need[4:]], bound)
        else:
            good = known[need] == bound
        if not good:
            return False
    return True


def grid(step: Step, known: Mapping[str, int]) -> tuple[int, int, int]:
    """Blocks in x, y, z."""
    x, y, z = (-(-product(text, known) // each) for text, each in zip(step.covers, step.per_block, strict=True))
    return x, y, z
