"""Photographs before and after a filter, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gpulabs.errors import BadInputError
from gpulabs.plots.picture import FAINT, MUTED, Picture, bare, box, panels

COLUMN_INCHES = 3.1


def filtered_photographs(images: Mapping[str, Any]) -> Picture:
    """Shows images in a row; one that does not exist yet is an empty frame.

    Args:
        images: Caption -> (H, W), (H, W, 1) or (H, W, 3) in any range, or None. An image whose
            values lie in [0, 1] is shown as it is, any other is stretched from its least to its
            largest value, so that negative filter responses are seen.

    Returns:
        The picture.

    Raises:
        BadInputError: An array is not an image.
    """
    ready = {caption: None if image is None else _displayable(caption, image) for caption, image in images.items()}
    shapes = [image.shape for image in ready.values() if image is not None] or [(2, 3)]
    aspect = max(shape[0] / shape[1] for shape in shapes)
    with panels(COLUMN_INCHES * len(ready), COLUMN_INCHES * aspect + 0.4, len(ready)) as (figure, axes):
        for ax, (caption, image) in zip(axes, ready.items(), strict=True):
            bare(ax)
            ax.set_title(caption)
            if image is None:
                box(ax, 0, 0, 1, aspect, facecolor="none", edgecolor=FAINT, hatch="//")
                ax.text(0.5, aspect / 2, "not computed yet", ha="center", va="center", color=MUTED, backgroundcolor="w")
                ax.set(xlim=(0, 1), ylim=(0, aspect), aspect="equal")
            else:
                ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest" if image.shape[1] < 200 else None)
    return Picture(figure, "Photographs: " + "; ".join(images))


def _displayable(caption: str, image: Any) -> Any:
    array = np.asarray(image, dtype=np.float64)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise BadInputError(
            f"{caption!r}: shape {array.shape} is no image; pass (H, W), (H, W, 1) or (H, W, 3), e.g. y[0, :, :, :1]"
        )
    array = np.nan_to_num(array)
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        array = (array - low) / max(high - low, 1e-12)
    return array
