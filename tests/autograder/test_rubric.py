"""The rubric reader: what it gives, and that each kind of slip is refused by file and key."""

from __future__ import annotations

import importlib.resources

import pytest

from autograder import rubric
from gpulabs.errors import RubricError

TEXT = (importlib.resources.files("autograder") / "rubrics" / "lab1_conv_kernel.toml").read_text(encoding="utf-8")


def test_lab1_is_found_by_id_and_by_short_name():
    assert rubric.load("lab1") is rubric.load("lab1_conv_kernel")
    assert "lab1_conv_kernel" in rubric.labs()


def test_lab1_is_worth_100_points():
    assert rubric.load("lab1").points == 100


def test_records_hold_what_the_file_says():
    task = rubric.load("lab1").task("conv_strided")

    item = task.item("stride")

    assert (task.kind, task.function, item.kind, item.points) == ("kernel", "conv_strided", "exact", 9)
    assert item.cases[0].stride == (2, 3)
    assert item.cases[0].h == (2, 11)
    assert task.item("close").max_relative_error == 1e-4


def test_gpu_overrides_replace_only_what_they_name():
    spec = rubric.load("lab1").task("conv_first").item("photo").cases[0]

    assert (spec.on("gpu").h, spec.on("simulator").h) == ((427, 427), (24, 24))
    assert spec.on("gpu").c == spec.c


def test_a_task_with_several_functions_lists_them():
    assert rubric.load("lab1").task("roofline").functions == ("count_flops", "count_bytes", "attainable_gflops")


LAB2 = (importlib.resources.files("autograder") / "rubrics" / "lab2_fast_conv.toml").read_text(encoding="utf-8")


def test_lab2_is_worth_100_points():
    assert rubric.load("lab2").points == 100


def test_structure_and_curve_are_read():
    task = rubric.load("lab2").task("conv_blocked")

    assert task.item("reuse").limits == {"must_use_shared": 1.0, "min_products_per_load": 1.5}
    speed = task.item("speed")
    assert (speed.low, speed.high, speed.curve[-1]) == ("tiled", "blocked", (0.95, 8.0))
    assert rubric.load("lab2").task("conv_challenge").item("speed").max_relative_error == 3e-3
    assert speed.max_relative_error is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[0.95, 7]]", "[0.95, 8]]", "item speed: curve: its last step gives 8 points, the item 7"),
        ("[[0.25, 2], ", "[[0.6, 2], ", "must grow"),
        ("[[0.25, 2], ", "[[0.0, 2], ", "positions above 0"),
        ("[0.95, 7]]", "[1.5, 7]]", "positions above 0 and up to 1"),
        ("curve = [[0.25, 2]", "curve = [[0.25]", "expected ..position, points"),
        ('low = "coalesced"\n', "", "low: missing"),
        ("min_barriers = 1\n", "min_barriers = -1\n", "must be a number from 0"),
        ("must_use_shared = true\n", "must_use_shared = 1\n", "expected bool"),
        ("min_barriers = 1\n", "min_barrier = 1\n", "min_barrier: unknown key"),
        ("max_spill_bytes = 0\nmax_fp64 = 0\n", "", "asks for something"),
        ('kind = "speed_curve"', 'kind = "speedup"', "baseline: missing"),
    ],
)
def test_a_slip_in_structure_or_curve_is_refused(old, new, words):
    assert old in LAB2

    with pytest.raises(RubricError, match=words):
        rubric.parse(LAB2.replace(old, new, 1), "rubrics/lab2.toml")


def test_structure_without_a_workload_is_refused():
    text = LAB2[: LAB2.index('[[task.item]]\nid = "speed"')] + LAB2[LAB2.index("# ----", LAB2.index('id = "speed"')) :]

    with pytest.raises(RubricError, match="structure needs an item of kind speedup or speed_curve"):
        rubric.parse(text, "rubrics/lab2.toml")


def test_an_unknown_lab_is_refused_with_the_list():
    with pytest.raises(RubricError, match="lab99.*lab1_conv_kernel"):
        rubric.load("lab99")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("points = 12", "points = 0", "task conv_first: item exact: points"),
        ("points = 12", "points = true", "points: expected int or float"),
        ("points = 12", "points = inf", "points"),
        ("points = 12", 'points = "12"', "points"),
        ("points = 12", "points = 12\nbonus = 1", "bonus: unknown key"),
        ("h = [3, 9]", "h = [9, 3]", "h: expected .least, most."),
        ("h = [3, 9]", "h = [3, 9, 12]", "h: expected .least, most."),
        ("h = [3, 9]", "h = [0, 9]", "h: expected whole numbers from 1"),
        ("h = [3, 9]", "height = [3, 9]", "height: unknown key"),
        ("r = [1, 3]", "r = [4, 5]", "doesn't fit the smallest image"),
        ("c = [1, 4]", "c = [1, 400]", "taps can exceed"),
        ('kind = "exact"', 'kind = "perfect"', "'perfect' is unknown"),
        ('kind = "kernel"', 'kind = "class"', "'class' is unknown"),
        ('values = "impulse"', 'values = "dirac"', "'dirac' is unknown"),
        ("count = 4", "count = 0", "count: 0 must be at least 1"),
        ('padding = "same"', 'padding = "full"', "'full' is unknown"),
        ("max_relative_error = 1e-4", "", "max_relative_error: missing"),
        ("gpu = { h = [427, 427]", "gpu = { q = [427, 427]", "gpu: q: unknown key"),
        ('id = "photo"', 'id = "exact"', "used twice"),
        ('short = "lab1"', 'short = "lab7"', "lab.short"),
        ('function = "count_flops"\n', 'function = "count_flop"\n', "'count_flop' is none of"),
        ('values = "impulse"', 'values = "flops"', "item exact: case: .* can't ask 'flops'"),
        ('values = "flops"', 'values = "integers"', "item flops: case: .* can't ask 'integers'"),
        ("threshold = 0.25\n", "", "item tight: threshold: missing: launch_tight needs it"),
        ("[lab]", "[lab", "not TOML"),
    ],
)
def test_a_slip_is_refused_by_file_and_key(old, new, words):
    assert old in TEXT

    with pytest.raises(RubricError, match=words) as caught:
        rubric.parse(TEXT.replace(old, new, 1), "rubrics/lab1.toml")

    assert str(caught.value).startswith("rubrics/lab1.toml")
