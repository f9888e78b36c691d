"""How much of one of the ladder's kernels is in another: its PTX ships with the package, and may not be handed in.

Students race the ladder without having its source. Whoever takes its PTX (a forged record, or assembly
inside a kernel of one's own, can bring it along) has written nothing and would get every point of a race.
So the order of its instructions is looked for: runs of `RUN` opcodes with their types, registers and labels
left out, which a compiler doesn't produce twice from different Python.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence

from autograder import ladder

RUN = 12
COPIED = 0.75
"""Share of a rung's runs that make a kernel a copy. Right kernels of many styles for the same task share at most 0.30
(`tests/submissions/correct/lab2_fast_conv`, and the lab's own solution); the rung with every register renamed has 1."""

COMMON = ("naive", "coalesced")
"""One thread an output: anybody writes these, and compiles them to nearly the same."""
SMALLEST = 500
"""Instructions of a kernel that is looked for: helpers that move data are shorter, and alike everywhere."""

_INSTRUCTION = re.compile(r"^\s*(?:@!?%\w+\s+)?([a-z][\w.:]*)\s[^:\n]*;", re.MULTILINE)

Runs = Counter[tuple[str, ...]]


def most_alike(opcodes: Sequence[str]) -> tuple[str, float]:
    """Finds the kernel of the ladder that most of is in a kernel.

    Args:
        opcodes: The kernel's, in order, e.g. `fma.rn.f32`; untrusted.

    Returns:
        Its name, and the share of it that is there; `("", 0)` for a kernel too short to hold enough of any.
    """
    if len(opcodes) < COPIED * SMALLEST:
        return "", 0.0
    found = _runs(opcodes)
    shares = ((name, sum((found & runs).values()) / runs.total()) for name, runs in _known().items())
    return max(shares, key=lambda one: one[1])


@functools.cache
def _known() -> dict[str, Runs]:
    """Kernel -> its runs; each stands on a line of its own, for the compiler wrote them."""
    texts = {name: ptx for rung in ladder.ALL if rung not in COMMON for name, ptx in ladder.rung(rung).ptx.items()}
    opcodes = {name: _INSTRUCTION.findall(ptx) for name, ptx in texts.items()}
    return {name: _runs(own) for name, own in opcodes.items() if len(own) >= SMALLEST}


def _runs(opcodes: Sequence[str]) -> Runs:
    return Counter(zip(*(opcodes[start:] for start in range(RUN)), strict=False))
