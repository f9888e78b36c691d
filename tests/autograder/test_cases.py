"""What is drawn: the same for a seed, within the rubric's ranges, and with every awkward shape among it."""

from __future__ import annotations

import dataclasses
import importlib.resources
import math

import numpy as np
import pytest

from autograder import cases, questions, rubric
from autograder.case_inputs import inputs
from autograder.evidence import Case
from gpulabs.convolution import conv2d, output_shape
from gpulabs.errors import BadInputError, GraderError

LAB1 = rubric.load("lab1")


def case(values: str, x: tuple[int, ...], w: tuple[int, ...], **more) -> Case:
    return Case("t-i-0", "t", "i", "f", x, w, values=values, seed=5, **more)


def of(drawn: tuple[Case, ...], task: str, item: str) -> list[Case]:
    return [case for case in drawn if (case.task, case.item) == (task, item)]


def test_a_seed_gives_the_same_cases_and_another_seed_others():
    assert cases.draw(LAB1, 1, "gpu") == cases.draw(LAB1, 1, "gpu")
    assert cases.draw(LAB1, 1, "gpu") != cases.draw(LAB1, 2, "gpu")


def test_choosing_tasks_changes_no_case():
    drawn = cases.draw(LAB1, 3, "simulator")

    chosen = cases.draw(LAB1, 3, "simulator", ["launch_config", "conv_strided"])

    assert chosen == tuple(c for c in drawn if c.task in ("launch_config", "conv_strided"))


def test_ids_are_unique_and_say_where_a_case_belongs():
    drawn = cases.draw(LAB1, 4, "gpu")

    assert len({c.id for c in drawn}) == len(drawn)
    same = of(drawn, "conv_strided", "same")
    assert [c.id for c in same] == [f"conv_strided-same-{i}" for i in range(len(same))]


def test_every_case_has_a_random_stream_of_its_own():
    seeds = [c.seed for c in cases.draw(LAB1, 4, "gpu") if c.x_shape]

    assert len(set(seeds)) == len(seeds)


def test_a_filter_is_cut_to_fit_a_small_image_under_valid():
    text = (importlib.resources.files("autograder") / "rubrics" / "lab1_conv_kernel.toml").read_text(encoding="utf-8")
    small = rubric.parse(text.replace("h = [3, 9]\nw = [3, 11]", "h = [1, 2]\nw = [2, 2]"), "rubrics/lab1.toml")

    for seed in range(20):
        for c in of(cases.draw(small, seed, "simulator"), "conv_first", "exact"):
            assert c.w_shape[0] <= c.x_shape[1]
            assert c.w_shape[1] <= c.x_shape[2]


def test_workloads_are_cases_on_a_gpu_only():
    (load,) = LAB1.task("conv_coalesced").item("speed").workloads

    (speed,) = of(cases.draw(LAB1, 4, "gpu"), "conv_coalesced", "speed")

    assert (speed.id, speed.values) == ("conv_coalesced-speed-0", "integers")
    assert speed.x_shape == (load.n, load.h, load.w, load.c)
    assert speed.w_shape == (load.r, load.s, load.c, load.k)
    assert of(cases.draw(LAB1, 4, "simulator"), "conv_coalesced", "speed") == []


def allows(spec, drawn) -> bool:
    """Whether a case lies within a specification."""
    sizes = dict(zip("nhwcrsk", (*drawn.x_shape, *drawn.w_shape[:2], drawn.w_shape[3]), strict=True))
    within = all(getattr(spec, key)[0] <= value <= getattr(spec, key)[1] for key, value in sizes.items())
    return within and drawn.stride in spec.stride and drawn.padding == spec.padding


@pytest.mark.parametrize("target", ["gpu", "simulator"])
def test_every_draw_stays_within_the_rubric(target):
    for seed in range(40):
        for drawn in cases.draw(LAB1, seed, target):
            specs = LAB1.task(drawn.task).item(drawn.item).cases
            if drawn.x_shape and specs:
                output_shape(drawn.x_shape, drawn.w_shape, drawn.stride, drawn.padding)  # raises where nothing fits
                assert any(allows(spec.on(target), drawn) for spec in specs)


def test_each_seed_has_every_awkward_shape():
    for seed in range(10):
        drawn = [c for c in cases.draw(LAB1, seed, "simulator") if c.values == "integers"]
        shapes = [c.x_shape for c in drawn]
        assert {c.stride for c in drawn} == {1, 2, 3}
        assert {shape[0] for shape in shapes} >= {1, 2}
        assert any(shape[1:3] == (1, 1) for shape in shapes)
        assert any(shape[1] != shape[2] and {shape[1], shape[2]} <= {3, 5, 7, 11, 13} for shape in shapes)
        assert any(c.padding == "same" and c.w_shape[0] > c.x_shape[1] and c.w_shape[1] > c.x_shape[2] for c in drawn)


