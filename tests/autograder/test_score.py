"""Which points a task earns, by item, from made-up evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from autograder import cases, questions, rubric
from autograder.calibration import review
from autograder.evidence import (
    Coalescing,
    Fault,
    FaultKind,
    Kernel,
    Measurement,
    Outcome,
    Plan,
    PlanSet,
    Race,
    Resources,
)
from autograder.result import Status
from autograder.rigs import Log
from autograder.score import TaskEvidence, score
from gpulabs.roofline import Roof

LAB1 = rubric.load("lab1")
LOST, EARNED, PENDING, WITHHELD = Status.LOST, Status.EARNED, Status.PENDING, Status.WITHHELD


@dataclass(frozen=True)
class FakeDecision:
    verdict: str
    speedup: float = 2.0
    lower: float = 1.9
    upper: float = 2.1
    pairs: int = 15


def decide_as(verdict):
    return lambda pairs, threshold, final=False: FakeDecision(verdict)


PASS = decide_as("pass")


def evidence(task, where="simulator", **more):
    """Evidence of a solution that is right in everything."""
    drawn = tuple(c for c in cases.draw(LAB1, 11, "simulator", [task]))
    if where == "gpu":  # the simulator's small cases will do, with a small workload
        speed = replace(drawn[0], id=f"{task}-speed-0", item="speed")
        drawn += (speed,)
    traffic = (Coalescing("k", 10, 20, 10, 40),)
    outcomes = tuple(Outcome(c.id, coalescing=traffic if where == "simulator" else ()) for c in drawn)
    race = Race(task, "64x58", "naive", ((1.0, 2.0),) * 15, peers={"cudnn": 0.5}, flops=2e9)
    simulated = Measurement(task, "simulator", tuple(Outcome(c.id, coalescing=traffic) for c in drawn))
    right = {c.id: cases.reference(c) for c in drawn if c.x_shape}
    made = TaskEvidence(
        cases=drawn,
        plans=PlanSet(task, {"k": Kernel("k", "k", "")}, tuple(Plan(c.id) for c in drawn), compiled=True),
        measurement=Measurement(task, where, outcomes, (race,) if where == "gpu" else ()),
        outputs=right,
        simulated=simulated if where == "gpu" else None,
        simulated_outputs=right if where == "gpu" else {},
        expected={c.id: right[c.id] for c in drawn if c.values in ("normals", "special")},
        cpu_time_ms=300.0 if where == "gpu" else None,
    )
    return replace(made, **more)


def functions(task, answers):
    drawn = cases.draw(LAB1, 11, "simulator", [task])
    plans = tuple(Plan(c.id, value=answers(c)) for c in drawn if answers(c) is not None)
    return TaskEvidence(cases=drawn, plans=PlanSet(task, plans=plans))


def statuses(task, found, decide=PASS):
    return {one.item: one.status for one in score(LAB1, LAB1.task(task), found, decide)}


def one(task, item, found, decide=PASS):
    return next(s for s in score(LAB1, LAB1.task(task), found, decide) if s.item == item)


def spoil(found, case_id):
    return replace(found, outputs=found.outputs | {case_id: found.outputs[case_id] + np.float32(2)})


@pytest.mark.parametrize("task", ["conv_first", "conv_strided"])
def test_a_right_kernel_earns_everything_in_the_simulator(task):
    scores = score(LAB1, LAB1.task(task), evidence(task), decide_as("pass"))

    assert {s.status for s in scores} == {EARNED}
    assert sum(s.points for s in scores) == sum(i.points for i in LAB1.task(task).items)


def test_speed_is_pending_without_a_gpu_and_counts_nothing():
    found = evidence("conv_coalesced")

    assert statuses("conv_coalesced", found) == {
        "exact": EARNED, "coalesced": EARNED, "speed": PENDING, "cpu": PENDING,
    }  # fmt: skip
    speed = one("conv_coalesced", "speed", found)
    assert speed.reason.startswith("Needs a GPU")
    assert (speed.points, speed.max_points) == (0, 6)


def test_everything_is_earned_on_a_gpu():
    found = evidence("conv_coalesced", "gpu")

    assert set(statuses("conv_coalesced", found).values()) == {EARNED}
    speed = one("conv_coalesced", "speed", found)
    assert speed.reason == "2.00 times as fast as naive, 1.5 asked for (between 1.90 and 2.10 over 15 pairs)."
    assert (speed.evidence["cudnn_ms"], speed.evidence["share_of_cudnn"], speed.evidence["gflop_s"]) == (
        0.5,
        0.5,
        2000.0,
    )
    assert one("conv_coalesced", "cpu", found).evidence["speedup"] == 300.0


def test_one_wrong_case_loses_its_item_only():
    found = spoil(evidence("conv_strided"), "conv_strided-stride-3")

    assert statuses("conv_strided", found) == {"same": EARNED, "stride": LOST, "close": EARNED}
    lost = one("conv_strided", "stride", found)
    assert "case stride-3" in lost.reason
    assert lost.hint.endswith("`gpulabs hint lab1 conv_strided` shows the first of 3 hints.")
    assert (lost.points, lost.fault, lost.cell) == (0, "wrong values", "conv_strided")
    assert lost.evidence["cases lost"] == 1


@pytest.mark.parametrize("where", ["simulator", "gpu"])
def test_speed_is_lost_with_the_answers(where):
    found = spoil(evidence("conv_coalesced", where), "conv_coalesced-exact-1")

    assert statuses("conv_coalesced", found) == {"exact": LOST, "coalesced": EARNED, "speed": LOST, "cpu": LOST}
    assert one("conv_coalesced", "speed", found).reason.startswith("Speed counts with right answers only")


def test_a_wrong_timed_output_loses_speed():
    found = spoil(evidence("conv_coalesced", "gpu"), "conv_coalesced-speed-0")
    assert statuses("conv_coalesced", found) == {"exact": EARNED, "coalesced": EARNED, "speed": LOST, "cpu": LOST}

    found = evidence("conv_coalesced", "gpu")
    race = replace(found.measurement.races[0], wrong_outputs=2)
    found = replace(found, measurement=replace(found.measurement, races=(race,)))
    assert "2 timed outputs differ" in one("conv_coalesced", "speed", found).reason


@pytest.mark.parametrize(("verdict", "status"), [("too close", EARNED), ("fail", LOST), ("undecided", WITHHELD)])
def test_the_decision_decides(verdict, status):
    assert one("conv_coalesced", "speed", evidence("conv_coalesced", "gpu"), decide_as(verdict)).status is status


def test_trouble_on_the_machine_withholds_a_failure_and_keeps_a_pass():
    found = evidence("conv_coalesced", "gpu")
    race = replace(found.measurement.races[0], trouble=("throttling",))
    found = replace(found, measurement=replace(found.measurement, races=(race,)))

    assert one("conv_coalesced", "speed", found, decide_as("pass")).status is EARNED
    failed = one("conv_coalesced", "speed", found, decide_as("fail"))
    assert failed.status is WITHHELD
    assert "throttling" in failed.reason


def test_rungs_that_this_gpu_can_not_tell_apart_withhold_the_points_until_it_is_calibrated():
    found = evidence("conv_coalesced", "gpu")
    race = replace(found.measurement.races[0], peers={"naive": 1.0, "coalesced": 0.9})
    found = replace(found, measurement=replace(found.measurement, races=(race,)))

    open_ = one("conv_coalesced", "speed", found, decide_as("fail"))

    assert open_.status is WITHHELD
    assert "only 1.11 times as fast as naive (in the same run)" in open_.reason
    assert "`autograder calibrate`" in open_.reason
    assert one("conv_coalesced", "speed", found).status is EARNED
    assert one("conv_coalesced", "exact", spoil(found, "conv_coalesced-exact-0")).status is LOST


def test_faster_than_the_roof_is_flagged_and_earned():
    roof = review.Yardstick(roof=Roof(1.0, 1.0, "a slow GPU"))
    found = replace(evidence("conv_coalesced", "gpu"), yardstick=roof)
    speed = one("conv_coalesced", "speed", found)
    assert speed.status is EARNED
    assert "direct float32 convolution needs at least" in speed.evidence["flag"]


def test_a_slow_kernel_with_doubles_gets_that_hint():
    found = evidence("conv_coalesced", "gpu", resources=(Resources("k", "sm_90", 40, 0, 0, 0, 12),))

    slow = one("conv_coalesced", "speed", found, decide_as("fail"))

    assert "double-precision" in slow.hint
    assert slow.evidence["registers"] == 40


def test_slower_than_twice_the_cpu_loses_that_item():
    found = evidence("conv_coalesced", "gpu", cpu_time_ms=1.5)

    assert statuses("conv_coalesced", found)["cpu"] is LOST
    assert statuses("conv_coalesced", found)["speed"] is EARNED


def test_scattered_stores_lose_coalescing_alone():
    found = evidence("conv_coalesced")
    outcomes = tuple(replace(o, coalescing=(Coalescing("k", 10, 20, 10, 320),)) for o in found.measurement.outcomes)
    found = replace(found, measurement=replace(found.measurement, outcomes=outcomes))

    assert statuses("conv_coalesced", found)["coalesced"] is LOST
    assert statuses("conv_coalesced", found)["exact"] is EARNED


def test_coalesced_traffic_of_wrong_answers_earns_nothing():
    found = spoil(evidence("conv_coalesced"), "conv_coalesced-coalesced-0")

    assert statuses("conv_coalesced", found)["coalesced"] is LOST


def test_a_fault_of_the_task_loses_all_of_it():
    fault = Fault(FaultKind.SYNTAX_ERROR, "conv_first: invalid syntax", "conv_first", 3)
    found = evidence("conv_first", plans=PlanSet("conv_first", faults=(fault,)), measurement=None)

    scores = score(LAB1, LAB1.task("conv_first"), found, decide_as("pass"))

    assert {(s.status, s.fault, s.reason, s.line) for s in scores} == {
        (LOST, "syntax error", "conv_first: invalid syntax", 3)
    }


def test_a_stub_earns_nothing_everywhere():
    fault = Fault(FaultKind.NOT_ATTEMPTED, "conv_coalesced: not written yet", "conv_coalesced", 2)
    found = evidence("conv_coalesced", plans=PlanSet("conv_coalesced", faults=(fault,)), measurement=None)

    scores = score(LAB1, LAB1.task("conv_coalesced"), found, decide_as("pass"))

    assert {(s.status, s.points, s.fault, s.reason) for s in scores} == {
        (LOST, 0, "still the stub", "conv_coalesced: not written yet")
    }


def test_a_stub_for_some_arguments_loses_only_those():
    found = evidence("conv_strided")
    planned = tuple(p for p in found.plans.plans if not p.case.startswith("conv_strided-stride"))
    fault = Fault(FaultKind.NOT_ATTEMPTED, "conv_strided: not written yet")
    found = replace(found, plans=replace(found.plans, plans=planned, faults=(fault,)))

    assert statuses("conv_strided", found) == {"same": EARNED, "stride": LOST, "close": EARNED}


def test_a_rejected_kernel_loses_even_what_was_planned():
    fault = Fault(FaultKind.REJECTED, "the kernel reads the clock")

    assert set(statuses("conv_first", evidence("conv_first", faults=(fault,))).values()) == {LOST}


def test_a_fault_of_one_case_loses_its_item():
    fault = Fault(FaultKind.WRONG_SHAPE, "wrong shape", case="conv_first-photo-0")

    assert statuses("conv_first", evidence("conv_first", faults=(fault,))) == {
        "exact": EARNED, "photo": LOST, "close": EARNED,
    }  # fmt: skip


def test_cases_after_an_endless_kernel_are_lost_with_it():
    found = evidence("conv_first")
    fault = Fault(FaultKind.KERNEL_TIMEOUT, "no end within 5 s", "conv_first", 7)
    found = replace(
        found, measurement=Measurement("conv_first", "simulator", found.measurement.outcomes[:5], (), fault)
    )

    assert statuses("conv_first", found) == {"exact": EARNED, "photo": LOST, "close": LOST}


def test_cases_that_an_endless_kernel_kept_from_running_are_lost_too():
    found = evidence("conv_coalesced")
    fault = Fault(FaultKind.KERNEL_TIMEOUT, "no end within 20 s", "conv_coalesced", 7, "conv_coalesced-exact-0")
    outcomes = (replace(found.measurement.outcomes[0], fault=fault),)
    found = replace(found, measurement=replace(found.measurement, outcomes=outcomes))

    assert set(statuses("conv_coalesced", found).values()) == {LOST}


def test_the_case_that_tells_most_is_shown():
    found = evidence("conv_first")
    outputs = dict(found.outputs)
    for case in found.cases:
        outputs[case.id] = outputs[case.id].copy()
        outputs[case.id][:, :, -1] = np.nan
    found = replace(found, outputs=outputs)

    exact = one("conv_first", "exact", found)

    assert found.outputs["conv_first-exact-0"].shape[1:3] == (1, 1)
    assert "never written: the last columns" in exact.reason
    assert exact.reason.endswith("check the tail of the grid. (5 of 5 cases fail.)")


def test_a_failed_grader_withholds_and_says_so():
    found = evidence("conv_first", measurement=None, failure="the launcher crashed")

    first = one("conv_first", "exact", found)

    assert first.status is WITHHELD
    assert "the launcher crashed" in first.reason
    assert first.hint == ""


def test_a_failed_oracle_withholds_only_what_needs_it():
    found = evidence("conv_first", expected={}, oracle_failure="TensorFlow is broken")

    assert statuses("conv_first", found) == {"exact": EARNED, "photo": EARNED, "close": WITHHELD}
    assert "TensorFlow is broken" in one("conv_first", "close", found).reason


def test_functions_are_judged_by_what_they_return():
    found = functions("roofline", lambda c: questions.answer(c) if c.item != "bytes" else 1)

    assert statuses("roofline", found) == {"flops": EARNED, "bytes": LOST, "roof": EARNED}
    assert one("roofline", "flops", found).points == 5


def test_one_missing_function_of_three_loses_its_item_only():
    found = functions("roofline", lambda c: questions.answer(c) if c.item != "bytes" else None)
    faults = (
        Fault(FaultKind.NOT_ATTEMPTED, "attainable_gflops: not written yet"),
        Fault(FaultKind.MISSING_FUNCTION, "roofline: no function named count_bytes"),
    )
    found = replace(found, plans=replace(found.plans, faults=faults))

    assert statuses("roofline", found) == {"flops": EARNED, "bytes": LOST, "roof": EARNED}
    assert one("roofline", "bytes", found).fault == "missing function"


def test_a_rig_that_failed_withholds_whatever_the_function_made_of_it():
    found = functions("roofline", lambda c: questions.answer(c) if c.item != "bytes" else None)
    case = next(c.id for c in found.cases if c.item == "bytes")
    fault = Fault(FaultKind.HOST_EXCEPTION, "count_bytes raised RuntimeError", case=case)
    found = replace(found, plans=replace(found.plans, faults=(fault,)))
    assert statuses("roofline", found)["bytes"] is LOST

    found = replace(found, cases=tuple(c for c in found.cases if c.item != "bytes" or c.id == case))
    found = replace(found, logs={case: Log(failure="its rig failed (OSError: no disk)")})

    assert statuses("roofline", found) == {"flops": EARNED, "bytes": WITHHELD, "roof": EARNED}
    assert "no disk" in one("roofline", "bytes", found).reason


def test_what_is_not_asked_here_is_pending_and_a_stub_is_lost():
    found = functions("roofline", lambda c: questions.answer(c) if c.item != "bytes" else None)
    found = replace(found, pending={c.id: "Needs a GPU." for c in found.cases if c.item == "bytes"})
    assert statuses("roofline", found) == {"flops": EARNED, "bytes": PENDING, "roof": EARNED}

    fault = Fault(FaultKind.NOT_ATTEMPTED, "count_bytes: not written yet")
    found = replace(found, plans=replace(found.plans, faults=(fault,)))
    assert statuses("roofline", found)["bytes"] is LOST


def test_control_characters_of_a_student_stay_out_of_the_reason():
    fault = Fault(FaultKind.HOST_EXCEPTION, "raised ValueError: \x1b[31mred\n" + "x" * 5000)

    reason = one("conv_first", "exact", evidence("conv_first", faults=(fault,))).reason

    assert "\x1b" not in reason
    assert len(reason) <= 900
