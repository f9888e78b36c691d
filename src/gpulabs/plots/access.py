"""One warp's accesses: 32 threads, the words they touch, the sectors that have to move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gpulabs.access import FLOAT_BYTES, SECTOR_BYTES, WARP_SIZE, sectors
from gpulabs.errors import BadInputError
from gpulabs.plots.picture import BLUE, INK, MUTED, SKY, Picture, bare, box, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORDS = SECTOR_BYTES // FLOAT_BYTES
_WIDTH = 100.0  # of the drawing, in its own units
_WORD = _WIDTH / (WARP_SIZE * WORDS + 2 * (WARP_SIZE - 1))  # so that 32 sectors with gaps fill the width
_THREADS_Y, _MEMORY_Y, _HEIGHT = 10.0, 0.0, 2.0
_WASTED = "#F3CDB5"  # a tint of vermilion: moved, but not used


def access_map(patterns: Mapping[str, Sequence[int]]) -> Picture:
    """Draws, for each pattern, lines from the threads of a warp to the words they access.

    Args:
        patterns: Caption -> flat index of the float that each of the 32 threads accesses.

    Returns:
        One row a pattern, all at one scale: the length of the memory is the traffic.

    Raises:
        BadInputError: A pattern does not have 32 indices.

    Example:
        >>> picture = access_map({"side by side": range(32), "64 apart": range(0, 2048, 64)})
    """
    for caption, words in patterns.items():
        if len(words) != WARP_SIZE:
            raise BadInputError(f"access_map: {caption!r} has {len(words)} indices; a warp has {WARP_SIZE} threads")
    facts = []
    with panels(8.6, 1.85 * len(patterns), 1, len(patterns)) as (figure, axes):
        for ax, (caption, words) in zip(axes, patterns.items(), strict=True):
            touched = len(sectors(words))
            moved, used = touched * SECTOR_BYTES, len(set(words)) * FLOAT_BYTES
            plural = "s" if touched > 1 else ""
            fact = f"{touched} sector{plural}: {moved:,} bytes moved, {used:,} used ({100 * used / moved:.3g} %)"
            facts.append(f"{caption}: {fact}")
            _draw(ax, words)
            ax.set_title(caption)
            ax.text(_WIDTH, _THREADS_Y + _HEIGHT + 1.0, fact, ha="right", color=MUTED)
    return Picture(figure, "; ".join(facts))


def _draw(ax: Axes, words: Sequence[int]) -> None:
    bare(ax)
    places = _sector_places(sorted(sectors(words)))
    for place in places.values():
        box(ax, place, _MEMORY_Y, WORDS * _WORD, _HEIGHT, facecolor=_WASTED, edgecolor="none")
    slot = _WIDTH / WARP_SIZE
    for lane, word in enumerate(words):
        edge = places[word // WORDS] + word % WORDS * _WORD
        box(ax, edge, _MEMORY_Y, _WORD, _HEIGHT, facecolor=BLUE, edgecolor="none")
        ax.plot([(lane + 0.5) * slot, edge + _WORD / 2], [_THREADS_Y, _MEMORY_Y + _HEIGHT], color=BLUE, linewidth=0.7)
        box(ax, lane * slot + 0.2, _THREADS_Y, slot - 0.4, _HEIGHT, facecolor=SKY, edgecolor="none")
        ax.text(
            (lane + 0.5) * slot, _THREADS_Y + _HEIGHT / 2, str(lane), ha="center", va="center", fontsize=7, color=INK
        )
    for place in places.values():
        box(ax, place, _MEMORY_Y, WORDS * _WORD, _HEIGHT, facecolor="none", edgecolor=INK, linewidth=0.6)
    ax.text(-1, _THREADS_Y + _HEIGHT / 2, "thread", ha="right", va="center", color=MUTED)
    ax.text(-1, _MEMORY_Y + _HEIGHT / 2, "memory", ha="right", va="center", color=MUTED)
    ax.set(xlim=(-9, _WIDTH + 1), ylim=(-0.8, _THREADS_Y + _HEIGHT + 0.6))


def _sector_places(touched: Sequence[int]) -> dict[int, float]:
    """Left edge of each touched sector, centred as a whole; skipped memory is a gap of two words."""
    edge, places = 0.0, {}
    for before, sector in zip([touched[0] - 1, *touched], touched, strict=False):
        edge += 0.0 if sector == before + 1 else 2 * _WORD
        places[sector] = edge
        edge += WORDS * _WORD
    return {sector: place + (_WIDTH - edge) / 2 for sector, place in places.items()}
