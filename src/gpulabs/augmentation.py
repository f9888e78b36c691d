"""Images that are never twice the same: mirrored, moved, turned, recoloured, partly hidden, anew in every epoch.

Made to run inside the compiled training step, beside the network and on its data, where a step lasts half a
millisecond and every kernel launched costs some microseconds. So the work is arranged to need few of them:

- Mirroring, moving and turning are one change of coordinates. Each output pixel asks one question, *where do I
  come from?*, and is read from there: one gather, of four neighbours if something turns.
- Brightness, contrast, saturation and hue are one 3 x 3 matrix and one offset an image: each of them is linear in
  red, green and blue, and linear maps multiply.
- Random numbers come from hashing (seed, image, number), plain integer arithmetic that XLA fuses into the
  gather. They are the same in NumPy, TensorFlow and XLA, which TensorFlow's own generators are not.

Example:
    >>> augment = augmenter(Augmentation(flip=True, shift=2))
    >>> images = augment(images, seed)  # (B, H, W, C) float32 in [0, 1], (2,) int32
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from gpulabs.settings import choice, flag, number, whole

FILLS = ("reflect", "edge", "black")
_PER_IMAGE = 16
"""Random numbers reserved for one image; a number's place never moves, so a new setting changes no other's draws."""
_FLIP, _X, _Y, _TURN, _BRIGHTNESS, _CONTRAST, _SATURATION, _HUE, _HIDE_X, _HIDE_Y = range(10)
_GREY = (0.299, 0.587, 0.114)
"""How much red, green and blue add to a pixel's brightness (ITU-R BT.601)."""


@dataclass(frozen=True)
class Augmentation:
    """What may happen to an image. The default changes nothing.

    Attributes:
        flip: Mirrored left to right, every other image on average.
        shift: Moved by up to so many whole pixels, along and down.
        rotate: Turned by up to so many degrees, either way.
        brightness: Multiplied by 1 - brightness to 1 + brightness.
        contrast: Distance to the image's mean grey multiplied by 1 - contrast to 1 + contrast.
        saturation: Distance of each pixel to its own grey multiplied likewise.
        hue: Colours turned about the grey axis by up to so many degrees, either way.
        cutout: Side of a square that is painted grey, in pixels; 0 for none.
        fill: What moves in at the border: `reflect` (mirrored image), `edge` (last pixel repeated) or `black`.
    """

    flip: bool = False
    shift: int = 0
    rotate: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    cutout: int = 0
    fill: str = "reflect"

    def __post_init__(self) -> None:
        flag("augmentation.flip", self.flip)
        whole("augmentation.shift", self.shift, 0, 16)
        whole("augmentation.cutout", self.cutout, 0, 32)
        for name, most in (("brightness", 1), ("contrast", 1), ("saturation", 1), ("rotate", 180), ("hue", 180)):
            number(f"augmentation.{name}", getattr(self, name), 0, most)
        choice("augmentation.fill", self.fill, FILLS)

    @property
    def is_identity(self) -> bool:
        """Whether nothing happens to any image."""
        return not any(getattr(self, field.name) for field in fields(self) if field.name != "fill")


class Draw(NamedTuple):
    """What happens to each image of a batch; tensors of shape (B,), float32.

    Attributes:
        mirror: -1 mirrored, 1 not.
        x: Pixels to the right.
        y: Pixels down.
        angle: Radians, clockwise as seen.
        brightness: Factor.
        contrast: Factor.
        saturation: Factor.
        hue: Radians.
        hide_x: Where the hidden square's middle lies, 0 to 1 of the width.
        hide_y: Likewise, of the height.
    """

    mirror: Any
    x: Any
    y: Any
    angle: Any
    brightness: Any
    contrast: Any
    saturation: Any
    hue: Any
    hide_x: Any
    hide_y: Any


def augmenter(settings: Augmentation) -> Callable[[Any, Any], Any] | None:
    """Makes the function that augments a batch.

    Args:
        settings: What may happen.

    Returns:
        A function of images, (B, H, W, C) float32 in [0, 1], and a seed, (2,) int32, that returns images of the same
        shape and range: stateless, of TensorFlow ops that XLA compiles. None where the settings change nothing.
        Hue, saturation and grey levels need three channels and are left out where there is one.
    """
    if settings.is_identity:
        return None

    def augment(images: Any, seed: Any) -> Any:
        import tensorflow as tf

        numbers = uniform(seed, tf.shape(images)[0])
        drawn = draw(numbers, settings)
        images = recolour(images, drawn, settings)
        return hide(move(images, drawn, settings), drawn, settings)

    return augment


