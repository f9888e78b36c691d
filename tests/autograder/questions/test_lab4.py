"""Lab 4's questions in one process: what right and wrong functions are told, over many seeds."""

from __future__ import annotations

import math
import re
import statistics

import numpy as np
import pytest

from autograder import planning, questions
from autograder.evidence import Case
from autograder.program import program
from autograder.questions import lab4, lab4_rigs
from autograder.result import Status
from autograder.rigs import Call, Log, Setting
from autograder.rubric import CaseSpec
from autograder.submission import from_cells
from gpulabs import measured_step
from gpulabs.errors import GraderError, OutOfMemory
from gpulabs.measured_step import Measured
from gpulabs.recorded_steps import recorded_steps
from gpulabs.training_step import StepPlan
from tests.autograder.questions.asking import ITEM, asked, solution_cells, solved

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


def gpu_choice():
    question = questions.ALL["choice_on_gpu"]
    arguments = question.draw(np.random.default_rng(), 0, None)
    return question, Case("c", "t", "v", "choose_batch", values=question.name, arguments=arguments)


def test_the_gpus_choice_measures_what_was_not_asked(monkeypatch):
    tried = []

    def measure(plan, settings, environment):
        tried.append(plan.batch)
        if plan.batch > 1024:
            raise OutOfMemory("full")
        return Measured(plan, "gpu", 1.0, images_per_s=1000.0 * plan.batch / (64 + plan.batch))

    monkeypatch.setattr(measured_step, "measure", measure)
    question, case = gpu_choice()
    rig = question.rig(case, Setting("gpu"))
    batch = solved("lab4_batch_size")["choose_batch"](list(lab4_rigs.GPU_BATCHES), rig.operations["measure"], 0.9)

    facts = rig.facts()

    assert (batch, max(facts["truth"])) == (512, 1024)
    assert sorted(tried) == list(lab4_rigs.GPU_BATCHES)  # each once
    log = Log((Call("measure", (1024,)),), facts, closed=True)
    assert questions.judge(ITEM, case, batch, log).status is Status.EARNED
    assert question.needs_gpu


FAKE_GPU = r"""
import json, os, sys
asked = json.loads(sys.argv[1])
batch = asked["plan"]["batch"]
def tell(event, **values):
    print(json.dumps({"event": event, "memory": None, **values}), flush=True)
if os.environ["CUDA_VISIBLE_DEVICES"] != "GPU-b" or os.environ["CUDA_DEVICE_ORDER"] != "PCI_BUS_ID":
    tell("failed", message="ValueError: another GPU than the one whose turn it is")
tell("built", device="gpu")
tell("prepared")
sys.stdin.readline()
if batch > 1024:
    tell("out_of_memory", message="RESOURCE_EXHAUSTED")
    sys.exit(0)
tell("compiled", seconds=1.0, xla=None)
tell("warm")
sys.stdin.readline()
tell("timed", times_ms=[0.064 + 0.001 * batch] * 9, steps_a_block=1)
"""


def test_the_gpus_choice_runs_from_the_worker_to_the_measuring_processes(monkeypatch, tmp_path):
    """All of the path but TensorFlow: the student's function in a worker, the desk, a process a batch on the GPU."""
    monkeypatch.setattr(measured_step, "PROGRAM", ("-c", FAKE_GPU))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    _, case = gpu_choice()
    served = questions.desk([case], "gpu", gpu=1)
    solution = solution_cells("lab4_batch_size")["choose_batch"].split("\n", 1)[1]
    source = program(from_cells("lab", {"t": f"# task: t\n{solution}"}).cells, "t")
    signature = {"choose_batch": "choose_batch(batches, measure, share)"}

    found = planning.plan(
        [planning.TaskRequest(source, "function", signature, (case,))], tmp_path, (9, 0), desk=served
    )["t"]

    log = served.log(case.id)
    assert (found.faults, log.failure, log.trouble) == ((), "", "")
    assert sorted(log.facts["truth"]) == [16, 32, 64, 128, 256, 512, 1024]
    assert log.facts["failed"] == [4096, 2048]
    assert questions.judge(ITEM, case, found.plans[0].value, log).status is Status.EARNED
    assert found.plans[0].value == 512


@pytest.mark.parametrize(
    ("batch", "outcome", "error", "text"),
    [
        (1 << 20, None, ValueError, "none of those to choose from"),
        (16, OutOfMemory("full"), GraderError, "other programs hold the GPU's memory"),
        (64, Measured(StepPlan(64), "cpu", 1.0, images_per_s=9.0), GraderError, "TensorFlow finds no GPU"),
    ],
)
def test_only_what_is_no_fault_of_the_students_withholds(monkeypatch, batch, outcome, error, text):
    def measure(plan, settings, environment):
        if isinstance(outcome, OutOfMemory):
            raise outcome
        return outcome

    monkeypatch.setattr(measured_step, "measure", measure)
    question, case = gpu_choice()
    rig = question.rig(case, Setting("gpu"))
    with pytest.raises(error, match=text):
        rig.operations["measure"](batch)


def test_a_function_that_never_returns_costs_no_more_measurements(monkeypatch):
    """Were its rig to fail then, the points would be withheld instead of lost."""
    monkeypatch.setattr(measured_step, "measure", None)
    question, case = gpu_choice()
    setting = Setting("gpu")
    rig = question.rig(case, setting)
    setting.stop.set()
    assert rig.facts()["truth"] == {}
