"""Throughput and utilisation against the batch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpulabs.batches import ENOUGH, knee
from gpulabs.errors import BadInputError
from gpulabs.plots.picture import FAINT, MUTED, SERIES, Picture, panels

_MARKERS = "osD^vP"


def throughput_curve(rows: Sequence[Mapping[str, Any]], title: str) -> Picture:
    """Draws images a second against the batch, a line a precision, and below it how busy the GPU was.

    Args:
        rows: Measurements as `Measured.as_dict` gives them, with a throughput.
        title: Network and device.

    Returns:
        Two panels; one where utilisation is unknown, as on a CPU.

    Raises:
        BadInputError: No rows.
    """
    if not rows:
        raise BadInputError("throughput_curve: no measurement to draw")
    precisions = list(dict.fromkeys(row["plan"]["precision"] for row in rows))
    watched = any(row["utilisation"] is not None for row in rows)
    facts = []
    options: dict[str, Any] = {"sharex": True, "height_ratios": (2.4, 1)} if watched else {}
    with panels(7.6, 5.4 if watched else 4.0, 1, 2 if watched else 1, **options) as (figure, axes):
        for place, precision in enumerate(precisions):
            mine = sorted(
                (row for row in rows if row["plan"]["precision"] == precision), key=lambda row: row["plan"]["batch"]
            )
            batches = [row["plan"]["batch"] for row in mine]
            rates = [row["images_per_s"] for row in mine]
            style: dict[str, Any] = {
                "color": SERIES[place % len(SERIES)],
                "marker": _MARKERS[place % len(_MARKERS)],
                "markersize": 4.5,
            }
            axes[0].plot(batches, rates, label=precision, linewidth=1.6, **style)
            axes[0].fill_between(
                batches,
                [row["images_per_s_low"] for row in mine],
                [row["images_per_s_high"] for row in mine],
                color=style["color"],
                alpha=0.18,
                linewidth=0,
            )
            chosen = knee(dict(zip(batches, rates, strict=True)))
            axes[0].plot(
                [chosen],
                [rates[batches.index(chosen)]],
                "o",
                markersize=12,
                markerfacecolor="none",
                color=style["color"],
            )
            facts.append(f"{precision}: {max(rates):,.0f} images/s at best, {ENOUGH:.0%} of it from batch {chosen}")
            if watched:
                axes[1].plot(batches, [100 * (row["utilisation"] or 0) for row in mine], linewidth=1.4, **style)
        axes[0].set(xscale="log", yscale="log", ylabel="images a second")
        axes[0].set_title(f"Throughput of {title}")
        axes[0].legend(frameon=False, title=f"ring: {ENOUGH:.0%} of the best", loc="lower right")
        if watched:
            axes[1].set(ylabel="GPU busy, %", ylim=(0, 105))
            axes[1].set_title("Utilisation: some kernel was running; how well is not in it", fontsize=9)
        every = sorted({row["plan"]["batch"] for row in rows})
        axes[-1].set_xlabel("batch size")
        axes[-1].set_xticks(every, [str(batch) for batch in every], minor=False)
        axes[-1].minorticks_off()
        for ax in axes:
            ax.grid(True, color=FAINT, linewidth=0.6)
            ax.tick_params(length=0, colors=MUTED)
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
    return Picture(figure, "; ".join(facts))
