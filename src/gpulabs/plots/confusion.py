"""What a network takes for what: the confusion matrix, and pictures of the pairs that it confuses most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpulabs.errors import BadInputError
from gpulabs.plots.image_rows import image_rows
from gpulabs.plots.picture import FAINT, INK, MUTED, Picture, panels


def confusion_map(matrix: Any, names: Sequence[str], title: str = "What was taken for what") -> Picture:
    """Draws a confusion matrix: rows are what images are, columns what they were taken for.

    Errors are shaded by their number; the diagonal, which would outshine them, is left white.

    Args:
        matrix: (K, K) counts; None draws an empty frame.
        names: Of the K classes.
        title: Above it.

    Raises:
        BadInputError: The matrix is not K x K.
    """
    classes = len(names)
    counts = np.zeros((classes, classes)) if matrix is None else np.asarray(matrix, np.float64)
    if counts.shape != (classes, classes):
        raise BadInputError(f"confusion_map: a matrix of {counts.shape} for {classes} classes")
    errors = counts.copy()
    np.fill_diagonal(errors, 0)
    right = np.trace(counts) / counts.sum() if counts.sum() else 0.0
    with panels(0.52 * classes + 2.2, 0.46 * classes + 1.5) as (figure, (ax,)):
        ax.imshow(errors, cmap="Oranges", vmin=0, vmax=max(1.0, errors.max()))
        for row in range(classes):
            for column in range(classes):
                count, same = counts[row, column], row == column
                if count:
                    dark = errors[row, column] > 0.6 * errors.max()
                    ax.text(column, row, f"{count:.0f}", ha="center", va="center", fontsize=8,
                            color=MUTED if same else "white" if dark else INK)  # fmt: skip
        ax.set_xticks(range(classes), names, rotation=45 if max(map(len, names)) > 2 else 0,
                      ha="right" if max(map(len, names)) > 2 else "center")  # fmt: skip
        ax.set_yticks(range(classes), names)
        ax.set(xlabel="taken for", ylabel="is")
        ax.set_title(f"{title}: {right:.1%} right" if matrix is not None else title)
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_color(FAINT)
    if matrix is None:
        return Picture(figure, "an empty confusion matrix: nothing to count yet")
    row, column = (int(place) for place in np.unravel_index(errors.argmax(), errors.shape))
    said = f"{right:.1%} right; most often {names[row]} taken for {names[column]}, {errors[row, column]:.0f} times"
    return Picture(figure, said)


def confused_pairs(
    pairs: Any, images: Any, truth: Any, predicted: Any, names: Sequence[str], most: int = 8
) -> Picture:  # fmt: skip
    """Draws images of the pairs of classes that were taken for each other, two rows a pair.

    Args:
        pairs: [[a, b], ...]; None draws none.
        images: (N, H, W, C).
        truth: What they are.
        predicted: What they were taken for.
        names: Of the classes.
        most: Images a row.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    rows: dict[str, Any] = {}
    for a, b in pairs or ():
        for is_, taken in ((a, b), (b, a)):
            chosen = np.flatnonzero((truth == is_) & (predicted == taken))
            rows[f"{names[is_]}, taken for {names[taken]} ({len(chosen)})"] = images[chosen[:most]]
    return image_rows(rows or {"nothing to show yet": images[:0]}, "The most confused pairs")
