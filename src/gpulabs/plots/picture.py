"""What all pictures share: the `Picture` that notebooks and reports show, colours and fonts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart by every common kind of colour vision.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW = "#56B4E9", "#CC79A7", "#F0E442"
INK, MUTED, FAINT, PAPER = "#1A1A1A", "#5C5C5C", "#D9D9D9", "#FFFFFF"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
DPI = 144
_STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "hatch.linewidth": 0.6,
}


@dataclass(frozen=True)
class Picture:
    """A finished picture: a notebook shows it, `png()` gives its bytes.

    Attributes:
        figure: The matplotlib figure; not registered with pyplot, so nothing leaks.
        alt: What it shows, in words, for those who can't see it.
    """

    figure: Figure
    alt: str

    def png(self) -> bytes:
        """The picture as PNG; the same bytes for the same picture."""
        buffer = io.BytesIO()
        self.figure.savefig(
            buffer,
            format="png",
            dpi=DPI,
            facecolor=PAPER,
            bbox_inches="tight",
            pad_inches=0.12,
            metadata={"Software": ""},
        )
        return buffer.getvalue()

    def save(self, path: Path) -> None:
        """Writes the PNG to a file."""
        path.write_bytes(self.png())

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data = self.png()
        width = int.from_bytes(data[16:20], "big")  # of the PNG's header; halved for sharp high-density screens
        return {"image/png": data, "text/plain": self.alt}, {"image/png": {"width": width // 2 + width // 6}}


@contextmanager
def panels(
    width: float, height: float, columns: int = 1, rows: int = 1, **options: Any
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure in the house style with its axes, row by row.

    Args:
        width: Inches.
        height: Inches.
        columns: Axes side by side.
        rows: Axes above each other.
        **options: Passed to `Figure.subplots`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **options)
        yield figure, list(axes.flat)
        figure.draw_without_rendering()  # the layout settles over several draws; two, then freeze it,
        figure.draw_without_rendering()  # so that saving twice gives the same bytes
        figure.set_layout_engine("none")


def bare(ax: Axes) -> None:
    """Removes frame and ticks, for drawings that are not plots."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def box(ax: Axes, x: float, y: float, width: float, height: float, **style: Any) -> None:
    """Adds a rectangle with its lower-left (or, on inverted axes, upper-left) corner at (x, y)."""
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((x, y), width, height, **style))
