"""Augmentation against a plain NumPy model of it, pixel by pixel; in TensorFlow and compiled by XLA."""

import colorsys
import math

import numpy as np
import pytest

from gpulabs.augmentation import FILLS, Augmentation, Draw, augmenter, draw, hide, move, recolour, uniform
from gpulabs.errors import BadInputError

tf = pytest.importorskip("tensorflow")

SEED = (20, 3)
COLOUR = Augmentation(brightness=0.3, contrast=0.4, saturation=0.5, hue=30)
EVERYTHING = Augmentation(True, 3, 20, 0.3, 0.3, 0.3, 30, 4)


def images(count=3, height=6, width=5, channels=3):
    return np.random.default_rng(0).random((count, height, width, channels), np.float32)


def drawn(count=1, **values):
    rest = {"mirror": 1, "x": 0, "y": 0, "angle": 0, "brightness": 1, "contrast": 1, "saturation": 1, "hue": 0}
    filled = {**rest, "hide_x": 0, "hide_y": 0, **values}
    return Draw(**{name: tf.constant(np.broadcast_to(np.float32(value), count)) for name, value in filled.items()})


def pcg(seed, count):
    """The same hash with Python's whole numbers."""
    low, numbers = 2**32, []
    for place in range(count * 16):
        v = [(one % low * 1664525 + 1013904223) % low for one in (place, *seed)]
        for _ in range(3):
            for a in range(3):
                v[a] = (v[a] + v[(a + 1) % 3] * v[(a + 2) % 3]) % low
            v = [one ^ (one >> 16) for one in v]
        numbers.append((v[0] >> 8) / 2**24)
    return np.array(numbers, np.float32).reshape(count, 16)


def moved(image, drawn, fill):
    """Where each output pixel comes from, in float64, one at a time."""
    height, width, channels = image.shape
    mirror, dx, dy, angle = (float(value[0]) for value in drawn[:4])
    out = np.zeros((height, width, channels))

    def pixel(row, column):
        if fill == "black" and not (0 <= row < height and 0 <= column < width):
            return np.zeros(channels)
        if fill == "reflect":
            row, column = height - 1 - abs(height - 1 - abs(row)), width - 1 - abs(width - 1 - abs(column))
        return image[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]

    for i in range(height):
        for j in range(width):
            down, along = i - (height - 1) / 2 - dy, j - (width - 1) / 2 - dx
            down, along = (
                math.cos(angle) * down - math.sin(angle) * along,
                math.cos(angle) * along + math.sin(angle) * down,
            )
            y, x = down + (height - 1) / 2, along * mirror + (width - 1) / 2
            top, left = math.floor(y + 1e-6), math.floor(x + 1e-6)
            for row, part_y in ((top, 1 - (y - top)), (top + 1, y - top)):
                for column, part_x in ((left, 1 - (x - left)), (left + 1, x - left)):
                    out[i, j] += part_y * part_x * pixel(row, column)
    return out


@pytest.mark.parametrize("seed", [(0, 0), SEED, (-1, 2**31 - 1)])
def test_random_numbers_are_the_published_hash(seed):
    got = uniform(tf.constant(seed), 5).numpy()
    np.testing.assert_array_equal(got, pcg(seed, 5))


def test_random_numbers_are_uniform_and_independent():
    numbers = np.concatenate([uniform(tf.constant((7, step)), 128).numpy() for step in range(200)])
    assert ((numbers >= 0) & (numbers < 1)).all()
    # 25,600 of each: the mean's standard deviation is 0.0018, a correlation's 0.0063; five of them
    np.testing.assert_allclose(numbers.mean(axis=0), 0.5, atol=0.009)
    np.testing.assert_allclose(np.corrcoef(numbers.T), np.eye(16), atol=0.032)
    assert abs(np.corrcoef(numbers[:-128, 0], numbers[128:, 0])[0, 1]) < 0.032  # from step to step


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(
    "values",
    [
        {"x": 2, "y": -1},
        {"mirror": -1},
        {"mirror": -1, "x": 3, "y": 2},
        {"angle": 0.35},
        {"angle": -math.pi / 2},
        {"mirror": -1, "x": -2, "y": 1, "angle": 0.2},
    ],
)
def test_moves_are_those_of_numpy(fill, values):
    image = images(1)
    settings = Augmentation(flip=True, shift=3, rotate=90 if "angle" in values else 0, fill=fill)
    got = move(tf.constant(image), drawn(**values), settings).numpy()
    np.testing.assert_allclose(got[0], moved(image[0], drawn(**values), fill), atol=1e-5)


def test_a_shift_copies_pixels_exactly_and_says_which_way():
    image = images(1)
    got = move(tf.constant(image), drawn(x=1, y=2), Augmentation(shift=2, fill="black")).numpy()
    np.testing.assert_array_equal(got[0, 2:, 1:], image[0, :-2, :-1])
    assert not got[0, :2].any()
    assert not got[0, :, 0].any()
    mirrored = move(tf.constant(image), drawn(mirror=-1), Augmentation(flip=True)).numpy()
    np.testing.assert_array_equal(mirrored, image[:, :, ::-1])


def test_a_quarter_turn_is_numpys():
    image = images(1, 5, 5)
    got = move(tf.constant(image), drawn(angle=math.pi / 2), Augmentation(rotate=90)).numpy()
    np.testing.assert_allclose(got[0], np.rot90(image[0], -1), atol=1e-5)


