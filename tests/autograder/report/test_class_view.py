"""A class in numbers: they add up, the likely come first, hostile evidence is no number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autograder.report.class_view import distribution, faults, ladders, spread, task_losses, to_look_at
from autograder.result import Result, Status
from autograder.store import FLAG
from tests.autograder.report.class_sample import class_of
from tests.autograder.samples import item, result


def scored(student: str, share: float) -> Result:
    return replace(result(student), items=(item("t", "a", "a", 100, Status.EARNED, points=100 * share),))


def raced(student: str, speed: Any, gpu: str = "H200", **more: Any) -> Result:
    evidence = {"time_ms": 2.0, "gflop_s": speed, "naive_ms": 4.0, "cudnn_ms": 1.0, "cpu_time_ms": 90.0, **more}
    timed = item("t", "speed", "faster", 5, Status.EARNED, evidence=evidence)
    return replace(result(student), items=(timed,), device={"gpu": gpu})


def test_every_student_is_in_one_bin_and_full_marks_are_in_the_last() -> None:
    bins = distribution([scored("a", 0.0), scored("b", 0.1), scored("c", 0.299), scored("d", 1.0), result("e")])
    assert [bin_.count for bin_ in bins] == [1, 1, 1, 0, 0, 0, 0, 0, 0, 2]
    assert [bin_.open for bin_ in bins] == [0] * 9 + [1]
    assert distribution([scored("a", 0.8 - 1e-12)])[8].count == 1  # a sum just below 0.8
    assert bins[9].label == "90 to 100 %"
    assert bins[9].height == 100
    assert bins[0].height == 50


def test_the_task_that_loses_most_comes_first_with_its_dearest_item() -> None:
    lost = {"conv_strided.stride": Status.LOST, "roofline": Status.LOST, "conv_first": Status.PENDING}
    first, second, *rest = task_losses([result("a", lost), result("b")], {"roofline": "Roofline"})
    assert (first.task, first.title, first.lost, first.share) == ("roofline", "Roofline", "7.50", 50)
    assert (second.task, second.lost) == ("conv_strided", "4.50")
    assert [(one.title, one.students, one.points) for one in second.items] == [("stride 2 and 3, exact", 1, "9")]
    pending = next(loss for loss in rest if loss.task == "conv_first")
    assert (pending.lost, pending.summary) == ("0.00", "on average 10 earned, 10 pending")
    assert [(part.status, part.points) for part in pending.bar] == [("earned", "10"), ("pending", "10")]


def test_faults_are_counted_by_student_and_differ_by_more_than_a_number() -> None:
    def having(student: str, reason: str, hint: str) -> Result:
        verdicts = (item("t", name, name, 1, Status.LOST, reason=reason, hint=hint) for name in ("a", "b"))
        return replace(result(student), items=tuple(verdicts))

    found = faults(
        [having("a", "3 differ", "row 3"), having("b", "7 differ", "row 12"), having("c", "5 differ", "column")]
    )
    assert [(fault.count, fault.students) for fault in found] == [(2, ["a", "b"]), (1, ["c"])]


def test_rungs_stand_where_they_ran_beside_the_students() -> None:
    (ladder,) = ladders([raced("a", 1000.0), raced("b", 3000.0, time_ms=1.0, naive_ms=6.0, cudnn_ms=0.5)])
    assert [(mark.name, mark.speed) for mark in ladder.rungs] == [("naive", "500 GFLOP/s"), ("cudnn", "4 TFLOP/s")]
    assert sum(mark.count for mark in ladder.students) == 2
    assert (ladder.best, ladder.median) == ("3 TFLOP/s", "2 TFLOP/s")
    assert ladder.summary == "2 kernels: 2 faster than naive, 0 faster than cudnn"
    assert all(0 <= mark.place <= 100 for mark in (*ladder.rungs, *ladder.students))


def test_kernels_of_two_gpus_share_no_axis() -> None:
    assert [ladder.gpu for ladder in ladders([raced("a", 1000.0), raced("b", 500.0, gpu="T4")])] == ["H200", "T4"]


@pytest.mark.parametrize("speed", ["<script>", None, True, -1.0, float("nan"), float("inf"), [], 0])
def test_what_is_no_speed_is_left_out(speed: Any) -> None:
    assert ladders([raced("a", speed)]) == []


def test_a_person_is_shown_what_needs_one_and_once_a_student() -> None:
    flagged = replace(
        result("flag"),
        items=tuple(item("t", n, n, 1, Status.EARNED, evidence={"flag": "too fast"}) for n in ("a", "b")),
    )
    unread = "no notebook"
    results = [
        result("fine"),
        flagged,
        result("held", {"roofline": Status.WITHHELD}),
        replace(
            result("unread"),
            items=tuple(item("t", n, n, 1, Status.LOST, reason=unread) for n in ("a", "b")),
            notes=(unread,),
        ),
        replace(result("again"), notes=(f"{FLAG} the same file got less",)),
        replace(result("open"), isolation="none: every file of this account is open"),
        result("lower"),
    ]
    found = {eye.student: (eye.what, eye.why) for eye in to_look_at(results, {"lower": "80 before, 40 now"})}
    assert found["flag"] == ("flag, no points lost", "t.a: too fast (and 1 more)")
    assert found["held"][0] == "15 points withheld"
    assert found["unread"] == ("not readable", unread)
    assert found["again"] == ("regraded", "the same file got less")
    assert found["open"][0] == "graded without isolation"
    assert found["lower"] == ("fewer points than before", "80 before, 40 now")
    assert "fine" not in found


def test_a_class_of_300_adds_up() -> None:
    class_ = class_of(300)
    assert sum(bin_.count for bin_ in distribution(class_)) == 300
    lost = sum(float(loss.lost) for loss in task_losses(class_, {}))
    mean = float(spread(one.points for one in class_)[0])
    held = sum(one.points_with(Status.WITHHELD) for one in class_) / 300
    assert lost + mean + held == pytest.approx(100, abs=0.05)
