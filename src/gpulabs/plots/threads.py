"""Who computes what: blocks over an image, and the threads of a warp over pixels and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpulabs.access import WARP_SIZE
from gpulabs.errors import BadInputError
from gpulabs.plots.picture import BLUE, INK, MUTED, PAPER, VERMILION, Picture, bare, box, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_DRAWN_THREADS = 2_000  # more would be finer than the picture's pixels
MAX_NUMBERED_COLUMNS = 26  # more, and the numbers run into each other
TINTS = ("#CFE6F5", "#FCE7BF")  # of sky and orange


def block_map(w_out: int, h_out: int, block: tuple[int, int], names: tuple[str, str] = ("columns", "rows")) -> Picture:
    """Draws the blocks that cover an image and the threads that find no work.

    Args:
        w_out: Columns of the output; x, the fastest axis.
        h_out: Rows of the output; y.
        block: Threads of a block in x and y.
        names: What x and y run over.

    Returns:
        The picture: a square a thread, hatched where the thread is idle.

    Raises:
        BadInputError: A size below 1.
    """
    bx, by = block
    if min(w_out, h_out, bx, by) < 1:
        raise BadInputError(f"block_map: sizes {(w_out, h_out, bx, by)} must all be at least 1")
    gx, gy = -(-w_out // bx), -(-h_out // by)
    columns, rows = gx * bx, gy * by
    idle = 1 - w_out * h_out / (columns * rows)
    squares = columns * rows <= MAX_DRAWN_THREADS
    numbered = squares and columns <= MAX_NUMBERED_COLUMNS
    width = 7.2
    with panels(width, min(6.5, width * rows / columns + 0.6)) as (figure, (ax,)):
        bare(ax)
        for gj in range(gx):
            for gi in range(gy):
                tint = TINTS[(gj + gi) % 2]
                box(ax, gj * bx, gi * by, bx, by, facecolor=tint, edgecolor="none")
        if squares:
            for line in range(columns + 1):
                ax.plot([line, line], [0, rows], color=PAPER, linewidth=0.8)
            for line in range(rows + 1):
                ax.plot([0, columns], [line, line], color=PAPER, linewidth=0.8)
        for x, y, w, h in ((w_out, 0, columns - w_out, rows), (0, h_out, w_out, rows - h_out)):
            box(ax, x, y, w, h, facecolor=PAPER, alpha=0.75, edgecolor="none")
            box(ax, x, y, w, h, facecolor="none", edgecolor=MUTED, hatch="////", linewidth=0)
        for gj in range(gx):
            for gi in range(gy):
                box(ax, gj * bx, gi * by, bx, by, facecolor="none", edgecolor=BLUE, linewidth=1.0, zorder=2.5)
                if gx * gy <= 48 and not (numbered and (gj, gi) == (0, 0)):
                    ax.text(
                        gj * bx + bx / 2,
                        gi * by + by / 2,
                        f"block\n({gj}, {gi})",
                        ha="center",
                        va="center",
                        color=INK,
                        fontsize=8,
                        zorder=4,
                        bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
                    )
        if numbered:
            _number_first_block(ax, bx, by)
        box(ax, 0, 0, w_out, h_out, facecolor="none", edgecolor=VERMILION, linewidth=2.2, zorder=3)
        ax.set(xlim=(-0.3, columns + 0.3), ylim=(rows + 0.3, -0.3), aspect="equal")
        ax.set_title(f"{gx} x {gy} blocks of {bx} x {by} threads = {columns * rows:,} threads")
        ax.set_xlabel(
            f"x: {names[0]}  (red: the {w_out} x {h_out} outputs;  hatched: idle threads, {idle:.0%} of all)",
            loc="left",
        )
        ax.set_ylabel(f"y: {names[1]}", loc="top")
    alt = f"{gx} by {gy} blocks of {bx} by {by} threads over {w_out} by {h_out} outputs, {idle:.0%} of the threads idle"
    return Picture(figure, alt)


def _number_first_block(ax: Axes, bx: int, by: int) -> None:
    """Writes threadIdx (x, y) into the squares of block (0, 0)."""
    for tx in range(bx):
        for ty in range(by):
            ax.text(tx + 0.5, ty + 0.5, f"{tx},{ty}", ha="center", va="center", fontsize=6.5, color=INK)


def thread_map(w_out: int = 32, k: int = 32) -> Picture:
    """Draws which output each thread of a warp computes: x over the columns, or x over the channels.

    Args:
        w_out: Columns of the output that are drawn.
        k: Output channels that are drawn.

    Returns:
        Two panels over the same outputs y[0, 0, j, k], laid out as they lie in memory; the first
        warp is dark and numbered, all others alternate in light tints.

    Raises:
        BadInputError: Fewer than 32 columns or channels, so that no warp fits.
    """
    if min(w_out, k) < WARP_SIZE:
        raise BadInputError(f"thread_map: {w_out} columns and {k} channels; a warp needs {WARP_SIZE} of both")
    with panels(9.0, 9.0 / 2 * w_out / k + 0.75, 2, sharey=True) as (figure, axes):
        for ax, over in zip(axes, ("columns", "channels"), strict=True):
            _draw_warps(ax, w_out, k, over == "columns")
            ax.set_title(f"threadIdx.x runs over the {over}")
            ax.set_xlabel("channel k: neighbours in memory")
        axes[0].set_ylabel(f"column j: one step is {k} words of memory")
    alt = "With x over the columns a warp's outputs lie far apart in memory; with x over the channels, side by side"
    return Picture(figure, alt)


def _draw_warps(ax: Axes, w_out: int, k: int, over_columns: bool) -> None:
    for column in range(w_out):
        for channel in range(k):
            lane, warp = (column, channel) if over_columns else (channel, column)
            warp += lane // WARP_SIZE
            face = BLUE if warp == 0 else TINTS[warp % 2]
            box(ax, channel, column, 1, 1, facecolor=face, edgecolor=PAPER, linewidth=0.5)
            if warp == 0:
                ax.text(channel + 0.5, column + 0.55, str(lane), ha="center", va="center", fontsize=5.6, color=PAPER)
    label = {"boxstyle": "round,pad=0.3", "facecolor": PAPER, "edgecolor": BLUE}
    at, target = ((7, 8), (1.1, 8)) if over_columns else ((16, 5), (16, 1.1))
    ax.annotate(
        "warp 0: threads 0 to 31",
        target,
        xytext=at,
        va="center",
        ha="left" if over_columns else "center",
        bbox=label,
        arrowprops={"arrowstyle": "-|>", "color": BLUE},
    )
    ax.set(xlim=(-0.2, k + 0.2), ylim=(w_out + 0.2, -0.2), aspect="equal")
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
