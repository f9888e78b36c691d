"""The formulas of Lab 2 against numbers done by hand, and the slips that are recognised."""

import numpy as np
import pytest

from autograder import questions
from autograder.evidence import Case
from autograder.questions import lab2
from autograder.result import Status
from autograder.rigs import Log
from autograder.rubric import CaseSpec, Item

T4 = lab2.DEVICES[0]
ITEM = Item("i", "title", "values", 1)


def judged(kind, arguments, value):
    return questions.judge(ITEM, Case("c", "t", "i", "f", values=kind, arguments=arguments), value, Log())


def drawn(kind, rng, index):
    return questions.ALL[kind].draw(rng, index, CaseSpec(kind, 24))


def test_a_tile_by_hand():
    assert lab2.tile_bytes(8, 16, 3, 3, 2, 1) == 4 * 10 * 18 * 2
    assert lab2.tile_bytes(4, 4, 3, 5, 1, 2) == 4 * 9 * 11
    assert lab2.reads_saved(8, 8, 3, 3) == 576 / 100


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        (range(32), 1),
        (range(0, 64, 2), 2),
        (range(0, 32 * 32, 32), 32),
        (range(0, 33 * 32, 33), 1),
        ([5] * 32, 1),
        ([0, 32] * 16, 2),
    ],
)
def test_bank_passes_by_hand(words, passes):
    assert lab2.bank_passes(list(words)) == passes


@pytest.mark.parametrize(
    ("threads", "registers", "shared_bytes", "expected"),
    [
        (256, 32, 0, 1.0),  # 4 blocks of 8 warps, 32 warps
        (256, 96, 12_288, 0.5),  # registers: 96 * 32 = 12 units, 2 blocks
        (32, 145, 0, 13 / 32),  # 145 * 32 = 4640, given as 19 units = 4864: 13 warps
        (32, 16, 0, 0.5),  # 16 blocks of a warp
        (64, 16, 30_000, 4 / 32),  # two blocks by shared memory
        (1000, 64, 0, 1.0),  # 31.25 warps are 32
    ],
)
def test_occupancy_by_hand(threads, registers, shared_bytes, expected):
    assert lab2.occupancy(threads, registers, shared_bytes, T4) == expected


def test_a_block_that_does_not_fit_has_no_occupancy():
    assert lab2.occupancy(1024, 65, 0, T4) == 0
    assert lab2.occupancy(64, 16, 70_000, T4) == 0


@pytest.mark.parametrize("kind", [question.name for question in lab2.QUESTIONS])
def test_drawn_cases_have_answers_and_right_ones_are_earned(kind):
    rng = np.random.default_rng(3)
    for index in range(24):
        arguments = drawn(kind, rng, index)
        right = questions.ALL[kind].answer(*arguments)
        assert judged(kind, arguments, right).status is Status.EARNED
        assert judged(kind, arguments, right + 1).status is Status.LOST
        assert right > 0


def test_drawn_occupancies_are_bound_by_different_things():
    rng = np.random.default_rng(3)
    answers = {lab2.occupancy(*drawn("occupancy", rng, index)) for index in range(24)}
    assert len(answers) >= 6


def test_drawn_occupancies_don_t_depend_on_how_registers_are_divided():
    rng = np.random.default_rng(4)
    for index in range(60):
        arguments = drawn("occupancy", rng, index)
        fine, coarse = (lab2._resident_blocks(*arguments, warp_unit=unit) for unit in (1, 4))
        assert fine == coarse > 0


@pytest.mark.parametrize(
    ("kind", "arguments", "value", "says"),
    [
        ("tile_bytes", (8, 8, 3, 3, 4, 1), 10 * 10 * 4, "How many bytes"),
        ("tile_bytes", (8, 8, 3, 3, 4, 1), 4 * 8 * 8 * 4, "halo"),
        ("tile_bytes", (8, 8, 3, 3, 4, 2), 4 * 18 * 18 * 4, "not tile"),
        ("reads_saved", (8, 8, 3, 3), 9, "halo is read too"),
        ("banks", ([5] * 32,), 32, "same word"),
        ("banks", (list(range(0, 64, 2)),), 1, "not none"),
        ("occupancy", (32, 145, 0, T4), 14 / 32, "whole units"),
        ("occupancy", (64, 16, 30_000, T4), 1.0, "shared memory"),
    ],
)
def test_a_slip_is_recognised_by_its_number(kind, arguments, value, says):
    verdict = judged(kind, arguments, value)

    assert verdict.status is Status.LOST
    assert says in verdict.hint


def test_a_long_list_and_a_dictionary_read_as_python():
    assert judged("banks", ([5] * 32,), 2).reason.startswith("f([5, 5, 5,")
    assert "dict(threads_per_sm=1024" in judged("occupancy", (64, 16, 0, T4), 0.1).reason