def test_colours_change_one_after_the_other():
    image = images(1).astype(np.float64) * 0.5 + 0.25
    values = {"brightness": 1.1, "contrast": 0.7, "saturation": 0.6}
    expected = image.mean(axis=3, keepdims=True) * (1 - 0.6) + image * 0.6
    grey = (expected @ [0.299, 0.587, 0.114]).mean()
    expected = np.clip(1.1 * (0.7 * (expected - grey) + grey), 0, 1)
    got = recolour(tf.constant(image, tf.float32), drawn(**values), COLOUR).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_brightness_alone_is_a_factor_cut_off_at_one():
    image = images(2, channels=1)
    got = recolour(tf.constant(image), drawn(2, brightness=1.3), Augmentation(brightness=0.3)).numpy()
    np.testing.assert_allclose(got, np.minimum(image * np.float32(1.3), 1), rtol=1e-6)


@pytest.mark.parametrize("degrees", [0, 120, -120, 40])
def test_hue_turns_colours_about_the_grey_axis(degrees):
    colour = np.array([0.6, 0.4, 0.3])
    got = recolour(
        tf.constant(colour.reshape(1, 1, 1, 3), tf.float32), drawn(hue=math.radians(degrees)), Augmentation(hue=180)
    ).numpy()[0, 0, 0]
    assert got.sum() == pytest.approx(colour.sum(), abs=1e-5)
    turned = (colorsys.rgb_to_hsv(*got)[0] - colorsys.rgb_to_hsv(*colour)[0]) * 360
    assert (turned - degrees + 180) % 360 - 180 == pytest.approx(0, abs=6)  # HSV's circle is a hexagon
    if degrees == 120:
        np.testing.assert_allclose(got, np.roll(colour, 1), atol=1e-6)


def test_grey_images_keep_their_one_channel():
    got = augmenter(EVERYTHING)(tf.constant(images(channels=1)), tf.constant(SEED))
    assert got.shape == (3, 6, 5, 1)


def test_cutout_hides_a_square_that_the_border_may_cut():
    image = images(2, 8, 8)
    got = hide(tf.constant(image), drawn(2, hide_x=[0.5, 0.0], hide_y=[0.5, 0.0]), Augmentation(cutout=4)).numpy()
    hidden = (got == 0.5).all(axis=3)
    assert hidden[0, 2:6, 2:6].all()
    assert hidden[1, :2, :2].all()
    assert hidden.sum() == 16 + 4
    np.testing.assert_array_equal(got[~hidden], image[~hidden])


def test_draws_stay_within_the_settings_and_use_all_of_them():
    got = draw(uniform(tf.constant(SEED), 4000), EVERYTHING)
    assert set(np.unique(got.x)) == set(range(-3, 4))
    assert set(np.unique(got.mirror)) == {-1, 1}
    assert np.mean(got.mirror == 1) == pytest.approx(0.5, abs=0.04)
    for name, middle, reach in [("angle", 0, math.radians(20)), ("contrast", 1, 0.3), ("hue", 0, math.radians(30))]:
        values = getattr(got, name).numpy()
        assert middle - reach <= values.min() < middle - 0.99 * reach
        assert middle + 0.99 * reach < values.max() <= middle + reach


def test_what_is_not_in_the_settings_is_not_drawn():
    got = draw(uniform(tf.constant(SEED), 200), Augmentation(shift=1))
    assert (got.mirror.numpy() == 1).all()
    assert (got.angle.numpy() == 0).all()
    assert (got.brightness.numpy() == 1).all()
    assert augmenter(Augmentation(fill="edge")) is None


@pytest.mark.parametrize("settings", [Augmentation(flip=True, shift=2), EVERYTHING], ids=["moves", "everything"])
def test_xla_and_tensorflow_give_the_same_images(settings):
    augment, batch = augmenter(settings), tf.constant(images(8, 12, 12))
    plain = augment(batch, tf.constant(SEED)).numpy()
    compiled = tf.function(augment, jit_compile=True)(batch, tf.constant(SEED)).numpy()
    np.testing.assert_allclose(plain, compiled, atol=1e-5)
    assert plain.min() >= 0
    assert plain.max() <= 1
    assert len({one.tobytes() for one in plain}) == 8
    assert not np.array_equal(plain, augment(batch, tf.constant((SEED[0], SEED[1] + 1))).numpy())
    np.testing.assert_array_equal(plain, augment(batch, tf.constant(SEED)).numpy())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"shift": 1.5}, "augmentation.shift: expected a whole number from 0 to 16, got 1.5"),
        ({"rotate": "10"}, "augmentation.rotate: expected a number from 0 to 180, got '10'"),
        ({"rotate": float("nan")}, "augmentation.rotate: nan is not from 0 to 180"),
        ({"brightness": -0.1}, "augmentation.brightness: -0.1 is not from 0 to 1"),
        ({"flip": 1}, "augmentation.flip: expected True or False, got 1"),
        ({"fill": "wrap"}, "augmentation.fill: 'wrap' is unknown; use one of reflect, edge, black"),
    ],
)
def test_settings_that_can_not_be_say_why(settings, said):
    with pytest.raises(BadInputError) as caught:
        Augmentation(**settings)
    assert str(caught.value).startswith(said)