def uniform(seed: Any, count: Any) -> Any:
    """Random numbers from 0 up to, but not including, 1.

    The hash is pcg3d of Jarzynski and Olano, "Hash Functions for GPU Rendering" (2020), of (seed, place), with a third
    round because within a batch only one of its three inputs changes.

    Args:
        seed: (2,) int32.
        count: Images.

    Returns:
        (count, 16) float32.
    """
    import tensorflow as tf

    def constant(value: int) -> Any:
        return tf.constant(value, tf.uint32)

    place = tf.cast(tf.reshape(tf.range(count * _PER_IMAGE), (count, _PER_IMAGE)), tf.uint32)
    key = tf.bitcast(tf.convert_to_tensor(seed, tf.int32), tf.uint32)
    x, y, z = (part * constant(1664525) + constant(1013904223) for part in (place, key[0], key[1]))
    for _ in range(3):
        x = x + y * z
        y = y + z * x
        z = z + x * y
        x, y, z = (tf.bitwise.bitwise_xor(part, tf.bitwise.right_shift(part, constant(16))) for part in (x, y, z))
    # 24 bits: all that a float32 below 1 can hold, so that 1.0 itself is never reached by rounding.
    high = tf.cast(tf.bitwise.right_shift(x, constant(8)), tf.int32)
    return tf.cast(high, tf.float32) * (1 / 2**24)


def draw(numbers: Any, settings: Any) -> Draw:
    """Turns random numbers into what happens to each image.

    Args:
        numbers: (B, 16) float32 in [0, 1).
        settings: An `Augmentation`, or anything with its attributes, scalar tensors too.

    Returns:
        A `Draw` of (B,) tensors.
    """
    import tensorflow as tf

    def either_way(place: int) -> Any:
        return 2 * numbers[:, place] - 1

    def steps(place: int) -> Any:  # each of the whole numbers from -shift to shift as often as any other
        size = tf.cast(settings.shift, tf.float32)
        return tf.floor(numbers[:, place] * (2 * size + 1)) - size

    degree = math.pi / 180
    chance = 0.5 * tf.cast(settings.flip, tf.float32)
    return Draw(
        mirror=tf.where(numbers[:, _FLIP] < chance, -1.0, 1.0),
        x=steps(_X),
        y=steps(_Y),
        angle=either_way(_TURN) * settings.rotate * degree,
        brightness=1 + either_way(_BRIGHTNESS) * settings.brightness,
        contrast=1 + either_way(_CONTRAST) * settings.contrast,
        saturation=1 + either_way(_SATURATION) * settings.saturation,
        hue=either_way(_HUE) * settings.hue * degree,
        hide_x=numbers[:, _HIDE_X],
        hide_y=numbers[:, _HIDE_Y],
    )


def recolour(images: Any, drawn: Draw, settings: Any) -> Any:
    """Changes hue, then saturation, contrast and brightness, and cuts off at 0 and 1.

    Args:
        images: (B, H, W, C) float32.
        drawn: What happens to each image.
        settings: Says what is left out altogether; a factor of 1 and a hue of 0 change nothing.

    Returns:
        Images of the same shape.
    """
    import tensorflow as tf

    coloured = images.shape[-1] == 3
    needs_matrix = coloured and (_on(settings.saturation) or _on(settings.hue))
    if not (needs_matrix or _on(settings.brightness) or _on(settings.contrast)):
        return images
    if needs_matrix:
        matrix = _colour_matrix(drawn)
        images = sum(images[..., k, None] * matrix[:, None, None, k, :] for k in range(3))
    factor, offset = drawn.brightness, 0.0
    if _on(settings.contrast):
        weights = tf.constant(_GREY if coloured else [1 / images.shape[-1]] * images.shape[-1], tf.float32)
        grey = tf.reduce_mean(tf.reduce_sum(images * weights, axis=-1), axis=(1, 2))
        factor, offset = factor * drawn.contrast, factor * (1 - drawn.contrast) * grey
        images = images * factor[:, None, None, None] + offset[:, None, None, None]
    else:
        images = images * factor[:, None, None, None]
    return tf.clip_by_value(images, 0.0, 1.0)


