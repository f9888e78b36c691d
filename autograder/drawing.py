"""Draws sizes from the ranges that a rubric publishes; see `autograder.cases` for which are drawn on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from autograder.rubric import CaseSpec
    from autograder.toml_table import Range

_TRIES = 20  # to find H != W; enough for any range of two or more sizes


def sizes(spec: CaseSpec, index: int, rng: np.random.Generator) -> dict[str, int]:
    """Draws n, h, w, c and k: the first of several is the smallest, the second awkward, the others uniform.

    Args:
        spec: The ranges.
        index: Which of the specification's cases it is.
        rng: The case's own stream.
    """
    if is_smallest(spec, index):
        size = {"n": spec.n[0], "h": spec.h[0], "w": spec.w[0]}
    elif spec.count > 1 and index == 1:
        size = {"n": spec.n[1], "h": _prime(rng, spec.h), "w": _prime(rng, spec.w)}
        for _ in range(_TRIES):
            if size["h"] != size["w"]:
                break
            size["w"] = _prime(rng, spec.w)
    else:
        size = {"n": uniform(rng, spec.n), "h": uniform(rng, spec.h), "w": uniform(rng, spec.w)}
        for _ in range(_TRIES):
            if size["h"] != size["w"]:
                break
            size["w"] = uniform(rng, spec.w)
    return size | {"c": uniform(rng, spec.c), "k": uniform(rng, spec.k)}


def is_smallest(spec: CaseSpec, index: int) -> bool:
    """Whether a case takes the smallest sizes of its ranges."""
    return spec.count > 1 and index == 0


def uniform(rng: np.random.Generator, limits: Range) -> int:
    """Draws a whole number within the limits, both included."""
    return int(rng.integers(limits[0], limits[1], endpoint=True))


def _prime(rng: np.random.Generator, limits: Range) -> int:
    """Draws an odd prime within the limits, or any size where there is none."""
    primes = [p for p in range(max(3, limits[0]), limits[1] + 1) if all(p % d for d in range(2, int(p**0.5) + 1))]
    return int(rng.choice(primes)) if primes else uniform(rng, limits)
