"""Lab 4's questions in one process: what right and wrong functions are told, over many seeds."""

from __future__ import annotations

import dataclasses
import math
import re
import statistics

import numpy as np
import pytest

from autograder import questions
from autograder.evidence import Case
from autograder.questions import lab4, lab4_rigs
from autograder.result import Status
from autograder.rigs import Call, Log, Setting
from autograder.rubric import CaseSpec
from gpulabs.errors import OutOfMemory
from gpulabs.recorded_steps import recorded_steps
from tests.autograder.questions.asking import ITEM, asked, solved

ASKED = {
    "meter_long": "time_steps", "meter_cold": "time_steps", "meter_short": "time_steps", "meter_busy": "time_steps",
    "throughput": "throughput", "throughput_interval": "throughput", "sweep": "sweep", "sweep_of_memory": "sweep",
    "fit_made_up": "fit_step_time", "fit_recorded": "fit_step_time", "batch_for": "batch_for",
    "choice": "choose_batch", "smallest_choice": "choose_batch", "utilisation": "utilisation",
    "busy_sweep": "busy_but_slow", "rate_after": "learning_rate", "rate_warming": "learning_rate",
}  # fmt: skip


@pytest.mark.parametrize("kind", ASKED)
def test_the_solution_is_right_whatever_is_drawn(kind):
    function = solved("lab4_batch_size")[ASKED[kind]]
    for seed in range(8 if kind.startswith("meter") else 40):
        verdict = asked(kind, function, seed, seed % 6)
        assert verdict.status is Status.EARNED, (seed, verdict.reason)


@pytest.mark.parametrize("kind", ASKED)
@pytest.mark.parametrize(
    "value", [None, [], "1", [None], [1.0, "2"], [[1]], -1, [float("nan")] * 3, 10**30, [[1, 2, 3]]]
)
def test_any_value_gets_a_verdict(kind, value):
    assert asked(kind, lambda *_: value, 1).status is Status.LOST


def meter(warm_ups=10, samples=30, block_s=0.03, wait=True, factor=1000):
    def time_steps(step, synchronize, clock):
        def seconds(steps):
            start = clock()
            for _ in range(steps):
                step()
            if wait:
                synchronize()
            return (clock() - start) / steps

        if warm_ups:
            seconds(warm_ups)
        steps = max(1, round(block_s / seconds(1))) if block_s else 1
        return [factor * seconds(steps) for _ in range(samples)]

    return time_steps


@pytest.mark.parametrize(
    ("kind", "function", "says"),
    [
        ("meter_long", meter(wait=False, block_s=0), "only queues"),
        ("meter_long", meter(factor=1), "in milliseconds"),
        ("meter_long", lambda *_: [5.0] * 30, "that you are given"),
        ("meter_cold", meter(warm_ups=1), "first 10 steps are slow"),
        ("meter_short", meter(block_s=0), "costs more than the step"),
        ("meter_busy", meter(samples=8), "so few"),
        ("meter_busy", meter(block_s=3, samples=31), "a long block always meets it"),
        ("throughput", lambda batch, times: [1000 * batch / statistics.fmean(times), 1, 2], "mean"),
        ("throughput", lambda batch, times: [1000 * batch / min(times), 1, 2], "luck"),
        ("throughput", lambda batch, times: [1e3 / statistics.median(times), 1, 2], "many images"),
        ("throughput_interval", lambda batch, times: [1, batch / max(times), 1e6 * batch], "median asks"),
        ("throughput_interval", lambda batch, times: [1, *[1e3 * batch / statistics.median(times)] * 2], "Count ranks"),
        ("throughput_interval", lambda batch, times: [1, 1e3 * batch / min(times), 1e3 * batch / max(times)], "places"),
        ("fit_made_up", lambda batches, times: [float(one) for one in np.polyfit(batches, times, 1)[::-1]], "relative"),
        ("fit_made_up", lambda batches, times: [0.0, times[-1] / batches[-1]], "nearly nothing"),
        ("fit_made_up", lambda *all: lab4.fit_step_time(*all)[::-1], "comes first"),
        ("fit_recorded", lambda batches, times: [times[0], 0.0], "at which batches"),
        ("batch_for", lambda share, fixed, image: int(share / (1 - share) * fixed / image), "just misses"),
        ("choice", lambda batches, measure, share: 256, "measure this one"),
        ("choice", lambda batches, measure, share: (measure(1), 8192)[1], "What did measure"),
        ("choice", lambda batches, measure, share: (measure(1), 1)[1], "What is the best throughput"),
        ("smallest_choice", lambda batches, measure, share: (measure(1), 256)[1], "fewer updates"),
        ("busy_sweep", lambda batches, busy, rates: [batches[-1], 0.9], "first batch"),
        ("rate_warming", lambda step, batch, base, rate, steps: rate * batch / base * step / steps, "not from 0"),
        ("rate_after", lambda step, batch, base, rate, steps: rate * math.sqrt(batch / base), "root"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(kind, function, says):
    found = [asked(kind, function, seed, seed % 6) for seed in range(8)]
    lost = [verdict for verdict in found if verdict.status is Status.LOST]
    assert len(lost) >= (4 if kind in ("smallest_choice", "choice") else 6)
    assert any(re.search(says, f"{verdict.reason} {verdict.hint}") for verdict in lost), lost


def test_an_interval_may_be_a_rank_off_and_no_more():
    ranked = [float(time_ms) for time_ms in range(1, 41)]  # the 14th to the 27th are the interval

    def told(first, last):
        return lab4._interval(1, ranked, [0.0, 1e3 / ranked[last - 1], 1e3 / ranked[first - 1]])

    assert told(14, 27) is told(13, 28) is told(15, 26) is None
    assert "too narrow" in told(17, 27)[0]
    assert "wider" in told(14, 31)[0]


def test_recordings_are_drawn_where_there_are_some():
    recorded = {round(time_ms, 4) for one in recorded_steps() for times in one.times_ms.values() for time_ms in times}
    _, times = lab4._draw_times(np.random.default_rng(1), 1, CaseSpec("throughput", 6))
    assert set(times) <= recorded
    _, made_up = lab4._draw_times(np.random.default_rng(1), 0, CaseSpec("throughput", 6))
    assert statistics.fmean(made_up) > 1.08 * statistics.median(made_up)


def test_the_gpus_choice_measures_what_was_not_asked(monkeypatch):
    from gpulabs import measured_step

    tried = []

    def measure(plan, settings):
        tried.append(plan.batch)
        if plan.batch > 1024:
            raise OutOfMemory("full")
        return dataclasses.make_dataclass("M", ["images_per_s"])(1000.0 * plan.batch / (64 + plan.batch))

    monkeypatch.setattr(measured_step, "measure", measure)
    question = questions.ALL["choice_on_gpu"]
    case = Case("c", "t", "v", "f", values=question.name, arguments=question.draw(np.random.default_rng(), 0, None))
    rig = question.rig(case, Setting("gpu"))
    batch = solved("lab4_batch_size")["choose_batch"](list(lab4_rigs.GPU_BATCHES), rig.operations["measure"], 0.9)

    facts = rig.facts()

    assert (batch, max(facts["truth"])) == (512, 1024)
    assert sorted(tried) == list(lab4_rigs.GPU_BATCHES)  # each once
    log = Log((Call("measure", (1024,)),), facts, closed=True)
    assert questions.judge(ITEM, case, batch, log).status is Status.EARNED
    assert question.needs_gpu
