"""Training as pictures: who waits for whom, learning rates, curves of losses and accuracies, times to an accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpulabs.errors import BadInputError
from gpulabs.plots.picture import FAINT, INK, MUTED, SERIES, Picture, box, panels

_ROW = 0.62


def feed_timeline(load_ms: float, compute_ms: float, steps: int = 5) -> Picture:
    """Draws host and device over some steps: one after the other above, with prefetch below.

    Args:
        load_ms: To make a batch, on the host.
        compute_ms: To train on it, on the device.
        steps: How many are drawn.
    """
    serial = [(place * (load_ms + compute_ms), place * (load_ms + compute_ms) + load_ms) for place in range(steps)]
    ahead, free = [], 0.0
    for place in range(steps):
        free = max(free, (place + 1) * load_ms)
        ahead.append((place * load_ms, free))
        free += compute_ms
    each = {"one after the other": (serial, load_ms + compute_ms), "with prefetch": (ahead, max(load_ms, compute_ms))}
    end = serial[-1][1] + compute_ms
    with panels(7.6, 3.3, 1, 2, sharex=True) as (figure, axes):
        for ax, (caption, (places, step)) in zip(axes, each.items(), strict=True):
            for number, (loading, computing) in enumerate(places):
                box(ax, loading, 1, load_ms, _ROW, facecolor=SERIES[1], edgecolor="white", linewidth=1.2)
                box(ax, computing, 0, compute_ms, _ROW, facecolor=SERIES[0], edgecolor="white", linewidth=1.2)
                for x, y, width in ((loading, 1, load_ms), (computing, 0, compute_ms)):
                    ax.text(
                        x + width / 2, y + _ROW / 2, str(number), ha="center", va="center", color="white", fontsize=8
                    )
            ax.set_yticks([_ROW / 2, 1 + _ROW / 2], ["device trains", "host makes batch"])
            ax.set(xlim=(0, end), ylim=(-0.15, 1.8))
            ax.set_title(f"{caption}: {step:g} ms a step, the device waits {1 - compute_ms / step:.0%} of it")
            _plain(ax)
        axes[-1].set_xlabel("ms")
    said = "; ".join(f"{caption} {step:g} ms a step" for caption, (_, step) in each.items())
    return Picture(figure, f"batches take {load_ms:g} ms to make and {compute_ms:g} ms to train on: {said}")


def rate_curves(schedules: Mapping[str, Any]) -> Picture:
    """Draws learning rates over the steps of a training.

    Args:
        schedules: Caption -> rates, one a step.
    """
    if not schedules:
        raise BadInputError("rate_curves: no schedule to draw")
    with panels(7.0, 2.9) as (figure, (ax,)):
        for color, (caption, rates) in zip(SERIES, schedules.items(), strict=False):
            ax.plot(
                [place / len(rates) for place in range(len(rates))], rates, color=color, linewidth=1.8, label=caption
            )
        ax.set(xlabel="share of the training", ylabel="learning rate", ylim=(0, None), xlim=(0, 1))
        ax.set_title("The learning rate over the training")
        ax.legend(frameon=False)
        _plain(ax)
    said = "; ".join(f"{caption} from {rates[0]:.2g} to {rates[-1]:.2g}" for caption, rates in schedules.items())
    return Picture(figure, f"learning rates: {said}")


def training_curves(trials: Mapping[str, Any]) -> Picture:
    """Draws losses and accuracies of trainings, epoch by epoch: trained images dashed, held-out ones solid.

    Args:
        trials: Caption -> `gpulabs.trial.Trial`, or None for one that is still to come.
    """
    there = {caption: trial for caption, trial in trials.items() if trial is not None}
    with panels(8.4, 3.3, 2) as (figure, (left, right)):
        for color, (caption, trial) in zip(SERIES, there.items(), strict=False):
            epochs = range(1, len(trial.losses) + 1)
            style: dict[str, Any] = {"color": color, "marker": ".", "markersize": 5}
            left.plot(epochs, trial.losses, linestyle="--", linewidth=1.2, **style)
            left.plot(epochs, trial.held_out_losses, linewidth=1.8, label=caption, **style)
            right.plot(epochs, [100 * one for one in trial.accuracies], linestyle="--", linewidth=1.2, **style)
            right.plot(epochs, [100 * one for one in trial.held_out_accuracies], linewidth=1.8, label=caption, **style)
        left.set(xlabel="epoch", ylabel="loss")
        right.set(xlabel="epoch", ylabel="right, %")
        left.set_title("Loss: dashed trained on, solid held out")
        right.set_title("Accuracy")
        if there:
            right.legend(frameon=False, loc="lower right")
        for ax in (left, right):
            ax.locator_params(axis="x", integer=True)
            _plain(ax)
    said = "; ".join(
        f"{caption}: {one.held_out_accuracies[-1]:.1%} of held-out images" for caption, one in there.items()
    )
    return Picture(figure, said or "nothing is trained yet")


def accuracy_race(trials: Mapping[str, Any], accuracy: float) -> Picture:
    """Draws the leaderboard: seconds until held-out images were this accurate, the fastest on top.

    Args:
        trials: Caption -> `gpulabs.trial.Trial`, or None for one that is still to come.
        accuracy: The accuracy to be reached, as a share.
    """
    times = {caption: trial.seconds_to(accuracy) for caption, trial in trials.items() if trial is not None}
    order = sorted(times, key=lambda caption: (times[caption] is None, times[caption] or 0.0), reverse=True)
    with panels(7.0, 1.1 + 0.4 * max(1, len(order))) as (figure, (ax,)):
        longest = max([time for time in times.values() if time] or [1.0])
        for place, caption in enumerate(order):
            time = times[caption]
            if time is None:
                ax.text(0, place, "  not reached", va="center", color=MUTED)
                continue
            ax.barh(place, time, color=SERIES[0] if place == len(order) - 1 else FAINT, height=0.6)
            ax.text(time + 0.01 * longest, place, f"{time:.1f} s", va="center", color=INK)
        ax.set_yticks(range(len(order)), order)
        ax.set(
            xlabel="seconds of training, compilation included", xlim=(0, 1.15 * longest), ylim=(-0.6, len(order) - 0.4)
        )
        ax.set_title(f"Time to {accuracy:.0%} of held-out images")
        _plain(ax)
    said = "; ".join(f"{caption} {_seconds(times[caption])}" for caption in reversed(order))
    return Picture(figure, f"time to {accuracy:.0%}: {said or 'nothing is trained yet'}")


def gradient_histogram(gradients: Any, scales: Sequence[float]) -> Picture:
    """Draws how large gradients are, and what of them float16 can hold, for some loss scales.

    Args:
        gradients: Any shape; zeros are left out.
        scales: Loss scales, one panel each.
    """
    import numpy as np

    sizes = np.abs(np.asarray(gradients, np.float64)).ravel()
    powers = np.log2(sizes[sizes > 0])
    facts = []
    with panels(7.4, 1.6 * len(scales) + 0.5, 1, len(scales), sharex=True) as (figure, axes):
        for ax, scale in zip(axes, scales, strict=True):
            moved = powers + np.log2(scale)
            lost, rough = float(np.mean(moved < -25)), float(np.mean((moved >= -25) & (moved < -14)))
            ax.axvspan(-24, 16, color=FAINT, zorder=0)
            ax.axvspan(-24, -14, color=MUTED, alpha=0.18, zorder=0)
            ax.hist(moved, bins=list(range(-50, 22)), color=SERIES[0])
            ax.set_yticks([])
            ax.set_title(f"times {scale:,.0f}: {lost:.1%} become 0, {rough:.1%} lose digits", fontsize=9)
            facts.append(f"scale {scale:g}: {lost:.1%} become 0, {rough:.1%} lose digits")
            for side in ("top", "right", "left"):
                ax.spines[side].set_visible(False)
        axes[-1].set(xlabel="size of a gradient, as a power of 2; shaded: what float16 holds, darker with fewer digits",
                     xlim=(-50, 20))  # fmt: skip
    return Picture(figure, "gradients in float16: " + "; ".join(facts))


def _seconds(time: float | None) -> str:
    return "not reached" if time is None else f"{time:.1f} s"


def _plain(ax: Any) -> None:
    ax.grid(True, axis="x", color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, colors=MUTED)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
