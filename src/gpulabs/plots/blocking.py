"""Register blocking: which outputs of a block belong to one thread, and what it loads for them."""

from __future__ import annotations

from gpulabs.errors import BadInputError
from gpulabs.plots.picture import BLUE, INK, MUTED, ORANGE, PAPER, SKY, Picture, bare, box, panels


def register_map(pixels: int, filters: int, mine: tuple[int, int], threads: tuple[int, int]) -> Picture:
    """Draws a block's outputs, pixels by channels, and those of one thread.

    Args:
        pixels: Pixels of a block.
        filters: Output channels of a block.
        mine: Pixels and channels of a thread.
        threads: Threads of the block along the pixels and along the channels; the outputs of a thread
            lie this far apart. Thread (1, 2) is drawn.

    Returns:
        The picture, with the loads of a step beside it.

    Raises:
        BadInputError: The threads' outputs don't make up the block's.
    """
    if (mine[0] * threads[0], mine[1] * threads[1]) != (pixels, filters):
        raise BadInputError(f"register_map: {threads} threads of {mine} outputs are not {pixels} x {filters}")
    columns = [1 + threads[0] * p for p in range(mine[0])]
    rows = [2 + threads[1] * q for q in range(mine[1])]
    bar, gap = 3.0, 3.0
    loads, products = sum(mine), mine[0] * mine[1]
    with panels(8.2, 8.2 * (filters + bar + gap + 12) / (pixels + bar + gap + 42)) as (figure, (ax,)):
        bare(ax)
        box(ax, 0, 0, pixels, filters, facecolor="#EFEFEF", edgecolor="none")
        box(ax, 0, -gap - bar, pixels, bar, facecolor="#CFE6F5", edgecolor="none")
        box(ax, -gap - bar, 0, bar, filters, facecolor="#FCE7BF", edgecolor="none")
        for column in columns:
            ax.plot([column + 0.5] * 2, [-gap, filters], color=SKY, linewidth=0.7, zorder=1.5)
            box(ax, column, -gap - bar, 1, bar, facecolor=BLUE, edgecolor="none")
        for row in rows:
            ax.plot([-gap, pixels], [row + 0.5] * 2, color=ORANGE, linewidth=0.7, zorder=1.5)
            box(ax, -gap - bar, row, bar, 1, facecolor=ORANGE, edgecolor="none")
            for column in columns:
                box(ax, column - 0.25, row - 0.25, 1.5, 1.5, facecolor=INK, edgecolor=PAPER, linewidth=0.3, zorder=3)
        ax.text(pixels / 2, filters + 2, f"{pixels} pixels", ha="center", va="top", color=MUTED)
        ax.text(-gap - bar - 1, filters / 2, f"{filters} channels", ha="right", va="center", color=MUTED, rotation=90)
        said = (
            f"{mine[0]} values of x (blue)\n+ {mine[1]} weights (orange)\n= {loads} loads\n\n"
            f"for {products} multiply-adds (black):\n{loads / products:.3g} loads for each"
        )
        ax.text(pixels + 3, filters / 2, said, va="center", fontsize=9)
        ax.set(xlim=(-gap - bar - 5, pixels + 37), ylim=(filters + 7, -gap - bar - 1), aspect="equal")
        ax.set_title("The outputs of a block; black: those of one thread")
    alt = f"A thread owns {mine[0]} by {mine[1]} outputs: {loads} loads for {products} multiply-adds"
    return Picture(figure, alt)
