"""Small images in labelled rows: what augmentation makes of a picture, which pictures a network confuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gpulabs.errors import BadInputError
from gpulabs.plots.picture import MUTED, Picture, bare, panels

_INCHES = 0.62
_LABEL_INCHES = 1.9


def image_rows(rows: Mapping[str, Any], title: str = "", columns: Sequence[str] = ()) -> Picture:
    """Draws a row of small images for each caption.

    Args:
        rows: Caption -> images, (N, H, W), (N, H, W, 1) or (N, H, W, 3), uint8 or floats in [0, 1]; rows may differ in
            length, and an empty one says so.
        title: Above all.
        columns: Captions above the first row's images.

    Returns:
        The picture.

    Raises:
        BadInputError: There are no rows, or an array is no row of images.
    """
    if not rows:
        raise BadInputError("image_rows: no rows to draw")
    ready = {caption: _row(caption, images) for caption, images in rows.items()}
    width = max(1, *(len(images) for images in ready.values()))
    size = (_LABEL_INCHES + _INCHES * width, _INCHES * len(ready) + 0.45 * bool(title) + 0.2 * bool(columns))
    with panels(*size, width, len(ready), gridspec_kw={"wspace": 0.02, "hspace": 0.02}) as (figure, axes):
        for place, (caption, images) in enumerate(ready.items()):
            line = axes[place * width : (place + 1) * width]
            for ax in line:
                bare(ax)
            for ax, image in zip(line, images, strict=False):
                ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            if not len(images):
                line[0].text(0.5, 0.5, "none", ha="center", va="center", color=MUTED, transform=line[0].transAxes)
            line[0].set_ylabel(caption, rotation=0, ha="right", va="center", labelpad=8)
        for ax, name in zip(axes, columns, strict=False):
            ax.set_title(name, fontsize=8, loc="center", fontweight="normal")
        if title:
            figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left")
    counted = "; ".join(f"{caption}: {len(images)} images" for caption, images in ready.items())
    return Picture(figure, f"{title}. {counted}" if title else counted)


def _row(caption: str, images: Any) -> Any:
    array = np.asarray(images)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] != 3):
        raise BadInputError(
            f"{caption!r}: shape {np.shape(images)} is no row of images; pass (N, H, W, 1) or (N, H, W, 3), e.g. x[:8]"
        )
    return np.clip(array / 255 if array.dtype == np.uint8 else array, 0, 1).astype(np.float64)
