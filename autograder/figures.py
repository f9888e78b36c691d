"""Pictures for the report: what a student's kernel makes of a photograph, and which outputs are wrong.

Drawn with matplotlib's Agg canvas, without pyplot: no window, no global state.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autograder.case_inputs import FILTER_NAMES, inputs
from autograder.cases import EXACT_VALUES, exact
from autograder.evidence import Case
from autograder.judge import differs
from autograder.result import Figure
from autograder.rubric import TIMED_KINDS, Item, Task

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

Array = NDArray[Any]

# Okabe and Ito's colours, told apart by every kind of colour vision, and by their lightness in print.
RIGHT, WRONG, UNWRITTEN = "#dfe7ee", "#d55e00", "#1f2933"
INK = "#1f2933"
_DPI = 110
_MAX_PANELS = 4
_MAX_NAMED = 6  # runs of rows or columns that an alternative text lists


def figures(
    task: Task, cases: Sequence[Case], outputs: Mapping[str, Array], expected: Mapping[str, Array]
) -> tuple[Figure, ...]:
    """Draws the pictures of one task.

    Args:
        task: The task.
        cases: Its cases.
        outputs: The student's outputs by case id, as `judge.read_outputs` gives them.
        expected: The oracle's outputs of real-valued cases, by case id.

    Returns:
        One for each photograph, and one map of the largest case with wrong outputs, if there is one.
    """
    photos: list[Figure] = []
    maps: list[tuple[Case, Array, Array, Array]] = []
    for case in cases:
        output = outputs.get(case.id)
        if task.item(case.item).kind in TIMED_KINDS:  # its workload is large, and no picture of it tells more
            continue
        right = exact(case) if case.values in EXACT_VALUES and output is not None else expected.get(case.id)
        if output is None or right is None or output.shape != right.shape or output.dtype != np.float32:
            continue
        if case.values == "photo":
            photos.append(photo_figure(case, output, right))
        else:
            wrong = differs(output, right, _tolerance(task.item(case.item)))
            if wrong.any():
                maps.append((case, output, right, wrong))
    if not maps:
        return tuple(photos)
    return (error_figure(*max(maps, key=lambda entry: _tells(entry[3]))), *photos)


def _tells(wrong: Array) -> tuple[int, float]:
    """How much a map of wrong outputs tells: a large image more than a small one, a pattern more than all of them."""
    return wrong.shape[1] * wrong.shape[2], -float(wrong.mean())


def photo_figure(case: Case, output: Array, expected: Array) -> Figure:
    """Draws a photograph, a student's filtered version, and where that differs from the right one.

    Args:
        case: A case of values `photo`.
        output: The student's, (N, H_out, W_out, K).
        expected: The right one.
    """
    x, _ = inputs(case)
    differences = differs(output, expected, 0)[0]
    wrong = np.asarray(differences.any(axis=2))
    channel = int(np.argmax(differences.sum(axis=(0, 1))))
    name = FILTER_NAMES[channel % len(FILTER_NAMES)]
    canvas, (left, middle, right) = _canvas(3, x.shape[1] / x.shape[2], below=0.5)
    left.imshow(x[0].astype(np.uint8), interpolation="nearest")
    left.set_title("the photograph")
    shades = _color_map("gray")
    low, high = np.percentile(expected[0, :, :, channel], [1, 99])
    middle.imshow(np.ma.masked_invalid(output[0, :, :, channel]), cmap=shades, vmin=low, vmax=high)
    middle.set_title(f"your kernel: {name}")
    _draw_map(right, output[0].max(axis=2, initial=-np.inf), wrong)
    share = wrong.mean()
    right.set_title("no pixel differs" if share == 0 else f"{_percent(share)} of the pixels differ")
    for axes in (left, middle, right):
        axes.set_axis_off()
        axes.set_anchor("N")  # an output has fewer rows than its photograph: level the titles
    if share:
        _legend(canvas, bool(np.isnan(output[0]).any()))
    verdict = "every pixel is right" if share == 0 else f"{_percent(share)} of the pixels are wrong{_where(wrong)}"
    alt = (
        f"Three pictures side by side: a photograph of {x.shape[1]} x {x.shape[2]} pixels; what {case.function} makes "
        f"of it, {name}; and a map of the differences: {verdict}."
    )
    return _figure(canvas, case, f"{case.function} on a photograph", alt)


def error_figure(case: Case, output: Array, expected: Array, wrong: Array) -> Figure:
    """Draws which outputs of a case are wrong: one map for each of the first channels of the worst image.

    Args:
        case: The case.
        output: The student's, (N, H_out, W_out, K); NaN where never written.
        expected: The right one.
        wrong: Where they differ.
    """
    from matplotlib.ticker import MaxNLocator

    image = int(np.argmax(wrong.sum(axis=(1, 2, 3))))
    channels = min(wrong.shape[3], _MAX_PANELS)
    canvas, panels = _canvas(channels, wrong.shape[1] / wrong.shape[2], below=1.0)
    missing = np.isnan(output) & ~np.isnan(expected)
    for k, axes in enumerate(panels):
        shown = np.where(missing[image, :, :, k], np.nan, 0)
        _draw_map(axes, shown, wrong[image, :, :, k])
        axes.set_title(f"y[{image}, i, j, {k}]")
        axes.set_xlabel("column j")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panels[0].set_ylabel("row i")
    _legend(canvas, bool(missing[image].any()))
    short = case.id.removeprefix(f"{case.task}-")
    alt = (
        f"Map of the outputs of {case.function} in case {short}, image {image}, channels 0 to {channels - 1}: "
        f"{int(wrong.sum())} of {wrong.size} outputs of the whole case are wrong{_where(wrong[image].any(axis=2))}."
    )
    return _figure(canvas, case, f"{case.function}: wrong outputs of case {short}", alt)


def _draw_map(axes: matplotlib.axes.Axes, values: Array, wrong: Array) -> None:
    """Colours each pixel right, wrong or never written."""
    import matplotlib.colors

    kinds = np.where(np.isnan(values), 2, np.where(wrong, 1, 0))
    kinds = np.where(wrong, kinds, 0)
    colors = matplotlib.colors.ListedColormap([RIGHT, WRONG, UNWRITTEN])
    axes.imshow(kinds, cmap=colors, vmin=-0.5, vmax=2.5, interpolation="nearest")


def _canvas(panels: int, ratio: float, below: float) -> tuple[matplotlib.figure.Figure, list[matplotlib.axes.Axes]]:
    """Makes a figure of panels side by side.

    Args:
        panels: How many.
        ratio: Height of a panel over its width.
        below: Inches for titles, labels and a legend.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    width = 9.0 / max(panels, 3)
    canvas = Canvas(figsize=(width * panels + 0.3, width * min(max(ratio, 0.4), 1.6) + below), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = list(canvas.subplots(1, panels, squeeze=False)[0])
    for one in axes:
        one.title.set_fontsize(10)
        one.title.set_color(INK)
        one.tick_params(labelsize=8, colors=INK)
    return canvas, axes


def _legend(canvas: matplotlib.figure.Figure, unwritten: bool) -> None:
    from matplotlib.patches import Patch

    kinds = [(RIGHT, "right"), (WRONG, "wrong"), *([(UNWRITTEN, "never written")] if unwritten else [])]
    patches = [Patch(facecolor=color, edgecolor=INK, linewidth=0.5, label=text) for color, text in kinds]
    canvas.legend(handles=patches, loc="outside lower center", ncols=len(kinds), fontsize=9, frameon=False)


def _color_map(name: str) -> Any:
    import matplotlib

    return matplotlib.colormaps[name].with_extremes(bad=UNWRITTEN)


def _figure(canvas: matplotlib.figure.Figure, case: Case, title: str, alt: str) -> Figure:
    return to_figure(canvas, case.task, title, alt)


def canvas(width: float, height: float) -> tuple[matplotlib.figure.Figure, matplotlib.axes.Axes]:
    """Makes a figure of one panel, its size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    made = Canvas(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    axes = made.subplots()
    axes.tick_params(labelsize=9, colors=INK)
    return made, axes


def to_figure(drawn: matplotlib.figure.Figure, task: str, title: str, alt: str) -> Figure:
    """Turns a drawing into a picture of the report."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=_DPI, facecolor="white", bbox_inches="tight", metadata={"Software": None})
    return Figure(task, title, alt, base64.b64encode(buffer.getvalue()).decode("ascii"))


def _where(wrong: Array) -> str:
    """Says in words where the wrong pixels of an image lie."""
    if wrong.all():
        return ", all of them in this image"
    rows, columns = np.flatnonzero(wrong.any(axis=1)), np.flatnonzero(wrong.any(axis=0))
    return f", in rows {_list(rows)} and columns {_list(columns)}"


def _list(indices: Array) -> str:
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    texts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    more = f" and {len(texts) - _MAX_NAMED} more" if len(texts) > _MAX_NAMED else ""
    return ", ".join(texts[:_MAX_NAMED]) + more


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"


def _tolerance(item: Item) -> float:
    return item.max_relative_error or 0.0
