"""Verdicts on launch configurations and on numbers."""

from __future__ import annotations

import math
import random

import pytest

from autograder import cases, questions, rubric
from autograder.evidence import Case, FaultKind
from autograder.result import Status
from autograder.rigs import Log
from gpulabs.errors import GraderError

LAB1 = rubric.load("lab1")


def launch(item, value, sizes=(2, 5, 9, 33)):
    case = Case("launch_config-x-0", "launch_config", item, "launch_config", values=f"launch_{item}", arguments=sizes)
    return questions.judge(LAB1.task("launch_config").item(item), case, value, Log())


def number(item, value, *arguments):
    case = Case("roofline-x-0", "roofline", item, f"count_{item}", values=item, arguments=arguments)
    return questions.judge(LAB1.task("roofline").item(item), case, value, Log())


def natural(n, h_out, w_out, k):
    """What a student may well write: x shrunk to the channels, eight columns, one row."""
    x = 32
    while x >= 2 * k:
        x //= 2
    block = (x, 8, max(1, 64 // (8 * x)))
    return [[math.ceil(size / b) for size, b in zip((k, w_out, n * h_out), block, strict=True)], list(block)]


@pytest.mark.parametrize("seed", range(30))
def test_a_natural_solution_earns_every_item_at_any_draw(seed):
    for case in cases.draw(LAB1, seed, "simulator", ["launch_config"]):
        assert launch(case.item, natural(*case.arguments), case.arguments).status is Status.EARNED, case


@pytest.mark.parametrize("seed", range(30))
def test_a_fixed_block_always_loses_tight(seed):
    def fixed(n, h_out, w_out, k):
        return [[math.ceil(k / 32), math.ceil(w_out / 8), n * h_out], [32, 8, 1]]

    drawn = [case for case in cases.draw(LAB1, seed, "simulator", ["launch_config"]) if case.item == "tight"]

    assert any(launch("tight", fixed(*case.arguments), case.arguments).status is Status.LOST for case in drawn)


@pytest.mark.parametrize("seed", range(30))
def test_a_plain_division_always_loses_covers(seed):
    def floor(n, h_out, w_out, k):
        return [[max(1, k // 32), max(1, w_out // 8), n * h_out], [32, 8, 1]]

    drawn = [case for case in cases.draw(LAB1, seed, "simulator", ["launch_config"]) if case.item == "covers"]

    assert any(launch("covers", floor(*case.arguments), case.arguments).status is Status.LOST for case in drawn)


def test_a_lost_tail_is_named():
    assert launch("covers", [[2, 2, 10], [32, 8, 1]]).status is Status.EARNED
    found = launch("covers", [[1, 2, 10], [32, 8, 1]])
    assert "along x 1 * 32 = 32 threads don't cover 33 channels k" in found.reason
    assert "don't cover 9 columns" in launch("covers", [[2, 1, 10], [32, 8, 1]]).reason
    assert "don't cover 10 rows" in launch("covers", [[2, 2, 5], [32, 8, 1]]).reason


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[2, 2, 10], [32, 64, 1]], "2048 threads a block"),
        ([[33, 9, 1], [1, 1, 128]], "128 threads along z"),
        ([[2, 70000, 10], [32, 8, 1]], "70000 blocks along y"),
        ([[1, 9, 10], [2048, 1, 1]], "2048 threads along x"),
    ],
)
def test_limits_of_the_device_are_named(value, words):
    assert words in launch("covers", value).reason


@pytest.mark.parametrize(
    "value",
    [None, 5, [], [[1, 1, 1]], [[2, 2], [32, 8]], [[2, 2, 0], [32, 8, 1]], [[2.0, 2, 10], [32, 8, 1]],
     [[True, 2, 10], [32, 8, 1]], "((2, 2, 10), (32, 8, 1))", [[10**5000, 2, 10], [32, 8, 1]]],
)  # fmt: skip
def test_anything_but_six_whole_numbers_is_a_wrong_type(value):
    assert launch("covers", value).fault is FaultKind.WRONG_TYPE


def test_warps_are_whole_and_not_too_few():
    assert launch("warps", [[2, 2, 10], [32, 8, 1]]).status is Status.EARNED
    assert "1.56 warps" in launch("warps", [[4, 2, 10], [10, 5, 1]]).reason
    assert "fewer than 64" in launch("warps", [[2, 9, 10], [32, 1, 1]]).reason


def test_tight_names_the_wasteful_axis():
    found = launch("tight", [[1, 1, 40], [32, 8, 1]], (4, 10, 8, 3))
    assert found.reason.endswith("9% of the threads have an output, at least 25% should; along x 32 threads for 3.")


def test_numbers_are_compared_exactly():
    y, w = (1, 2, 2, 3), (3, 3, 2, 3)
    assert number("flops", 432, y, w).status is Status.EARNED
    assert number("flops", 432.0, y, w).status is Status.EARNED
    found = number("flops", 216, y, w)
    assert "count_flops((1, 2, 2, 3), (3, 3, 2, 3)) = 216, expected 432." in found.reason
    assert found.hint == "A multiply-add is two operations."


def test_a_forgotten_array_or_factor_gets_its_own_hint():
    shapes = (1, 4, 4, 2), (3, 3, 2, 3), (1, 2, 2, 3)
    assert number("bytes", 392, *shapes).status is Status.EARNED
    assert number("bytes", 98, *shapes).hint.startswith("How many bytes is a float32")
    assert number("bytes", 784, *shapes).hint.startswith("How many bytes is a float32")
    assert number("bytes", 392 - 4 * 54, *shapes).hint == "Is w counted?"


@pytest.mark.parametrize(
    "value", [None, True, "432", [432], float("nan"), float("inf"), pytest.param(10**5000, id="endless")]
)
def test_what_is_no_number_is_a_wrong_type(value):
    assert number("flops", value, (1, 2, 2, 3), (3, 3, 2, 3)).fault is FaultKind.WRONG_TYPE


def test_the_roof_allows_for_rounding():
    value = random.Random(1).uniform(1, 2)
    assert number("roof", value * 100.0 * (1 + 1e-9), value, 1000.0, 100.0).status is Status.EARNED
    assert number("roof", 1000.0, value, 1000.0, 100.0).hint == "There are two limits: which of them holds here?"


def test_numbers_by_hand():
    def answer(values, *arguments):
        return questions.answer(Case("t-i-0", "t", "i", "f", values=values, arguments=arguments))

    assert answer("flops", (1, 2, 2, 3), (3, 3, 2, 3)) == 432
    assert answer("bytes", (1, 4, 4, 2), (3, 3, 2, 3), (1, 2, 2, 3)) == 392
    assert answer("roof", 2.0, 1000.0, 100.0) == 200.0
    assert answer("roof", 20.0, 1000.0, 100.0) == 1000.0
    with pytest.raises(GraderError):
        answer("launch_covers", 1, 2, 3, 4)
