"""Where the filter looks: the windows of the first outputs, and the zeros around the image."""

from __future__ import annotations

from gpulabs.convolution import output_size, same_padding
from gpulabs.plots.picture import BLUE, FAINT, GREEN, INK, MUTED, PAPER, VERMILION, Picture, bare, box, panels


def window_map(h: int, w: int, filter: tuple[int, int], stride: int, padding: str) -> Picture:
    """Draws an image, its padding and the windows of the first two outputs of the first two rows.

    Args:
        h: Rows of the image.
        w: Columns of the image.
        filter: Rows and columns of the filter.
        stride: Of both axes.
        padding: `same` or `valid`.

    Returns:
        The picture: image left, outputs right, at one scale.
    """
    r, s = filter
    h_out, w_out = output_size(h, r, stride, padding), output_size(w, s, stride, padding)
    (top, bottom), (left, right) = ((0, 0), (0, 0))
    if padding == "same":
        (top, bottom), (left, right) = same_padding(h, r, stride), same_padding(w, s, stride)
    outputs = {(0, 0): BLUE, (0, 1): VERMILION, (1, 0): GREEN}
    outputs = {at: colour for at, colour in outputs.items() if at[0] < h_out and at[1] < w_out}
    shift = w + right + 3
    with panels(8.0, 8.0 * (h + top + bottom + 1.6) / (shift + w_out + left + 1)) as (figure, (ax,)):
        bare(ax)
        for row in range(-top, h + bottom):
            for column in range(-left, w + right):
                inside = 0 <= row < h and 0 <= column < w
                box(
                    ax,
                    column,
                    row,
                    1,
                    1,
                    facecolor="#EFEFEF" if inside else PAPER,
                    edgecolor=PAPER if inside else FAINT,
                    linewidth=1,
                    hatch=None if inside else "////",
                )
                if not inside:
                    ax.text(column + 0.5, row + 0.5, "0", ha="center", va="center", color=MUTED, fontsize=8)
        for number, ((i, j), colour) in enumerate(outputs.items()):
            inset = 0.07 * (number + 1)
            x, y = j * stride - left, i * stride - top
            box(ax, x + inset, y + inset, s - 2 * inset, r - 2 * inset, facecolor=colour, alpha=0.13, edgecolor="none")
            box(ax, x + inset, y + inset, s - 2 * inset, r - 2 * inset, facecolor="none", edgecolor=colour, linewidth=2)
        for i in range(h_out):
            for j in range(w_out):
                box(ax, shift + j, i, 1, 1, facecolor=outputs.get((i, j), "#EFEFEF"), edgecolor=PAPER, linewidth=1)
                if (i, j) in outputs:
                    ax.text(shift + j + 0.5, i + 0.5, f"{i},{j}", ha="center", va="center", fontsize=7, color=PAPER)
        ax.annotate(
            "",
            (shift - 0.4, h_out / 2),
            (w + right + 0.5, h_out / 2),
            arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.2},
        )
        ax.text(-left, -top - 0.35, f"x: {h} x {w}", va="bottom")
        ax.text(shift, -0.35, f"y: {h_out} x {w_out}", va="bottom")
        ax.set(xlim=(-left - 0.3, shift + w_out + 0.5), ylim=(h + bottom + 0.3, -top - 1.1), aspect="equal")
        zeros = f": {top} above, {bottom} below, {left} left, {right} right" if padding == "same" else ""
        ax.set_title(f"filter {r} x {s}, stride {stride}, padding '{padding}'{zeros}")
    alt = f"A {r} by {s} filter, stride {stride}, {padding} padding, turns {h} by {w} pixels into {h_out} by {w_out}"
    return Picture(figure, alt)
