"""What training comes to, epoch by epoch, and the learning rates behind it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from gpulabs.errors import BadInputError
from gpulabs.plots.picture import FAINT, MUTED, SERIES, Picture, panels


def learning_curves(
    accuracies: Mapping[str, Sequence[Sequence[float]]], rates: Mapping[str, Sequence[float]] | None = None
) -> Picture:
    """Draws accuracy against epochs, each run thin and their median thick; beside it learning rates.

    The median, because runs may fail: a mean of those that learnt and those that did not is the accuracy of none.

    Args:
        accuracies: Label -> runs, each an accuracy (0 to 1) after every epoch.
        rates: Label -> learning rate of every step; labels that are in `accuracies` keep their colour.

    Raises:
        BadInputError: No runs.
    """
    if not accuracies or not all(accuracies.values()):
        raise BadInputError("learning_curves: no runs to draw")
    colours = dict(zip(accuracies, SERIES, strict=False))
    facts = []
    options: dict[str, Any] = {"width_ratios": (1.7, 1)} if rates else {}
    with panels(8.4 if rates else 6.4, 4.0, 2 if rates else 1, **options) as (figure, axes):
        for label, runs in accuracies.items():
            epochs = range(1, len(runs[0]) + 1)
            median = [100 * statistics.median(run[epoch - 1] for run in runs) for epoch in epochs]
            for run in runs:
                axes[0].plot(epochs, [100 * one for one in run], color=colours[label], linewidth=0.7, alpha=0.5)
            axes[0].plot(epochs, median, color=colours[label], linewidth=2.4, label=f"{label}: {median[-1]:.1f} %")
            ends = f", {100 * min(run[-1] for run in runs):.1f} to {100 * max(run[-1] for run in runs):.1f}"
            several = f" (median of {len(runs)} runs{ends})" if len(runs) > 1 else ""
            facts.append(f"{label}: {median[-1]:.1f} % after {len(runs[0])} epochs{several}")
        axes[0].set(xlabel="epoch", ylabel="right answers on the test set, %", ylim=(0, 100))
        axes[0].locator_params(axis="x", integer=True)
        axes[0].set_title("Learning")
        title = "thick: median, thin: each run" if any(len(runs) > 1 for runs in accuracies.values()) else None
        axes[0].legend(
            title=title,
            title_fontsize=8,
            fontsize=8,
            frameon=False,
            ncols=2,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
        )
        if rates:
            for label, steps in rates.items():
                axes[1].plot(range(len(steps)), steps, color=colours.get(label, MUTED), linewidth=2, label=label)
            axes[1].set(xlabel="step", ylabel="learning rate", ylim=(0, None))
            axes[1].set_title("Learning rate")
        for ax in axes:
            ax.grid(True, color=FAINT, linewidth=0.6)
            ax.set_axisbelow(True)
            ax.tick_params(length=0, colors=MUTED)
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
    return Picture(figure, "; ".join(facts))