def test_arguments_follow_the_signature():
    drawn = cases.draw(LAB1, 6, "simulator")

    assert all(c.arguments == () for c in of(drawn, "conv_first", "exact"))
    assert all(c.arguments == (c.stride, c.padding) for c in of(drawn, "conv_strided", "stride"))
    assert all(len(c.arguments) == 4 for c in of(drawn, "launch_config", "covers"))
    assert {c.function for c in of(drawn, "roofline", "bytes")} == {"count_bytes"}


def test_unknown_target_and_task_are_refused():
    with pytest.raises(BadInputError, match="'tpu'"):
        cases.draw(LAB1, 1, "tpu")
    with pytest.raises(BadInputError, match="no task 'conv_last'"):
        cases.draw(LAB1, 1, "gpu", ["conv_last"])


def test_integers_are_odd_small_and_reproducible():
    one = case("integers", (2, 5, 6, 3), (3, 2, 3, 4))
    x, w = inputs(one)

    assert x.dtype == w.dtype == np.float32
    assert np.abs(x).max() <= 4095
    assert (x % 2 == 1).all()
    assert set(np.abs(w).ravel()) <= {1, 2, 3}
    np.testing.assert_array_equal(inputs(one)[0], x)
    assert (inputs(dataclasses.replace(one, seed=6))[0] != x).any()


def test_exact_equals_int64_arithmetic():
    one = case("integers", (1, 4, 5, 30), (3, 3, 30, 2))
    x, w = (array.astype(np.int64) for array in inputs(one))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))

    expected = np.einsum("nijcrs,rsck->nijk", windows, w)

    np.testing.assert_array_equal(cases.exact(one), expected)
    assert cases.exact(one).dtype == np.float32


def test_too_many_taps_and_real_inputs_have_no_exact_output():
    with pytest.raises(GraderError, match="2\\*\\*24"):
        cases.exact(case("integers", (1, 40, 40, 1), (40, 40, 1, 1)))
    with pytest.raises(GraderError, match="no exact output"):
        cases.exact(case("normals", (1, 4, 4, 1), (1, 1, 1, 1)))


def test_an_impulse_meets_every_border_and_names_every_tap():
    one = case("impulse", (1, 7, 9, 1), (3, 3, 1, 1))
    x, w = inputs(one)

    assert x[0, [0, 0, 6, 6, 3], [0, 8, 0, 8, 4], 0].tolist() == [1] * 5
    assert w.ravel().tolist() == list(range(1, 10))
    assert conv2d(x, w)[0, 0, 0, 0] == 1  # only the first tap meets the corner


def test_lowered_precision_misses_nearly_every_integer():
    one = case("integers", (1, 12, 12, 8), (3, 3, 8, 8))
    x, w = inputs(one)

    rounded = conv2d(x.astype(np.float16).astype(np.float32), w)

    assert (rounded != cases.exact(one)).mean() > 0.9


def test_photographs_are_bytes_and_differ_by_filter():
    x, w = inputs(case("photo", (2, 24, 32, 3), (3, 3, 3, 3)))

    assert 0 <= x.min() < 60
    assert 190 < x.max() <= 255
    assert (x == np.round(x)).all()
    assert (x[0] != x[1]).any()
    assert w[:, :, 1, 0].tolist() == [[-2, 0, 2], [-4, 0, 4], [-2, 0, 2]]
    assert inputs(case("photo", (1, 427, 640, 3), (3, 3, 3, 3)))[0].shape == (1, 427, 640, 3)


def test_special_inputs_hold_nan_both_infinities_and_zeros_yet_leave_finite_outputs():
    one = case("special", (1, 5, 5, 2), (3, 3, 2, 2), padding="same")
    x, w = inputs(one)

    assert np.isnan(x).sum() == np.isposinf(x).sum() == np.isneginf(x).sum() == 1
    assert (x == 0).any()
    assert (w == 0).any()
    assert np.isfinite(cases.reference(one)).mean() > 0.4


def test_roof_cases_lie_on_both_sides_of_the_ridge():
    roof = of(cases.draw(LAB1, 8, "simulator"), "roofline", "roof")
    below = [math.prod(c.arguments[::2]) < c.arguments[1] for c in roof]

    assert below == [True, False] * 3


LAB2 = rubric.load("lab2")


def test_a_workload_whose_structure_counts_is_drawn_without_a_gpu_too():
    for target in ("gpu", "simulator"):
        drawn = cases.draw(LAB2, 3, target)
        (tiled,) = of(drawn, "conv_tiled", "speed")
        assert (tiled.x_shape, tiled.w_shape, tiled.values) == ((16, 58, 58, 64), (3, 3, 64, 64), "integers")
        assert len(of(drawn, "conv_challenge", "speed")) == (target == "gpu")


def test_the_functions_of_lab2_are_asked_what_they_take():
    drawn = cases.draw(LAB2, 3, "simulator")
    for task, item, count in (("tile_plan", "bytes", 6), ("bank_conflicts", "passes", 1), ("occupancy", "warps", 4)):
        found = of(drawn, task, item)
        assert {len(case.arguments) for case in found} == {count}
        assert len({str(case.arguments) for case in found}) > len(found) // 2
        assert all(questions.answer(case) > 0 for case in found)
