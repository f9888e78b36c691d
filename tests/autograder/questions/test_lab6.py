"""Lab 6's questions: right answers are earned, and each common slip is told by name."""

import math

import numpy as np
import pytest

from autograder import cases, questions, rubric
from autograder.evidence import Case
from autograder.questions import lab6, lab6_images, lab6_results
from autograder.result import Status
from autograder.rigs import Call, Log
from autograder.rubric import Item
from gpulabs.declared import LAB_NETWORK
from gpulabs.feeding import ToyFeed

ITEM = Item("i", "title", "values", 1)
RIGHT = {
    "step_ms": lab6.step_ms,
    "held_out": lambda train, test, held_out: [list(range(held_out, train)), list(range(held_out))],
    "moved": lambda image, *rest: lab6_images.moved(np.array(image), *rest).tolist(),
    "turned_from": lambda *given: list(lab6_images.turned_from(*given)),
    "recoloured": lambda image, *rest: lab6_images.recoloured(np.array(image), *rest).tolist(),
    "loss_scale": lab6_results.loss_scale,
    "confusion": lambda *given: lab6_results.confusion(*given).tolist(),
    "most_confused": lab6_results.most_confused,
}
PLAN = {"schedule": {"name": "cosine", "rate": 0.004}, "augmentation": {"flip": True, "shift": 2}}


def judged(kind, arguments, value, log=None):
    case = Case("c", "t", "i", "f", values=kind, arguments=arguments)
    return questions.judge(ITEM, case, value, log or Log())


def measured(rig, function):
    """A function's answer and the log of its calls."""
    calls = []

    def recorded(name):
        def operation(*arguments):
            calls.append(Call(name, arguments))
            return rig.operations[name](*arguments)

        return operation

    value = function(*(recorded(name) for name in ("next_batch", "step", "synchronize", "clock")))
    return value, Log(tuple(calls), rig.facts(), closed=True)


def right_share(next_batch, step, synchronize, clock):
    def seconds(fresh):
        batch = next_batch()
        step(batch)
        synchronize()
        begin = clock()
        for _ in range(30):
            step(next_batch() if fresh else batch)
        synchronize()
        return clock() - begin

    return 1 - seconds(False) / seconds(True)


def share_without_waiting(next_batch, step, synchronize, clock):
    batch = next_batch()
    step(batch)
    begin = clock()
    for _ in range(30):
        step(batch)
    alone = clock() - begin
    begin = clock()
    for _ in range(30):
        step(next_batch())
    return 1 - alone / (clock() - begin)


def share_of_the_host(next_batch, step, synchronize, clock):
    loading, begin = 0.0, clock()
    for _ in range(30):
        before = clock()
        batch = next_batch()
        loading += clock() - before
        step(batch)
        synchronize()
    return loading / (clock() - begin)


@pytest.mark.parametrize("seed", range(3))
def test_right_answers_are_earned_and_others_lost(seed):
    for case in cases.draw(rubric.load("lab6"), seed, "simulator"):
        if case.values in RIGHT:
            value = RIGHT[case.values](*case.arguments)
            assert questions.judge(ITEM, case, value, Log()).status is Status.EARNED, case
            for wrong in (None, "text", {"a": 1}, [], [[1], 2], math.nan, [[math.inf]], 10**400):
                assert questions.judge(ITEM, case, wrong, Log()).status is Status.LOST, (case, wrong)


@pytest.mark.parametrize(("load_ms", "share"), [(2.0, 0.0), (8.0, 0.5), (16.0, 0.75)])
def test_the_share_is_what_the_device_waits(load_ms, share):
    rig = ToyFeed(load_ms, 4.0, np.random.default_rng(1))

    value, log = measured(rig, right_share)

    assert value == pytest.approx(share, abs=0.02)
    assert judged("input_share", (), value, log).status is Status.EARNED


@pytest.mark.parametrize(
    ("function", "says"), [(share_without_waiting, "only hands over"), (share_of_the_host, "what is longer")]
)
def test_slips_of_measuring_are_told(function, says):
    value, log = measured(ToyFeed(6.0, 4.0, np.random.default_rng(1)), function)

    verdict = judged("input_share", (), value, log)

    assert verdict.status is Status.LOST
    assert says in verdict.hint


def test_a_guess_is_no_measurement():
    rig = ToyFeed(8.0, 4.0, np.random.default_rng(1))

    verdict = judged("input_share", (), rig.share, Log((), rig.facts(), closed=True))

    assert verdict.status is Status.LOST
    assert "over 0 steps" in verdict.reason


