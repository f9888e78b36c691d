"""Cases of several seeds at once: all of them, told apart, and what counts as a surprise."""

from __future__ import annotations

from autograder import cases, rubric
from autograder.examples import Example
from autograder.isolation import Limits
from autograder.result import ItemScore, Result, Status
from benchmarks.right_set import all_of, fresh, patient, unexpected

LAB2 = rubric.load("lab2")


def test_cases_of_all_seeds_are_there_and_workloads_once() -> None:
    together = all_of(cases.draw, (3, 4))(LAB2, 99, "simulator", ("conv_blocked",))
    first, second = (cases.draw(LAB2, seed, "simulator", ("conv_blocked",)) for seed in (3, 4))

    assert together[: len(first)] == first
    assert len({case.id for case in together}) == len(together)
    assert [case.seed for case in together[len(first) :]] == [case.seed for case in second if case.item != "speed"]
    assert sum(case.item == "speed" for case in together) == 1


def test_seeds_are_fresh_and_none_is_left_out() -> None:
    batches = fresh(23, 10)
    assert [len(batch) for batch in batches] == [10, 10, 3]
    assert len({seed for batch in batches for seed in batch}) == 23


def test_only_wall_time_is_given_more() -> None:
    assert patient(Limits, 5)(own_s=10.0, quiet_s=3.0) == Limits(own_s=50.0, quiet_s=3.0)


def result(**statuses: Status) -> Result:
    task = LAB2.task("conv_blocked")
    items = (
        ItemScore(task.id, i.id, i.title, 0, i.points, statuses.get(i.id, Status.EARNED), "why") for i in task.items
    )
    return Result(LAB2.id, "s", "", "", tuple(items))


def test_only_speed_may_wait_and_nothing_may_be_lost() -> None:
    example = Example("e", {}, tasks=("conv_blocked",))
    waiting = {Status.PENDING, Status.WITHHELD}

    assert unexpected(example, LAB2.id, result(speed=Status.PENDING), (1, 2), waiting) == []
    (waits,) = unexpected(example, LAB2.id, result(exact=Status.PENDING), (1, 2), waiting)
    assert (waits["item"], waits["seeds"]) == ("conv_blocked.exact", ["1", "2"])
    assert unexpected(example, LAB2.id, result(speed=Status.WITHHELD), (1,), waiting)
    assert unexpected(example, LAB2.id, result(clean=Status.LOST), (1,), {Status.LOST})
