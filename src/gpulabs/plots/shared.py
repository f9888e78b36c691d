"""Shared memory: the tile that a block fetches with its halo, and the banks that a warp meets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gpulabs.access import BANKS, WARP_SIZE, bank_passes, bank_words
from gpulabs.errors import BadInputError
from gpulabs.plots.picture import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    PURPLE,
    VERMILION,
    Picture,
    bare,
    box,
    panels,
)

_PASSES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE)
_TINTS = ("#CFE6F5", "#FCE7BF", "#CDEBDD", "#F3D9E8", "#E4E4E4", "#FBF7C4", "#F6D3BD", "#D9DDF2")
MAX_SHOWN_PASSES = 8


def halo_map(tile: tuple[int, int], filter: tuple[int, int], stride: int, loaders: int) -> Picture:
    """Draws the outputs of a block, the input tile that they need, and which threads fetch what.

    Args:
        tile: Rows and columns of outputs.
        filter: Rows and columns of the filter.
        stride: Of both axes.
        loaders: Pixel p of the tile is fetched by the threads with threadIdx.y = p % loaders.

    Returns:
        The input tile left, its windows' overlap framed, the outputs right.

    Raises:
        BadInputError: A size below 1.
    """
    if min(*tile, *filter, stride, loaders) < 1:
        raise BadInputError(f"halo_map: sizes {(*tile, *filter, stride, loaders)} must all be at least 1")
    rows, columns = (tile[0] - 1) * stride + filter[0], (tile[1] - 1) * stride + filter[1]
    shift = columns + 2.5
    across, down = max(shift + tile[1] + 0.6, 15.0), rows + 2.9
    width = min(9.0, 0.45 * across)
    with panels(width, width * down / across + 0.3) as (figure, (ax,)):
        bare(ax)
        for p in range(rows * columns):
            owner = p % loaders
            box(ax, p % columns, p // columns, 1, 1, facecolor=_TINTS[owner % len(_TINTS)], edgecolor=PAPER)
            ax.text(p % columns + 0.5, p // columns + 0.53, str(owner), ha="center", va="center", fontsize=7)
        for i in range(tile[0]):
            for j in range(tile[1]):
                box(ax, shift + j, i, 1, 1, facecolor="#EFEFEF", edgecolor=PAPER)
        for i, j, colour in ((0, 0, BLUE), (tile[0] - 1, tile[1] - 1, VERMILION)):
            style = {"facecolor": "none", "edgecolor": colour, "linewidth": 2.2, "zorder": 3}
            box(ax, j * stride + 0.06, i * stride + 0.06, filter[1] - 0.12, filter[0] - 0.12, **style)
            box(ax, shift + j, i, 1, 1, facecolor=colour, edgecolor=PAPER)
        ax.text(0, -0.35, f"tile of x in shared memory: {rows} x {columns} pixels", va="bottom")
        ax.text(shift, -0.35, f"y: {tile[0]} x {tile[1]}", va="bottom")
        reads = tile[0] * tile[1] * filter[0] * filter[1]
        ax.text(
            0,
            rows + 0.35,
            f"number: threadIdx.y of the threads that fetch the pixel;  red and blue: two outputs and their windows\n"
            f"a read for each tap: {reads} pixels;  with the tile: {rows * columns}, "
            f"{reads / (rows * columns):.3g} times fewer",
            va="top",
            color=MUTED,
            fontsize=8,
        )
        ax.set(xlim=(-0.2, across - 0.2), ylim=(rows + 1.7, -1.2), aspect="equal")
        ax.set_title(f"{tile[0]} x {tile[1]} outputs, filter {filter[0]} x {filter[1]}, stride {stride}")
    alt = (
        f"{tile[0]} by {tile[1]} outputs need a tile of {rows} by {columns} pixels, "
        f"read once instead of {reads / (rows * columns):.3g} times"
    )
    return Picture(figure, alt)


def bank_map(patterns: Mapping[str, Sequence[int]]) -> Picture:
    """Draws, for each pattern, which of the 32 banks a warp's threads meet in, and how often each is asked.

    Args:
        patterns: Caption -> index of the shared word that each of the 32 threads accesses.

    Returns:
        One row a pattern: a column a bank, a square a word, with the first thread that wants it; the height
        of the tallest column is the number of passes.

    Raises:
        BadInputError: A pattern does not have 32 words.
    """
    for caption, words in patterns.items():
        if len(words) != WARP_SIZE:
            raise BadInputError(f"bank_map: {caption!r} has {len(words)} words; a warp has {WARP_SIZE} threads")
    heights = [min(bank_passes(words), MAX_SHOWN_PASSES) + 2.6 for words in patterns.values()]
    facts = []
    grid = {"height_ratios": heights}
    with panels(9.0, 0.27 * sum(heights) + 0.2, 1, len(patterns), gridspec_kw=grid) as (figure, axes):
        for ax, (caption, words), height in zip(axes, patterns.items(), heights, strict=True):
            bare(ax)
            passes = bank_passes(words)
            for bank in range(BANKS):
                box(ax, bank, -1, 1, 1, facecolor=FAINT, edgecolor=PAPER)
                ax.text(bank + 0.5, -0.5, str(bank), ha="center", va="center", fontsize=6.5, color=MUTED)
            for bank, wanted in bank_words(words).items():
                for turn, word in enumerate(wanted[:MAX_SHOWN_PASSES]):
                    box(ax, bank, turn, 1, 1, facecolor=_PASSES[turn % len(_PASSES)], edgecolor=PAPER)
                    lanes = [lane for lane, other in enumerate(words) if other == word]
                    label = str(lanes[0]) if len(lanes) == 1 else f"{lanes[0]}+"
                    ax.text(bank + 0.5, turn + 0.47, label, ha="center", va="center", fontsize=6.5, color=PAPER)
            fact = f"{passes} pass{'es' if passes > 1 else ''}"
            facts.append(f"{caption}: {fact}")
            if passes > MAX_SHOWN_PASSES:
                tallest = max(bank_words(words).items(), key=lambda found: len(found[1]))[0]
                left = tallest > BANKS / 2
                ax.text(
                    tallest + (-0.2 if left else 1.2),
                    MAX_SHOWN_PASSES - 0.5,
                    f"and so on: {passes}",
                    ha="right" if left else "left",
                    va="center",
                    color=INK,
                    fontsize=8,
                )
            ax.text(-0.3, -0.5, "bank", ha="right", va="center", color=MUTED, fontsize=8)
            ax.set(xlim=(-2, BANKS + 2), ylim=(-1.1, height - 1.6))
            ax.set_title(f"{caption}: {fact}")
    return Picture(figure, "; ".join(facts))