def test_a_row_by_hand():
    row = np.arange(5.0).reshape(1, 5, 1)
    assert lab6_images.moved(row, False, 2, 0)[0, :, 0].tolist() == [2, 1, 0, 1, 2]
    assert lab6_images.moved(row, True, -1, 0)[0, :, 0].tolist() == [3, 2, 1, 0, 1]
    assert lab6_images.turned_from(0, 2, 5, 5, 90) == pytest.approx((2, 4))  # the top was at the right
    assert lab6_images.recoloured(np.array([[[0.2, 0.4]]]), 2, 0.5).tolist() == [[pytest.approx([0.5, 0.7])]]


@pytest.mark.parametrize(
    ("kind", "arguments", "value", "says"),
    [
        ("moved", ([[[1], [2], [3]]], False, 1, 0), [[[2], [3], [2]]], "to the right"),
        ("moved", ([[[1], [2], [3]]], False, 1, 0), [[[3], [1], [2]]], "other side"),
        ("moved", ([[[1], [2], [3]]], False, 1, 0), [[[1], [1], [2]]], "repeats the edge"),
        ("moved", ([[[1], [2], [3]]], False, 1, 0), [[[0], [1], [2]]], "not black"),
        ("turned_from", (0, 2, 5, 5, 90), [2, 0], "where it goes to"),
        ("turned_from", (0, 2, 5, 5, 90), [4, 2], "Row first"),
        ("recoloured", ([[[0.2, 0.4]]], 2, 2), [[[0.8, 1.0]]], "the mean itself stays"),
        ("held_out", (10, 5, 2), [list(range(10)), [10, 11]], "can't judge"),
        ("held_out", (10, 5, 2), [list(range(10)), [8, 9]], "were not"),
        ("held_out", (10, 5, 2), [list(range(7)), [8, 9]], "trained on"),
        ("loss_scale", (100.0,), 1024, "infinity"),
        ("loss_scale", (100.0,), 256, "one more"),
        ("confusion", ([0, 1, 1], [0, 0, 1], 2), [[1, 1], [0, 1]], "Rows are what"),
        ("confusion", ([0, 1, 1], [0, 0, 1], 2), [[1, 0], [0.5, 0.5]], "not shares"),
        ("most_confused", ([[9, 5, 0], [0, 9, 3], [1, 3, 9]], 1), [[0, 1]], "matrix"),
        ("most_confused", ([[9, 5, 0], [0, 9, 3], [1, 3, 9]], 1), [[0, 0]], "diagonal"),
        ("step_ms", (8, 3, 2, True), 7, "both happen at once"),
        ("step_ms", (8, 3, 2, True), 8, "at the same time"),
    ],
)
def test_a_slip_is_recognised_by_its_number(kind, arguments, value, says):
    verdict = judged(kind, arguments, value)

    assert verdict.status is Status.LOST
    assert says in verdict.hint


def test_the_network_of_the_labs_is_earned_and_others_are_told_by_layer():
    layers = LAB_NETWORK.plain()
    assert judged("network", (10,), layers).status is Status.EARNED

    wider = judged("network", (10,), [*layers[:11], {**layers[11], "units": 256}, *layers[12:]])
    assert "parameters, expected 1,253,290" in wider.reason
    unknown = judged("network", (10,), [{"layer": "Lambda", "function": "x"}, *layers])
    assert "layer 1" in unknown.reason
    assert "'Lambda' is unknown" in unknown.reason


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        ("plan", {"epochs": 30}, "asks for 30 epochs"),
        ("plan", {"epochs": 20.5}, "expected a whole number"),
        ("plan", {"schedule": {"name": "cosine", "rate": math.nan}}, "nan is not"),
        ("plan", {"optimizer": {"name": "lion"}}, "'lion' is unknown"),
        ("plan_decays", {"schedule": {"name": "constant", "rate": 0.1}}, "ends at 100%"),
        ("plan_decays", {"schedule": {"name": "linear", "rate": 0.1, "end": 0.05}}, "ends at 50%"),
        ("plan_varied", {"augmentation": {}}, "by heart"),
        ("plan_varied", {"augmentation": {"rotate": 180}}, "not what it was"),
    ],
)
def test_plans(kind, change, says):
    assert judged(kind, (20,), PLAN).status is Status.EARNED

    verdict = judged(kind, (20,), {**PLAN, **change})

    assert verdict.status is Status.LOST
    assert says in verdict.reason
