"""Which points a tiled kernel earns, from made-up evidence: structure and the place between two rungs."""

from dataclasses import replace

import numpy as np
import pytest

from autograder import cases, decision, rubric
from autograder.evidence import (
    Fault,
    FaultKind,
    Kernel,
    Launch,
    Measurement,
    Outcome,
    Plan,
    PlanSet,
    Race,
    Resources,
    Structure,
)  # fmt: skip
from autograder.result import Status
from autograder.score import TaskEvidence, score

LAB2 = rubric.load("lab2")
TASK = LAB2.task("conv_tiled")
LOST, EARNED, PENDING, WITHHELD = Status.LOST, Status.EARNED, Status.PENDING, Status.WITHHELD
GOOD = Structure("k", products=8, products_from_shared=8, shared_stores=1, barriers=2)


def evidence(where="simulator", rounds=((1.0, 2.0, 1.0),) * 15, **more):
    """Evidence of a solution that is right in everything, as fast as the upper rung."""
    drawn = cases.draw(LAB2, 11, "simulator", ["conv_tiled"])
    run = tuple(case for case in drawn if case.item != "speed" or where == "gpu")
    small = {
        case.id: replace(case, x_shape=(1, 4, 4, 2), w_shape=(2, 2, 2, 3)) for case in drawn if case.item == "speed"
    }
    drawn = tuple(small.get(case.id, case) for case in drawn)
    run = tuple(small.get(case.id, case) for case in run)
    pairs = tuple((mine, low) for mine, low, _ in rounds)
    race = Race("conv_tiled", "w", "coalesced", pairs, peers={"cudnn": 0.5}, flops=2e9, high="tiled", rounds=rounds)
    launch = Launch("k", (1, 1, 1), (32, 1, 1), 0, ())
    made = TaskEvidence(
        cases=drawn,
        plans=PlanSet(
            "conv_tiled", {"k": Kernel("k", "k", "ptx")}, tuple(Plan(c.id, launches=(launch,)) for c in drawn),
            compiled=True,
        ),
        measurement=Measurement(
            "conv_tiled", where, tuple(Outcome(c.id) for c in run), (race,) if where == "gpu" else ()
        ),
        outputs={c.id: cases.reference(c) for c in run},
        resources=(Resources("k", "sm_80", 40, 0, 0, 0, 0),),
        structures=(GOOD,),
    )  # fmt: skip
    return replace(made, **more)


def scores(found):
    return {one.item: one for one in score(LAB2, TASK, found, decision.decide)}


def statuses(found):
    return {name: one.status for name, one in scores(found).items()}


def test_without_a_gpu_structure_is_earned_and_speed_is_pending():
    assert statuses(evidence()) == {
        "valid": EARNED, "same": EARNED, "shared": EARNED, "clean": EARNED, "speed": PENDING,
    }  # fmt: skip


def test_without_a_compiler_structure_is_pending():
    found = evidence(structures=(), resources=())
    found = replace(found, plans=replace(found.plans, compiled=False))

    assert statuses(found)["shared"] is PENDING


def test_a_workload_with_wrong_answers_has_no_structure_either():
    """A kernel for the published shape alone, which leaves out most of the work."""
    found = evidence("gpu")
    (timed,) = (case.id for case in found.cases if case.item == "speed")
    found = replace(found, outputs=found.outputs | {timed: found.outputs[timed] + 1})

    assert statuses(found) == {"valid": EARNED, "same": EARNED, "shared": LOST, "clean": LOST, "speed": LOST}
    assert "those of the timed workload are not" in scores(found)["shared"].reason


def test_structure_counts_with_right_answers_only():
    found = evidence()
    wrong = {"conv_tiled-same-1": found.outputs["conv_tiled-same-1"] + np.float32(2)}
    found = replace(found, outputs=found.outputs | wrong)

    assert statuses(found) == {"valid": EARNED, "same": LOST, "shared": LOST, "clean": LOST, "speed": LOST}
    assert scores(found)["shared"].reason.startswith("The compiled code counts with right answers only")


def test_a_decorative_tile_loses_structure_alone():
    found = evidence("gpu", structures=(replace(GOOD, products_from_shared=0),))

    assert statuses(found) == {"valid": EARNED, "same": EARNED, "shared": LOST, "clean": EARNED, "speed": EARNED}


@pytest.mark.parametrize(
    ("student_ms", "points", "status"),
    [(0.9, 7, EARNED), (1.0, 7, EARNED), (1.15, 6, EARNED), (1.3, 4, EARNED), (1.55, 2, EARNED), (1.9, 0, LOST)],
)
def test_points_follow_the_published_curve(student_ms, points, status):
    speed = scores(evidence("gpu", ((student_ms, 2.0, 1.0),) * 15))["speed"]

    assert (speed.points, speed.status) == (points, status)
    assert "between coalesced (2 ms) and tiled (1 ms)" in speed.reason
    assert ("the next step is" in speed.reason) == (points < 7)
    assert speed.evidence["share_of_cudnn"] == round(0.5 / student_ms, 3)


def test_rungs_that_do_not_differ_leave_it_to_the_structure():
    flat = ((1.5, 1.1, 1.0),) * 15

    speed = scores(evidence("gpu", flat))["speed"]
    assert (speed.points, speed.status) == (7, EARNED)
    assert "differ by 1.10x, less than 1.2x" in speed.reason
    without = scores(evidence("gpu", flat, structures=(replace(GOOD, barriers=0),)))["speed"]
    assert (without.points, without.status) == (0, LOST)


def test_too_close_gives_the_step_and_says_so():
    wavering = ((2 * 0.5**0.7, 2.0, 1.0), (2 * 0.5**0.8, 2.0, 1.0)) * 60

    speed = scores(evidence("gpu", wavering))["speed"]

    assert speed.points == 6
    assert "too close to call at 0.75, so the step is yours" in speed.reason


def test_trouble_withholds_what_is_not_full():
    found = evidence("gpu", ((1.3, 2.0, 1.0),) * 15)
    race = replace(found.measurement.races[0], trouble=("throttling",))

    assert statuses(replace(found, measurement=replace(found.measurement, races=(race,))))["speed"] is WITHHELD
    fast = evidence("gpu")
    race = replace(fast.measurement.races[0], trouble=("throttling",))
    assert statuses(replace(fast, measurement=replace(fast.measurement, races=(race,))))["speed"] is EARNED


def test_a_race_that_was_cut_short_is_withheld():
    assert statuses(evidence("gpu", ((1.0, 2.0, 1.0),) * 3))["speed"] is WITHHELD
    found = evidence("gpu")
    assert statuses(replace(found, measurement=replace(found.measurement, races=())))["speed"] is WITHHELD


def test_unsteady_outputs_lose_the_curve():
    found = evidence("gpu")
    race = replace(found.measurement.races[0], wrong_outputs=2)
    found = replace(found, measurement=replace(found.measurement, races=(race,)))
    assert "2 timed outputs differ" in scores(found)["speed"].reason


def test_a_workload_that_could_not_be_planned_loses_structure_and_speed():
    found = evidence()
    fault = Fault(FaultKind.REJECTED, "too much shared memory", case="conv_tiled-speed-0")
    found = replace(found, faults=(fault,))

    assert statuses(found)["shared"] is statuses(found)["clean"] is LOST
    assert scores(found)["shared"].reason == "too much shared memory"
