"""Every picture draws, says in words what it shows, and refuses what it can't show."""

import numpy as np
import pytest

from gpulabs.errors import BadInputError
from gpulabs.layer_tables import table
from gpulabs.occupancy import LIMITS
from gpulabs.plots import (
    Picture,
    access_map,
    bank_map,
    block_map,
    busy_lanes,
    chain_chart,
    filtered_photographs,
    halo_map,
    image_rows,
    kept_chart,
    ladder_bars,
    launch_timeline,
    learning_curves,
    occupancy_bars,
    peak_curve,
    pool_strip,
    register_map,
    roofline,
    scale_trace,
    search_trace,
    state_bars,
    thread_map,
    throughput_knee,
    trace_plot,
    window_map,
)
from gpulabs.roofline import Roof
from gpulabs.toy_device import Character, ToyDevice

ROOF = Roof(100, 20, "toy")


def ran(steps):
    device = ToyDevice(Character(5.0))
    for _ in range(steps):
        device.step()
    device.synchronize()
    return device


PICTURES = {
    "blocks": lambda: block_map(5, 3, (4, 2)),
    "many blocks": lambda: block_map(640, 427, (32, 8)),
    "threads": thread_map,
    "access": lambda: access_map({"side by side": range(32), "far apart": range(0, 2048, 64)}),
    "photographs": lambda: filtered_photographs({"x": np.zeros((2, 3)), "y": None}),
    "roofline": lambda: roofline(ROOF, {"mine": (2, 10), "other": (50, 90)}),
    "windows": lambda: window_map(6, 7, (3, 3), 2, "same"),
    "banks": lambda: bank_map({"side by side": range(32), "a row apart": range(0, 1024, 32)}),
    "halo": lambda: halo_map((4, 8), (3, 3), 1, 8),
    "halo of one output": lambda: halo_map((1, 1), (1, 1), 2, 3),
    "registers": lambda: register_map(128, 64, (8, 4), (16, 16)),
    "occupancy": lambda: occupancy_bars({"mine": (256, 96, 0), "other": (64, 16, 4096)}, LIMITS["T4"], "a T4"),
    "ladder": lambda: ladder_bars({"naive": 500, "cudnn": 40_000}),
    "empty ladder": lambda: ladder_bars({}),
    "image rows": lambda: image_rows({"cats": np.zeros((2, 3, 3, 3)), "one": np.zeros((1, 3, 3), np.uint8)}, "Rows"),
    "an empty row": lambda: image_rows({"cats": np.zeros((0, 3, 3, 3))}),
    "timeline": lambda: launch_timeline(ran(3)),
    "trace": lambda: trace_plot([1.0, 2.0, 9.0], {"median": 2.0, "mean": 4.0}, (1.5, 2.5)),
    "knee": lambda: throughput_knee({1: 10.0, 2: 18.0, 4: 30.0}, (90.0, 10.0), "toy", {1: 0.5, 2: 0.9, 4: 1.0}),
    "throughput alone": lambda: throughput_knee({1: 10.0}),
    "busy": lambda: busy_lanes({"small": [(0, 1, 0.1)], "large": [(0, 2, 0.9)]}, 2),
    "learning": lambda: learning_curves({"a": [[0.1, 0.9], [0.2, 0.8]]}, {"a": [0.1, 0.2], "other": [0.3]}),
    "state": lambda: state_bars({"adam": (4 * 2**20, 4 * 2**20, 8 * 2**20)}),
    "kept": lambda: kept_chart(table((4, 4, 1), ("Conv2D 2 same relu", "Flatten", "Dense 3")), {0, 1, 3}),
    "peaks": lambda: peak_curve({32: 100.0, 64: 200.0}, {32: 110.0, 64: 190.0}, "toy"),
    "search": lambda: search_trace([(1, True), (2, True), (4, False), (3, False)], 2),
    "scale": lambda: scale_trace([4.0, 8.0, 4.0], [1]),
    "chain": lambda: chain_chart(["a", "b"], [5.0, 1.0], [1.0, 2.0], [0], "toy"),
    "pool": lambda: pool_strip([(300, True), (100, False)], 50, 80),
    "one window": lambda: window_map(1, 1, (3, 3), 1, "same"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_draw_and_show_in_a_notebook(name: str) -> None:
    picture = PICTURES[name]()
    assert isinstance(picture, Picture)
    data, _ = picture._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"] == picture.alt
    assert picture.png() == data["image/png"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("blocks", "2 by 2 blocks of 4 by 2 threads over 5 by 3 outputs, 53% of the threads idle"),
        ("access", "far apart: 32 sectors: 1,024 bytes moved, 128 used (12.5 %)"),
        ("roofline", "mine 25%; other 90%"),
        ("banks", "side by side: 1 pass; a row apart: 32 passes"),
        ("halo", "4 by 8 outputs need a tile of 6 by 10 pixels, read once instead of 4.8 times"),
        ("registers", "8 by 4 outputs: 12 loads for 32 multiply-adds"),
        ("occupancy", "mine: 16 of 32 warps, 50%; other: 32 of 32 warps, 100%"),
        ("ladder", "naive 0.5 TFLOP/s, 1.2% of cudnn; cudnn 40 TFLOP/s"),
        ("image rows", "Rows. cats: 2 images; one: 1 images"),
        ("state", "adam: 16.0 MiB"),
        ("kept", "4 tensors; kept: 0, 1, 3"),
        ("peaks", "off by +10.0 % at most"),
        ("search", "4 tries, 2 out of memory; 2 is the largest"),
        ("chain", "1 of 2 layers computed again: 1 MiB kept, 1 GFLOP more"),
        ("pool", "300 MiB in use of 400 MiB reserved, 50 MiB not taken"),
        ("windows", "turns 6 by 7 pixels into 3 by 4"),
    ],
)
def test_words_say_what_the_picture_shows(name: str, said: str) -> None:
    assert said in PICTURES[name]().alt


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: access_map({"short": range(31)}), "31 indices"),
        (lambda: bank_map({"short": range(31)}), "31 words"),
        (lambda: halo_map((4, 8), (3, 3), 0, 8), "at least 1"),
        (lambda: register_map(128, 64, (8, 4), (8, 16)), "not 128 x 64"),
        (lambda: occupancy_bars({}, LIMITS["T4"], "a T4"), "no kernels"),
        (lambda: image_rows({}), "no rows"),
        (lambda: image_rows({"one": np.zeros((3, 3))}), "'one': shape .3, 3. is no row of images"),
        (lambda: block_map(0, 3, (4, 2)), "at least 1"),
        (lambda: thread_map(32, 8), "32 of both"),
        (lambda: roofline(ROOF, {"none": (0, 1)}), "'none'"),
        (lambda: filtered_photographs({"batch": np.zeros((1, 2, 3, 4))}), "no image"),
    ],
)
def test_pictures_refuse_what_they_can_not_show(draw: object, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        draw()  # type: ignore[operator]


def test_negative_filter_responses_stay_visible() -> None:
    from gpulabs.plots.photographs import _displayable

    shown = _displayable("edges", np.array([[-2.0, 0.0], [2.0, 1.0]]))
    np.testing.assert_allclose(shown, [[0, 0.5], [1, 0.75]])


def test_labels_under_the_roof_keep_their_distance() -> None:
    from gpulabs.plots.roof import _spread

    high, middle, low = _spread([100.0, 99.0, 1.0], bottom=1.0, top=2.0**18)
    assert (high, middle, low) == (100.0, 50.0, 1.0)


def test_runs_that_fail_do_not_drag_the_curve_along():
    picture = learning_curves({"a": [[0.1], [0.9], [0.8]]})
    assert "a: 80.0 % after 1 epochs (median of 3 runs, 10.0 to 90.0)" in picture.alt
