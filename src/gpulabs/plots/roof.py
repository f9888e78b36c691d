"""The roofline plot: a device's roof and the student's kernels under it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from gpulabs.errors import BadInputError
from gpulabs.plots.picture import FAINT, INK, MUTED, SERIES, Picture, panels
from gpulabs.roofline import Roof

_MARKERS = "osD^vP"


def roofline(
    roof: Roof,
    points: Mapping[str, tuple[float, float]],
    tensor_peak_gflops: float | None = None,
    on_tensor_cores: Collection[str] = (),
) -> Picture:
    """Draws a roof and points below it, each with the share of the roof that it reaches.

    Args:
        roof: The device.
        points: Label -> (intensity in FLOP/byte, GFLOP/s).
        tensor_peak_gflops: A second roof, of the tensor cores.
        on_tensor_cores: Labels of points that are compared with it.

    Returns:
        The picture, both axes logarithmic.

    Raises:
        BadInputError: A point is not above 0.
    """
    for label, point in points.items():
        if not (point[0] > 0 and point[1] > 0):
            raise BadInputError(f"roofline: {label!r} is at {point}; intensity and GFLOP/s must be above 0")
    high = Roof(tensor_peak_gflops, roof.bandwidth_gb_s, roof.name) if tensor_peak_gflops else roof
    roofs_of = {label: high if label in on_tensor_cores else roof for label in points}
    top = max([roof.peak_gflops, high.peak_gflops, *(y for _, y in points.values())])
    left = min([0.1, *(x / 3 for x, _ in points.values())])
    right = max([roof.ridge * 50, *(x * 8 for x, _ in points.values())])
    bottom = min([roof.attainable(left), *(y / 3 for _, y in points.values())])
    with panels(7.6, 4.4) as (figure, (ax,)):
        xs = np.array([left, roof.ridge, right])
        roofs = [roof.attainable(x) for x in xs]
        ax.fill_between(xs, roofs, bottom, color="#EEF5FA", linewidth=0)
        ax.plot(xs, roofs, color=INK, linewidth=2.2, solid_joinstyle="miter")
        ax.plot([roof.ridge] * 2, [bottom, roof.peak_gflops], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        ax.set(xscale="log", yscale="log", xlim=(left, right), ylim=(bottom, top * 2.2))
        if high is not roof:
            ax.plot(
                [roof.ridge, high.ridge, right], [roof.peak_gflops] + [high.peak_gflops] * 2, color=MUTED, linewidth=1.4
            )
            ax.annotate(
                f"tensor cores, TF32: {high.peak_gflops:,.0f} GFLOP/s",
                (right, high.peak_gflops),
                xytext=(-6, 5),
                textcoords="offset points",
                color=MUTED,
                ha="right",
            )
        ax.annotate(
            f"peak: {roof.peak_gflops:,.0f} GFLOP/s",
            (right, roof.peak_gflops),
            xytext=(-6, 5),
            textcoords="offset points",
            ha="right",
        )
        middle = left * (roof.ridge / left) ** 0.3  # low enough for labels of kernels to pass above
        ax.text(
            middle,
            roof.attainable(middle) * 1.25,
            f"memory: {roof.bandwidth_gb_s:,.0f} GB/s",
            ha="center",
            va="bottom",
            rotation=np.degrees(np.arctan(roof.bandwidth_gb_s)),
            rotation_mode="anchor",
            transform_rotates_text=True,
        )
        ax.annotate(
            f"ridge: {roof.ridge:.3g} FLOP/byte",
            (roof.ridge, bottom),
            xytext=(-4, 5),
            textcoords="offset points",
            color=MUTED,
            ha="right",
            va="bottom",
            fontsize=8,
        )
        heights = _spread([y for _, y in points.values()], bottom, top)
        for number, ((label, (x, y)), height) in enumerate(zip(points.items(), heights, strict=True)):
            colour = SERIES[number % len(SERIES)]
            ax.plot([x, x], [y, roofs_of[label].attainable(x)], color=colour, linewidth=0.9, linestyle=":")
            ax.plot([x], [y], _MARKERS[number % len(_MARKERS)], color=colour, markersize=8, markeredgecolor="white")
            mine = roofs_of[label]
            share = f"{_percent(mine.share(x, y))} of the {'upper ' * (mine is not roof)}roof"
            beyond = x > roof.ridge  # then the room is on the left
            ax.annotate(
                f"{label}: {y:,.0f} GFLOP/s, {share}",
                (x, height),
                xytext=(-10 if beyond else 10, 0),
                textcoords="offset points",
                va="center",
                ha="right" if beyond else "left",
                color=colour,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
            )
        ax.set_title(f"Roofline of {roof.name}")
        ax.set_xlabel("arithmetic intensity, FLOP per byte")
        ax.set_ylabel("GFLOP/s")
        ax.grid(which="major", color=FAINT, linewidth=0.6)
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    shares = (
        "; ".join(f"{label} {_percent(roofs_of[label].share(x, y))}" for label, (x, y) in points.items())
        or "no points yet"
    )
    return Picture(figure, f"Roofline of {roof.name}, share of the roof reached: {shares}")


def _spread(heights: list[float], bottom: float, top: float) -> list[float]:
    """Moves labels down until neighbours are a line apart on the logarithmic axis."""
    line = (top / bottom) ** (1 / 18)
    placed, ceiling = list(heights), float("inf")
    for index in sorted(range(len(heights)), key=lambda i: -heights[i]):
        placed[index] = min(heights[index], ceiling)
        ceiling = placed[index] / line
    return placed


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}"
