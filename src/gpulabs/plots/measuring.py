"""Measuring steps: the queue between host and device, single times, throughput against the batch, what busy means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gpulabs.errors import BadInputError
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
    Picture,
    bare,
    box,
    panels,
)  # fmt: skip
from gpulabs.toy_device import ToyDevice, utilisation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKS = (BLUE, VERMILION, GREEN, PURPLE)


def launch_timeline(device: ToyDevice, title: str = "") -> Picture:
    """Draws what host and device did in a toy's first steps: queueing, running, waiting.

    Args:
        device: After some steps and synchronisations, 100 of each at most.
        title: Of the picture.

    Raises:
        BadInputError: It has not run a step.
    """
    if not device.spans:
        raise BadInputError("launch_timeline: this device has not run a step yet")
    ends = [span[3] for span in device.spans] + [until for _, until in device.waits]
    with panels(8.2, 1.75) as (figure, (ax,)):
        for number, (begin, queued, start, end) in enumerate(device.spans, 1):
            box(ax, begin * 1e3, 1.1, (queued - begin) * 1e3, 0.7, facecolor=ORANGE, edgecolor="white")
            box(ax, start * 1e3, 0.1, (end - start) * 1e3, 0.7, facecolor=SKY, edgecolor="white")
            if end - start > max(ends) / 40:
                ax.text((start + end) * 500, 0.45, f"step {number}", ha="center", va="center", fontsize=8, color=INK)
        for begin, until in device.waits:
            box(ax, begin * 1e3, 1.1, (until - begin) * 1e3, 0.7, facecolor="none", edgecolor=MUTED, hatch="////")
        ax.set(xlim=(0, max(ends) * 1e3 * 1.02), ylim=(0, 1.9), xlabel="milliseconds")
        ax.set_yticks([0.45, 1.45], ["device runs", "host"])
        ax.tick_params(axis="y", length=0)
        ax.set_title(title or "Orange: the host queues a step; hatched: it waits")
        for side in ("top", "right", "left"):
            ax.spines[side].set_visible(False)
    queueing, running = (sum(span[at + 1] - span[at] for span in device.spans) * 1e3 for at in (0, 2))
    return Picture(
        figure,
        f"{len(device.spans)} steps: {queueing:.3g} ms of queueing, {running:.3g} ms on the device",
    )


def trace_plot(
    times_ms: Sequence[float],
    marks: Mapping[str, float],
    interval: tuple[float, float] | None = None,
    title: str = "Single times, in the order in which they were measured",
) -> Picture:
    """Draws single times as dots and what sums them up as lines.

    Args:
        times_ms: The times, in milliseconds.
        marks: Label -> time, e.g. `median`.
        interval: A band, from low to high.
        title: Of the picture.

    Raises:
        BadInputError: There are no times.
    """
    if not times_ms:
        raise BadInputError("trace_plot: no times to draw")
    with panels(7.6, 3.1) as (figure, (ax,)):
        ax.plot(range(1, len(times_ms) + 1), times_ms, "o", color=MUTED, markersize=3.5, alpha=0.7)
        for (label, value), colour in zip(marks.items(), _MARKS, strict=False):
            ax.axhline(value, color=colour, linewidth=1.6, label=f"{label}: {value:.4g} ms")
        if interval:
            ax.axhspan(*interval, color=BLUE, alpha=0.18, linewidth=0, label="interval")
        ax.set(ylim=(0, max(times_ms) * 1.08), xlabel="sample", ylabel="milliseconds a step")
        if marks or interval:
            ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        ax.set_title(title)
        _plain(ax)
    said = "; ".join(f"{label} {value:.4g} ms" for label, value in marks.items())
    return Picture(figure, f"{len(times_ms)} times from {min(times_ms):.4g} to {max(times_ms):.4g} ms; {said}")


def throughput_knee(
    images_per_s: Mapping[int, float],
    fit: tuple[float, float] | None = None,
    title: str = "Throughput against the batch",
    busy: Mapping[int, float] | None = None,
) -> Picture:
    """Draws throughput against the batch, a fitted model with its knee, and how busy the device was.

    Args:
        images_per_s: Batch -> throughput.
        fit: (fixed ms, ms an image) of the model `fixed + batch * image`, or None.
        title: What was measured, on which device.
        busy: Batch -> utilisation, 0 to 1; drawn below.

    Raises:
        BadInputError: Nothing was measured.
    """
    if not images_per_s:
        raise BadInputError("throughput_knee: no measurement to draw")
    batches = sorted(images_per_s)
    fact = f"{max(images_per_s.values()):,.0f} images/s at best"
    options: dict[str, Any] = {"sharex": True, "height_ratios": (2.4, 1)} if busy else {}
    with panels(7.6, 5.0 if busy else 3.7, 1, 2 if busy else 1, **options) as (figure, axes):
        ax = axes[0]
        ax.plot(batches, [images_per_s[batch] for batch in batches], "o", color=BLUE, markersize=5, label="throughput")
        if fit and fit[0] > 0 and fit[1] > 0:
            fixed_ms, image_ms = fit
            knee = fixed_ms / image_ms
            lines = [2 ** (power / 8) for power in range(8 * (batches[-1].bit_length()))]
            lines = [one for one in lines if batches[0] <= one <= batches[-1]]
            ax.plot(lines, [one * 1e3 / (fixed_ms + image_ms * one) for one in lines], color=VERMILION, label="model")
            ax.axhline(1e3 / image_ms, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="limit of the model")
            if batches[0] <= knee <= batches[-1]:
                ax.axvline(knee, color=GREEN, linewidth=1.2, label=f"knee: batch {knee:.0f}, half of the limit")
            fact += f"; model {fixed_ms:.3g} ms and {image_ms:.3g} ms an image, knee at batch {knee:.0f}"
        ax.set(xscale="log", ylim=(0, None), ylabel="images a second")
        ax.set_title(title)
        ax.legend(frameon=False, loc="lower right")
        if busy:
            shown = sorted(busy)
            axes[1].plot(shown, [100 * busy[batch] for batch in shown], "s-", color=ORANGE, markersize=4)
            axes[1].set(ylim=(0, 105), ylabel="busy, %")
            axes[1].set_title("Utilisation: some kernel was running", fontsize=9)
            fact += f"; utilisation {min(busy.values()):.0%} to {max(busy.values()):.0%}"
        axes[-1].set_xticks(batches, [str(batch) for batch in batches])
        axes[-1].minorticks_off()
        axes[-1].set_xlabel("batch size")
        for each in axes:
            _plain(each)
    return Picture(figure, fact)


def busy_lanes(devices: Mapping[str, Sequence[tuple[float, float, float]]], until: float) -> Picture:
    """Draws kernels over time, as high as the share of the device that each uses.

    Args:
        devices: Caption -> kernels as (begin, end, share of the device's multiprocessors), not overlapping.
        until: End of the window, in the kernels' unit, milliseconds.

    Returns:
        One panel a caption, each with its utilisation and the share of the device that worked.

    Raises:
        BadInputError: No devices.
    """
    if not devices:
        raise BadInputError("busy_lanes: nothing to draw")
    facts = []
    with panels(8.2, 1.25 * len(devices) + 0.3, 1, len(devices), sharex=True) as (figure, axes):
        for ax, (caption, kernels) in zip(axes, devices.items(), strict=True):
            bare(ax)
            box(ax, 0, 0, until, 1, facecolor="none", edgecolor=FAINT)
            for begin, end, share in kernels:
                box(ax, begin, 0, end - begin, share, facecolor=SKY, edgecolor="white")
            busy = utilisation([(begin, end) for begin, end, _ in kernels], 0, until)
            worked = sum((end - begin) * share for begin, end, share in kernels) / until
            ax.set(xlim=(0, until), ylim=(0, 1.02))
            facts.append(f"{caption}: utilisation {busy:.0%}, {worked:.0%} of the device at work")
            ax.set_title(facts[-1])
        axes[-1].set_xlabel("time; a kernel is as high as the share of the multiprocessors that it uses")
    return Picture(figure, "; ".join(facts))


def _plain(ax: Axes) -> None:
    ax.grid(True, color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, colors=MUTED)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
