"""Lab 5's questions in one process: what right and wrong functions are told, over many seeds."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re

import numpy as np
import pytest

from autograder import questions
from autograder.evidence import Case
from autograder.questions import lab5, lab5_choices, lab5_rigs
from autograder.result import Status
from autograder.rigs import Call, Log, Setting
from gpulabs.errors import GraderError, OutOfMemory
from gpulabs.layer_tables import cnn_layers, table
from gpulabs.recorded_memory import recorded_on_cpu
from gpulabs.toy_memory import ToyMemory
from tests.autograder.questions.asking import ITEM, asked, solved

SOLVED = solved("lab5_memory")
ASKED = {
    "layer_parameters": "parameters", "state_float32": "state_bytes", "state_mixed": "state_bytes",
    "kept_inputs": "kept_tensors", "kept_relu": "kept_tensors",
    "activations_float32": "activation_bytes", "activations_mixed": "activation_bytes",
    "peak_lab_cnn": "peak_bytes", "peak_small_cnn": "peak_bytes", "peak_other": "peak_bytes",
    "peaks_from_two": "peaks_from_two",
    "largest_batch": "largest_batch", "largest_recorded": "largest_batch", "nothing_fits": "largest_batch",
    "few_tries": "largest_batch", "still_usable": "largest_batch",
    "lost_share": "lost_share", "scale_overflow": "next_scale", "scale_growth": "next_scale",
    "peak_of": "peak_of", "recompute_fits": "choose_recomputed", "recompute_cheap": "choose_recomputed",
    "spacing": "best_spacing", "fragmentation": "fragmentation", "advice": "advice",
}  # fmt: skip


@pytest.mark.parametrize("kind", ASKED)
def test_the_solution_is_right_whatever_is_drawn(kind):
    function = SOLVED[ASKED[kind]]
    for seed in range(6 if kind.startswith("recompute") else 30):
        verdict = asked(kind, function, seed, seed % 6)
        assert verdict.status is Status.EARNED, (seed, verdict.reason)


@pytest.mark.parametrize("kind", ASKED)
@pytest.mark.parametrize(
    "value", [None, [], "1", [None], [1.0, "2"], [[1]], -1, [float("nan")] * 3, 10**30, [[1, 2, 3]], {"a": 1}]
)
def test_any_value_gets_a_verdict(kind, value):
    assert asked(kind, lambda *_: value, 1).status is Status.LOST


def line(batch_low, batch_high):
    def predicted(batches, measure):
        low, high = measure(batch_low), measure(batch_high)
        return [low + (high - low) / (batch_high - batch_low) * (batch - batch_low) for batch in batches]

    return predicted


def search(release_always=True, step=2, end=0):
    def largest(try_batch, release):
        def fits(batch):
            try:
                try_batch(batch)
                return True
            except OutOfMemory:
                return False
            finally:
                if release_always:
                    release()

        low, high = 0, 1
        while fits(high):
            low, high = high, high * step if step > 1 else high + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return low + end

    return largest


def in_proportion(batches, measure):
    image = measure(512) / 512
    return [image * batch for batch in batches]


def from_above(try_batch, release):
    for power in range(20, -1, -1):
        with contextlib.suppress(OutOfMemory, RuntimeError):
            try_batch(1 << power)
            return 1 << power
    return 0


def held_at_the_end(try_batch, release):
    largest = search()(try_batch, release)
    try_batch(max(largest, 1))
    return largest


@pytest.mark.parametrize(
    ("kind", "function", "says"),
    [
        ("layer_parameters", lambda layer: [sum(lab5.parameters(layer)), 0], "moving mean"),
        ("state_float32", lambda *given: [one // 4 for one in lab5.state_bytes(*given)], "4 bytes"),
        ("state_mixed", lambda layers, optimizer, _: lab5.state_bytes(layers, optimizer, "float32"), "16-bit copy"),
        ("kept_relu", lambda layers: [*lab5.kept_tensors(layers), 0], "A set knows that"),
        ("kept_relu", lambda layers: list(range(len(layers) + 1)), "needs? "),
        ("kept_inputs", lambda layers: lab5.kept_tensors(layers)[1:], "needs its input"),
        ("kept_inputs", lambda layers: lab5.kept_tensors(layers)[:-1], "loss needs"),
        ("activations_float32", lambda *given: lab5.activation_bytes(*given) // given[1], "how many has the batch"),
        ("activations_mixed", lambda layers, batch, _: lab5.activation_bytes(layers, batch, "float32"), "2 in mixed"),
        ("peak_lab_cnn", lambda *given: lab5.activation_bytes(*given[:2], "float32"), "arrays for pooling|one is off"),
        ("peak_lab_cnn", lambda layers, batch, adam: sum(lab5.state_bytes(layers, adam, "float32")), "most of it"),
        ("peaks_from_two", in_proportion, "take two"),
        ("peaks_from_two", lambda batches, measure: [1e9] * 4, "measure this one"),
        ("largest_batch", search(release_always=False), "release after each try"),
        ("largest_batch", search(end=1), "last try_batch"),
        ("largest_batch", from_above, "Come from below"),
        ("few_tries", search(step=1), "Double until"),
        ("still_usable", held_at_the_end, "finds it full"),
        ("still_usable", lambda try_batch, release: (try_batch(1), release(), 1)[2], "no larger one"),
        ("lost_share", lambda gradients, scale, smallest: float(
            np.mean(np.abs(gradients) * scale < smallest / 2)), "leave zeros out"),
        ("scale_overflow", lambda scale, good, finite: [scale / 2, 0, True], "ruin the weights"),
        ("scale_growth", lambda scale, good, finite: [scale, good + 1, True], "2000 good steps"),
        ("peak_of", lambda sizes, again: sum(sizes[at] for at in {*range(len(sizes))} - {*again}), "to be somewhere"),
        ("recompute_fits", lambda sizes, flops, budget: list(range(len(sizes))), "one long run"),
        ("spacing", lambda layers: 2, "where is the sum smallest"),
        ("fragmentation", lambda blocks: max(blocks) / sum(blocks), "outside"),
        ("advice", lambda request, reserved, used, block, free: "too large", "free block of|pool can grow|many pieces"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(kind, function, says):
    found = [asked(kind, function, seed, seed % 6) for seed in range(12)]
    lost = [verdict for verdict in found if verdict.status is Status.LOST]
    assert len(lost) >= 2
    assert any(re.search(says, f"{verdict.reason} {verdict.hint} ") for verdict in lost), lost


def test_kept_tensors_by_hand():
    layers = table((6, 6, 3), ("Conv2D 4 valid relu", "MaxPooling2D", "Dropout", "Flatten", "Dense 5 relu", "Dense 2"))
    assert lab5.kept_tensors(layers) == [0, 1, 3, 5, 6]  # images, conv and pool's input, dense's, its relu, the loss
    assert lab5.activation_bytes(layers, 1, "float32") == 4 * (108 + 64 + 16 + 5 + 2) + 16
    assert lab5.activation_bytes(layers, 3, "mixed") == 3 * (2 * 195 + 16)


def test_a_peak_of_a_chain_by_hand():
    assert lab5_choices.peak_of([5, 1, 2, 7, 3], [1, 2, 4]) == 5 + 7 + 3
    peaks, extras = lab5_choices.every_choice([5, 1], [10, 20])
    assert sorted(zip(peaks, extras, strict=True)) == [(6, 0), (6, 10), (6, 20), (6, 30)]
    assert lab5_choices.spacing_peak(64, 8) == 15


def test_the_rules_are_nearer_than_half_of_what_is_allowed():
    for name in ("lab_cnn", "small_cnn"):
        for batch, right in recorded_on_cpu(name).peaks.items():
            off = lab5.peak_bytes(cnn_layers(name), batch, "adam") / right - 1
            assert abs(off) < lab5.PEAK_WITHIN / 2, (name, batch, off)


def test_a_device_holds_what_was_not_released_and_loses_who_asks_for_far_too_much():
    device = ToyMemory(1000, lambda batch: 100 + batch)
    device.try_batch(800)
    with pytest.raises(OutOfMemory, match="beside"):
        device.try_batch(100)
    device.release()
    assert (device.held, device.largest, device.tries) == (0, 900, [(800, True), (100, False)])
    with pytest.raises(RuntimeError, match="process is gone"):
        device.try_batch(4000)
    with pytest.raises(RuntimeError, match="process is gone"):
        device.release()


def test_a_search_may_try_a_batch_only():
    rig = questions.ALL["largest_batch"].rig(Case("c", "t", "v", "f", seed=1), Setting())
    for value in (0, -1, 1.0, True, None, "8", 1 << 40, [1]):
        with pytest.raises(ValueError, match="whole number"):
            rig.operations["try_batch"](value)
    assert rig.facts()["tries"] == []


def test_the_gpus_peaks_are_measured_in_the_end(monkeypatch):
    from gpulabs import measured_step

    tried = []

    def measure(plan, settings):
        assert settings.seconds == 0
        tried.append(plan.batch)
        if plan.batch > 4096 and small_gpu:
            raise OutOfMemory("full")
        return dataclasses.make_dataclass("M", ["peak_bytes"])(10**8 + 10**6 * plan.batch)

    monkeypatch.setattr(measured_step, "measure", measure)
    question, small_gpu = questions.ALL["peaks_on_gpu"], False
    case = Case("c", "t", "v", "f", values=question.name, arguments=question.draw(np.random.default_rng(), 0, None))
    rig = question.rig(case, Setting("gpu"))
    found = SOLVED["peaks_from_two"](list(lab5_rigs.GPU_BATCHES), rig.operations["measure"])
    with pytest.raises(RuntimeError, match="no measurement is left"):
        rig.operations["measure"](64)
    log = Log((Call("measure", (32,)),), rig.facts(), closed=True)
    assert questions.judge(ITEM, case, found, log).status is Status.EARNED
    assert sorted(tried) == [32, 256, 512, 2048, 8192]  # each once
    assert question.needs_gpu
    assert math.isclose(found[-1], 10**8 + 10**6 * 8192)

    small_gpu = True
    with pytest.raises(GraderError, match="too small"):
        question.rig(case, Setting("gpu")).facts()