def _colour_matrix(drawn: Draw) -> Any:
    """The matrix of hue and saturation, (B, 3, 3): from colour k to colour j.

    A grey pixel stays as it is. What a pixel has beyond grey is turned about the grey axis (Rodrigues' formula) and
    multiplied by the saturation. Grey is the plain mean here, about which a turn keeps all lengths.
    """
    import tensorflow as tf

    third = tf.fill((3, 3), 1 / 3)
    cross = tf.constant([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], tf.float32) / math.sqrt(3)
    cos = (drawn.saturation * tf.cos(drawn.hue))[:, None, None]
    sin = (drawn.saturation * tf.sin(drawn.hue))[:, None, None]
    return third + cos * (tf.eye(3) - third) + sin * cross


def move(images: Any, drawn: Draw, settings: Any) -> Any:
    """Mirrors, turns about the middle, then moves.

    Args:
        images: (B, H, W, C) float32; H, W and C known.
        drawn: What happens to each image.
        settings: Says what is left out altogether, and the fill.

    Returns:
        Images of the same shape. Without rotation they are exact copies of pixels; with it, four neighbours are mixed.
    """
    import tensorflow as tf

    turns = _on(settings.rotate)
    if not (turns or _on(settings.flip) or _on(settings.shift)):
        return images
    height, width = images.shape[1], images.shape[2]
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    # Backwards, from where a pixel ends up to where it was: undo the move, the turn, the mirror.
    down = tf.range(height, dtype=tf.float32)[None, :, None] - middle_y - drawn.y[:, None, None]
    along = tf.range(width, dtype=tf.float32)[None, None, :] - middle_x - drawn.x[:, None, None]
    if turns:
        cos, sin = tf.cos(drawn.angle)[:, None, None], tf.sin(drawn.angle)[:, None, None]
        down, along = cos * down - sin * along, cos * along + sin * down
    y, x = down + middle_y, along * drawn.mirror[:, None, None] + middle_x
    pixels = tf.reshape(images, (-1, height * width, images.shape[3]))

    def at(row: Any, column: Any) -> Any:
        inside_row, row = _inside(row, height, settings.fill)
        inside_column, column = _inside(column, width, settings.fill)
        found = tf.gather(pixels, tf.reshape(row * width + column, (-1, height * width)), batch_dims=1)
        found = tf.reshape(found, tf.shape(images))
        if settings.fill == "black":
            found = tf.where((inside_row & inside_column)[..., None], found, 0.0)
        return found

    if not turns:  # whole numbers; rounding only undoes the halves of the middle
        moved = at(tf.cast(tf.round(y), tf.int32), tf.cast(tf.round(x), tf.int32))
        return tf.ensure_shape(moved, images.shape)
    top, left = tf.floor(y), tf.floor(x)
    part_y, part_x = (y - top)[..., None], (x - left)[..., None]
    top, left = tf.cast(top, tf.int32), tf.cast(left, tf.int32)
    upper = at(top, left) * (1 - part_x) + at(top, left + 1) * part_x
    lower = at(top + 1, left) * (1 - part_x) + at(top + 1, left + 1) * part_x
    return tf.ensure_shape(upper * (1 - part_y) + lower * part_y, images.shape)


def _inside(place: Any, size: int, fill: str) -> tuple[Any, Any]:
    """Whether a row or column lies in the image, and the nearest one, or its mirror image, that does."""
    import tensorflow as tf

    inside = (place >= 0) & (place < size)
    if fill == "reflect":
        place = tf.abs(place)
        place = (size - 1) - tf.abs((size - 1) - place)
    return inside, tf.clip_by_value(place, 0, size - 1)


def hide(images: Any, drawn: Draw, settings: Any) -> Any:
    """Paints a square grey; its middle may lie anywhere in the image, so that some squares are cut by the border.

    Source: DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (2017).
    """
    import tensorflow as tf

    if not _on(settings.cutout):
        return images
    height, width = images.shape[1], images.shape[2]
    side = tf.cast(settings.cutout, tf.float32)

    def covered(middle: Any, size: int) -> Any:
        first = tf.floor(middle * size) - tf.floor(side / 2)
        place = tf.range(size, dtype=tf.float32)[None, :]
        return (place >= first[:, None]) & (place < first[:, None] + side)

    square = covered(drawn.hide_y, height)[:, :, None] & covered(drawn.hide_x, width)[:, None, :]
    return tf.where(square[..., None], 0.5, images)


def _on(strength: Any) -> bool:
    """Whether a setting is in use; a tensor's value is not known yet, so it is."""
    return bool(strength) if isinstance(strength, bool | int | float) else True
