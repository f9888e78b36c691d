"""Throughput against batch size: the lists that users type, the knee, what a sweep comes to. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpulabs.errors import BadInputError
from gpulabs.training_step import LARGEST_BATCH, PRECISIONS

ENOUGH = 0.95
"""Share of the best throughput at which a batch counts as large enough: beyond the knee, memory buys little."""
BUSY = 0.9
"""Utilisation from which a GPU counts as busy."""


def parse_batches(text: str) -> list[int]:
    """Reads `1,2,96` or `1-8192`, a range of powers of two, or both with commas between.

    Raises:
        BadInputError: It can't be read.

    Example:
        >>> parse_batches("1-8,96")
        [1, 2, 4, 8, 96]
    """
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise BadInputError(f"batch {part.strip()!r}: give numbers with commas, or a range such as 1-8192")
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= LARGEST_BATCH:
            raise BadInputError(f"batch {part.strip()!r}: from 1 to {LARGEST_BATCH}, the smaller number first")
        found |= {1 << power for power in range(high.bit_length()) if low <= 1 << power <= high} if dash else {low}
    if not found:
        raise BadInputError(f"batch {text!r}: there is no power of two in this range; name the batches with commas")
    return sorted(found)


def parse_precisions(text: str) -> list[str]:
    """Reads `float32,bfloat16`, or `all`.

    Raises:
        BadInputError: One is unknown.
    """
    found = list(PRECISIONS) if text == "all" else [part.strip() for part in text.split(",")]
    if unknown := [name for name in found if name not in PRECISIONS]:
        raise BadInputError(f"precision {unknown[0]!r}: there are {', '.join(PRECISIONS)}, or all")
    return list(dict.fromkeys(found))


def knee(throughput: Mapping[int, float], enough: float = ENOUGH) -> int:
    """The smallest batch whose throughput reaches this share of the best.

    Args:
        throughput: Batch -> images a second.
        enough: The share.

    Example:
        >>> knee({1: 10.0, 2: 96.0, 4: 100.0, 8: 99.0})
        2
    """
    best = max(throughput.values())
    return min(batch for batch, rate in throughput.items() if rate >= enough * best)


def conclusion(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a sweep comes to, a sentence each: the knee, and where a busy GPU is a slow one.

    Args:
        rows: Measurements as `Measured.as_dict` gives them, with a throughput.
    """
    sentences = []
    for precision in dict.fromkeys(row["plan"]["precision"] for row in rows):
        mine = {row["plan"]["batch"]: row for row in rows if row["plan"]["precision"] == precision}
        rates = {batch: row["images_per_s"] for batch, row in mine.items()}
        best, chosen = max(rates, key=rates.__getitem__), knee(rates)
        sentences.append(
            f"{precision}: fastest at batch {best}, {rates[best]:,.0f} images/s; batch {chosen} reaches "
            f"{rates[chosen] / rates[best]:.0%} of that"
        )
        busy = [batch for batch, row in mine.items() if (row["utilisation"] or 0) >= BUSY and batch < chosen]
        if busy:
            first = min(busy)
            sentences.append(
                f"{precision}: at batch {first} the GPU is busy {mine[first]['utilisation']:.0%} of the time and gives "
                f"{rates[first] / rates[best]:.0%} of its best throughput: busy is not fast"
            )
    return sentences
