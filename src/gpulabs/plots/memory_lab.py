"""The pictures of Lab 5: bytes a parameter takes, tensors that are kept, peaks, a search, a scale, a chain, a pool."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
    SKY,
    VERMILION,
    Picture,
    bare,
    box,
    panels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KIB, MIB = 2**10, 2**20
STATE = (("parameters", BLUE), ("gradients", PURPLE), ("optimizer state", SKY))


def state_bars(rows: Mapping[str, Sequence[float]], title: str = "") -> Picture:
    """Draws what training holds for its parameters, a stacked bar for each way to train.

    Args:
        rows: Caption -> (parameters, gradients, optimizer state) in bytes.
        title: The network.

    Raises:
        BadInputError: There are no rows.
    """
    if not rows:
        raise BadInputError("state_bars: nothing to draw")
    most = max(sum(row) for row in rows.values()) / MIB or 1.0
    with panels(7.6, 0.42 * len(rows) + 1.2) as (figure, (ax,)):
        for place, row in enumerate(rows.values()):
            left = 0.0
            for (part, colour), size in zip(STATE, row, strict=True):
                ax.barh(place, size / MIB, left=left, height=0.62, color=colour, label="" if place else part)
                if size / MIB > 0.06 * most:
                    style: dict[str, Any] = {"color": PAPER if colour == BLUE else INK, "fontsize": 8}
                    ax.text(left + size / MIB / 2, place, f"{size / MIB:.1f}", ha="center", va="center", **style)
                left += size / MIB
            ax.text(left, place, f" {left:.1f} MiB", va="center", fontsize=8.5, color=INK)
        ax.set_yticks(range(len(rows)), list(rows))
        ax.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, most * 1.5), xlabel="MiB, whatever the batch")
        ax.set_title(title or "What training holds for its parameters")
        ax.legend(frameon=False, fontsize=8, loc="upper right")
        _plain(ax, grid=False)
    return Picture(figure, "; ".join(f"{name}: {sum(row) / MIB:.1f} MiB" for name, row in rows.items()))


def kept_chart(layers: Sequence[Mapping[str, Any]], kept: Collection[int] | None, title: str = "") -> Picture:
    """Draws the tensors of a forward pass by their size, those that are kept in colour.

    Args:
        layers: A table of layers, as `gpulabs.layer_tables` makes it.
        kept: Numbers of the tensors that are kept, 0 the images; None: nobody knows yet.
        title: Of the picture.
    """
    names = ["images", *(f"{number} {layer['kind']}" for number, layer in enumerate(layers, 1))]
    sizes = [4 * math.prod(shape) / KIB for shape in (layers[0]["input"], *(layer["output"] for layer in layers))]
    views = {number for number, layer in enumerate(layers, 1) if layer["kind"] == "Flatten"}
    with panels(7.6, 0.25 * len(names) + 0.9) as (figure, (ax,)):
        for place, size in enumerate(sizes):
            chosen = kept is not None and place in kept
            if place in views:
                ax.text(0, place, "  the same memory", va="center", fontsize=7.5, color=MUTED)
                continue
            ax.barh(place, size, height=0.7, color=ORANGE if chosen else FAINT)
            ax.text(
                size, place, f" {size:.0f}{'' if chosen or kept is None else ', not kept'}", va="center", fontsize=7.5
            )
        ax.set_yticks(range(len(names)), names, fontsize=8)
        ax.set(ylim=(len(names) - 0.5, -0.6), xlim=(0, 1.18 * max(sizes)), xlabel="KiB an image, in float32")
        ax.set_title(title or "Tensors of the forward pass; orange: kept for the backward pass")
        _plain(ax, grid=False)
    told = "not known yet" if kept is None else f"kept: {', '.join(map(str, sorted(kept)))}"
    return Picture(figure, f"{len(names)} tensors; {told}")


def peak_curve(
    measured: Mapping[int, float], predicted: Mapping[int, float], title: str, within: float = 0.15
) -> Picture:
    """Draws peaks against the batch, measured and predicted, and below how far a prediction is off.

    Args:
        measured: Batch -> bytes.
        predicted: Likewise; empty: nothing was predicted yet.
        title: What was measured.
        within: Error that is allowed; shaded.

    Raises:
        BadInputError: Nothing was measured.
    """
    if not measured:
        raise BadInputError("peak_curve: no measurement to draw")
    batches = sorted(measured)
    both = [batch for batch in batches if batch in predicted]
    off = [100 * (predicted[batch] / measured[batch] - 1) for batch in both]
    with panels(7.6, 4.6, 1, 2, sharex=True, height_ratios=(2.2, 1)) as (figure, (curve, error)):
        curve.plot(batches, [measured[b] / MIB for b in batches], "o", color=INK, markersize=5, label="measured")
        if both:
            curve.plot(both, [predicted[b] / MIB for b in both], color=ORANGE, linewidth=1.8, label="predicted")
            error.plot(both, off, "o-", color=ORANGE, markersize=4)
        error.axhspan(-100 * within, 100 * within, color=GREEN, alpha=0.14, linewidth=0)
        error.axhline(0, color=MUTED, linewidth=0.8)
        ends = max([100 * within * 1.5, *(abs(one) * 1.15 for one in off)])
        error.set(ylabel="off by, %", xlabel="batch", ylim=(-ends, ends))
        error.set_title(f"Green: within {within:.0%}", fontsize=9)
        curve.set(xscale="log", yscale="log", ylabel="peak, MiB")
        curve.legend(frameon=False, loc="upper left")
        curve.set_title(title)
        powers = [batch for batch in batches if batch & (batch - 1) == 0]
        error.set_xticks(powers, [str(batch) for batch in powers])
        error.minorticks_off()
        for ax in (curve, error):
            _plain(ax)
    worst = f"; off by {max(off, key=abs):+.1f} % at most" if off else "; nothing predicted yet"
    return Picture(
        figure, f"{title}: {min(measured.values()) / MIB:,.0f} to {max(measured.values()) / MIB:,.0f} MiB{worst}"
    )


def search_trace(tries: Sequence[tuple[int, bool]], largest: int, title: str = "") -> Picture:
    """Draws a search for the largest batch, try by try.

    Args:
        tries: (batch, whether it fitted) in order; empty: an empty frame.
        largest: The largest that fits; a line.
        title: Of the picture.
    """
    with panels(7.6, 3.0) as (figure, (ax,)):
        ax.axhline(
            max(largest, 1), color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label=f"{largest} is the largest"
        )
        places = range(1, len(tries) + 1)
        ax.plot(places, [batch for batch, _ in tries], color=FAINT, linewidth=1.0)
        for fitted, colour, mark, label in ((True, BLUE, "o", "fits"), (False, VERMILION, "X", "out of memory")):
            mine = [(place, batch) for place, (batch, was) in zip(places, tries, strict=True) if was is fitted]
            ax.plot([one[0] for one in mine], [one[1] for one in mine], mark, color=colour, markersize=6, label=label)
        ax.locator_params(axis="x", integer=True)
        ax.set(yscale="log", xlabel="try", ylabel="batch", xlim=(0.3, max(len(tries), 1) + 0.7))
        ax.legend(frameon=False, loc="lower right")
        ax.set_title(title or "A search for the largest batch")
        _plain(ax)
    return Picture(
        figure, f"{len(tries)} tries, {sum(not was for _, was in tries)} out of memory; {largest} is the largest"
    )


def scale_trace(scales: Sequence[float], skipped: Sequence[int], title: str = "") -> Picture:
    """Draws a loss scale over the steps of a training.

    Args:
        scales: The scale in each step; empty: an empty frame.
        skipped: Steps whose gradients were not finite.
        title: Of the picture.
    """
    with panels(7.6, 2.7) as (figure, (ax,)):
        ax.step(range(len(scales)), scales, color=BLUE, linewidth=1.6, where="post")
        ax.plot(skipped, [scales[step] for step in skipped], "X", color=VERMILION, markersize=6, label="step skipped")
        ax.set(xlabel="step", ylabel="loss scale", xlim=(0, max(len(scales), 1)))
        if scales:
            ax.set_yscale("log", base=2)
        if skipped:
            ax.legend(frameon=False, loc="upper right")
        ax.set_title(title or "The scale grows until something overflows")
        _plain(ax)
    if not scales:
        return Picture(figure, "no scale yet")
    return Picture(figure, f"scale from {scales[0]:g} to {scales[-1]:g}, {len(skipped)} of {len(scales)} steps skipped")


def chain_chart(
    names: Sequence[str], sizes: Sequence[float], flops: Sequence[float], again: Collection[int] | None, title: str
) -> Picture:
    """Draws a chain of layers: what each would keep, what it costs to compute again, which ones are.

    Args:
        names: Of the layers.
        sizes: Bytes that each keeps, in MiB.
        flops: Work of each, in GFLOP.
        again: Places that are computed again; None: not chosen yet.
        title: Of the picture.
    """
    chosen = set(again or ())
    with panels(7.6, 3.8, 1, 2, sharex=True) as (figure, axes):
        for ax, values, label in zip(axes, (sizes, flops), ("MiB to keep", "GFLOP to compute"), strict=True):
            for place, value in enumerate(values):
                computed = place in chosen
                ax.bar(place, value, width=0.72, facecolor="none" if computed else ORANGE, edgecolor=ORANGE,
                       hatch="////" if computed else None)  # fmt: skip
            ax.set(ylabel=label)
            ax.set_axisbelow(True)
            _plain(ax)
        axes[0].set_title(title)
        axes[1].set_xticks(range(len(names)), list(names), rotation=40, ha="right", fontsize=8)
    kept, extra = (sum(v for place, v in enumerate(values) if (place in chosen) is computed)
                   for values, computed in ((sizes, False), (flops, True)))  # fmt: skip
    return Picture(
        figure, f"{len(chosen)} of {len(names)} layers computed again: {kept:.4g} MiB kept, {extra:.4g} GFLOP more"
    )


def pool_strip(blocks: Sequence[tuple[float, bool]], device_free: float, request: float, title: str = "") -> Picture:
    """Draws a device's memory: the pool's blocks, in use or free, and what nobody took; below it a request.

    Args:
        blocks: (MiB, whether in use), in the order of their addresses.
        device_free: MiB that no pool has reserved.
        request: MiB that are asked for.
        title: Of the picture.
    """
    reserved = sum(size for size, _ in blocks)
    with panels(7.8, 1.9) as (figure, (ax,)):
        left = 0.0
        for size, used in blocks:
            style: dict[str, Any] = {"facecolor": BLUE} if used else {"facecolor": PAPER, "hatch": "...."}
            box(ax, left, 0, size, 1, edgecolor=MUTED, **style)
            if size > 0.035 * (reserved + device_free):
                words: dict[str, Any] = {"color": PAPER if used else INK, "fontsize": 8}
                label = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.0}
                ax.text(
                    left + size / 2,
                    0.5,
                    f"{size:,.0f}",
                    ha="center",
                    va="center",
                    bbox=None if used else label,
                    **words,
                )
            left += size
        box(ax, left, 0, device_free, 1, facecolor=FAINT, edgecolor=MUTED)
        ax.text(left + device_free / 2, 0.5, f"{device_free:,.0f}", ha="center", va="center", fontsize=8)
        box(ax, 0, -0.75, request, 0.45, facecolor=ORANGE, edgecolor=MUTED)
        ax.text(request, -0.53, f"  {request:,.0f} MiB are asked for", va="center", fontsize=8)
        ax.plot([0, reserved], [1.18, 1.18], color=MUTED, linewidth=1.2)
        ax.text(reserved / 2, 1.25, f"what nvidia-smi shows: {reserved:,.0f} MiB", ha="center", va="bottom", fontsize=8)
        ax.set(xlim=(0, reserved + device_free), ylim=(-0.8, 1.6))
        ax.set_title(title or "Blue: tensors; dotted: free in the pool; grey: nobody took it")
        bare(ax)
    in_use = sum(size for size, is_used in blocks if is_used)
    return Picture(
        figure, f"{in_use:,.0f} MiB in use of {reserved:,.0f} MiB reserved, {device_free:,.0f} MiB not taken"
    )


def _plain(ax: Axes, grid: bool = True) -> None:
    if grid:
        ax.grid(True, color=FAINT, linewidth=0.6)
    ax.tick_params(length=0, colors=MUTED)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
