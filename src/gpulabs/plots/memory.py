"""Where the memory of a training step goes: stacked bars, and how it rises and falls within a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gpulabs.errors import BadInputError
from gpulabs.lifetimes import PARTS
from gpulabs.memory import Prediction
from gpulabs.plots.picture import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
    Picture,
    panels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = dict(zip(PARTS, (BLUE, SKY, PURPLE, YELLOW, ORANGE, VERMILION, FAINT), strict=True))
MIB = 2**20


def memory_bars(
    predictions: Mapping[str, Prediction], measured_bytes: Mapping[str, int] | None = None, title: str = ""
) -> Picture:
    """Draws a stacked bar for every prediction, and below them the memory in use over the first one's step.

    Args:
        predictions: Caption -> prediction.
        measured_bytes: Caption -> measured peak; drawn as a line across its bar.
        title: Network and device.

    Raises:
        BadInputError: No predictions.
    """
    if not predictions:
        raise BadInputError("memory_bars: no prediction to draw")
    measured = measured_bytes or {}
    facts = []
    most = max([*(found.peak_bytes for found in predictions.values()), *measured.values()]) / MIB
    tall = 0.42 * len(predictions) + 0.9
    with panels(8.4, tall + 2.6, 1, 2, height_ratios=(tall, 2.6)) as (figure, (bars, steps)):
        for place, (caption, found) in enumerate(predictions.items()):
            left = 0.0
            for part in PARTS:
                width = found.parts[part] / MIB
                bars.barh(place, width, left=left, height=0.62, color=COLOURS[part], label="" if place else part)
                if width > 0.07 * most:
                    bars.text(left + width / 2, place, f"{width:,.0f}", ha="center", va="center", fontsize=7.5)
                left += width
            text = f" {left:,.0f} MiB"
            if caption in measured:
                at = measured[caption] / MIB
                bars.plot([at] * 2, [place - 0.42, place + 0.42], color=GREEN, linewidth=2.4)
                text += f", measured {at:,.0f} ({left / at - 1:+.1%})"
            bars.text(max(left, measured.get(caption, 0) / MIB), place, text, va="center", fontsize=8.5, color=INK)
            facts.append(f"{caption}:{text}")
        bars.set_yticks(range(len(predictions)), list(predictions))
        bars.set_ylim(len(predictions) - 0.5, -0.5)
        bars.set_xlim(0, most * 1.45)
        bars.set_title(f"Memory at the peak of a training step: {title}")
        bars.set_xlabel("MiB; green line: measured" if measured else "MiB, predicted")
        bars.legend(frameon=False, fontsize=7.5, loc="upper right", handlelength=1.0, labelspacing=0.25)
        _timeline(steps, next(iter(predictions.values())), next(iter(predictions)))
        for ax in (bars, steps):
            ax.tick_params(length=0, colors=MUTED)
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
    return Picture(figure, "; ".join(facts))


def _timeline(ax: Axes, found: Prediction, caption: str) -> None:
    """Fills the parts over the moments of a step."""
    moments = range(len(found.timeline))
    below = [0.0] * len(found.timeline)
    for part in PARTS:
        above = [low + parts[part] / MIB for low, (_, parts) in zip(below, found.timeline, strict=True)]
        ax.fill_between(moments, below, above, step="mid", color=COLOURS[part], linewidth=0)
        below = above
    peak = max(moments, key=below.__getitem__)
    ax.annotate(
        f"peak: {found.moment}",
        (peak, below[peak]),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )
    forward = sum(name.startswith("forward") for name, _ in found.timeline)
    ax.axvline(forward + 0.5, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    ax.set(xlim=(-0.5, len(found.timeline) - 0.5), ylim=(0, max(below) * 1.18), ylabel="MiB")
    ax.set_title(f"Within the step, {caption}: forward, then backward", fontsize=9)
    ax.set_xticks(list(moments), [_short(name) for name, _ in found.timeline], rotation=60, ha="right", fontsize=6.5)


def _short(moment: str) -> str:
    return moment.rpartition(", ")[2]
