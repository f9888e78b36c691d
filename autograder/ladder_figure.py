"""A picture for the report: the student's kernel among the rungs of the ladder, in TFLOP/s, beside cuDNN."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from autograder.evidence import Race
from autograder.figures import INK, canvas, to_figure
from autograder.result import Figure

MINE, RUNG, CUDNN = "#d55e00", "#9db4c7", "#56b4e9"
"""Okabe and Ito's vermillion and sky blue, which every kind of colour vision tells apart, and a grey blue."""


@dataclass(frozen=True)
class Bar:
    """One bar: whose, how long it took, what colour."""

    name: str
    time_ms: float
    color: str


def ladder_figure(race: Race, function: str) -> Figure | None:
    """Draws a race as bars, the slowest first and cuDNN last.

    Args:
        race: With its medians.
        function: The student's.

    Returns:
        The picture, or None where nothing was timed.
    """
    if not race.pairs or not race.flops:
        return None
    bars = _bars(race, function)
    cudnn = race.peers.get("cudnn")
    drawn, axes = canvas(6.4, 0.42 * len(bars) + 0.9)
    longest = max(_tflop_s(race, bar) for bar in bars)
    for row, bar in enumerate(bars):
        height = _tflop_s(race, bar)
        axes.barh(row, height, color=bar.color, edgecolor=INK, linewidth=0.6, height=0.72)
        axes.text(height + 0.01 * longest, row, f" {_label(race, bar)}", va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(bars)), [bar.name for bar in bars])
    for text, bar in zip(axes.get_yticklabels(), bars, strict=True):
        text.set_fontweight("bold" if bar.color == MINE else "normal")
    axes.invert_yaxis()
    axes.set_xlim(0, 1.45 * longest)  # room for the numbers behind the longest bar
    axes.set_xlabel("TFLOP/s", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    against = ", share of cuDNN's speed in brackets" if cudnn else ""
    title = f"{function} on the ladder: {race.workload}{against}"
    told = "; ".join(f"{bar.name} {_label(race, bar)}" for bar in bars)
    return to_figure(drawn, race.task, title, f"Bars in TFLOP/s, from top to bottom: {told}.")


def _bars(race: Race, function: str) -> list[Bar]:
    times = dict(race.peers)
    times[race.baseline] = statistics.median(base for _, base in race.pairs)
    if race.rounds:
        times[race.high] = statistics.median(high for _, _, high in race.rounds)
    cudnn = times.pop("cudnn", None)
    mine = Bar(f"your {function}", statistics.median(candidate for candidate, _ in race.pairs), MINE)
    bars = sorted([*(Bar(name, time, RUNG) for name, time in times.items()), mine], key=lambda bar: -bar.time_ms)
    return [*bars, *([Bar("cuDNN", cudnn, CUDNN)] if cudnn else [])]


def _tflop_s(race: Race, bar: Bar) -> float:
    return race.flops / bar.time_ms / 1e9


def _label(race: Race, bar: Bar) -> str:
    text = f"{_tflop_s(race, bar):.3g}"
    cudnn = race.peers.get("cudnn")
    return f"{text} ({cudnn / bar.time_ms:.2f})" if cudnn and bar.color != CUDNN else text
