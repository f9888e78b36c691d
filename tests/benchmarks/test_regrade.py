"""What a hundred gradings are said to show, from made-up ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from autograder import rubric
from autograder.evidence import Measurement, Race
from autograder.launch import RaceSpec
from autograder.result import ItemScore, Result, Status
from benchmarks.overhead import Witness
from benchmarks.regrade import Earlier, earlier, grade, run_of, summary, without_cudnn

TASK = rubric.load("lab1").task("conv_coalesced")


def result(lost: str = "", seconds: float = 2.0, seed: int = 1) -> Result:
    items = tuple(
        ItemScore(
            TASK.id, i.id, i.title, 0 if i.id == lost else i.points, i.points, status(i.id == lost), f"why {seed}"
        )
        for i in TASK.items
    )
    return Result("lab1_conv_kernel", "s", "s.ipynb", "", items, seed=seed, duration_s=seconds)


def status(lost: bool) -> Status:
    return Status.LOST if lost else Status.EARNED


def race(mine_ms: float = 1.0, **more: Any) -> Race:
    return dataclasses.replace(Race(TASK.id, "w", "naive", ((mine_ms, 2.0),) * 16), **more)


def test_same_grades_are_counted_whatever_the_seed() -> None:
    results = [result(seed=seed, seconds=seed) for seed in range(1, 10)] + [result(lost="speed", seed=77)]
    found = summary(TASK, [run_of(one) for one in results], [race()] * 10, [1.5] * 10)
    assert (found["same"], found["gradings"]) == (9, 10)
    assert found["points"] == found["max_points"] == 25
    (other,) = found["others"]
    assert (other["seed"], other["reasons"]) == ("77", {"conv_coalesced.speed": "why 77"})
    assert [each["times"] for each in found["grades"]] == [9, 1]


def test_decisions_pairs_and_times_are_those_of_the_races() -> None:
    races = [race(), race(1.9), race(1.25, discarded=("too hot",), trouble=("busy",))]
    found = summary(TASK, [run_of(result(seconds=s)) for s in (1.0, 2.0, 6.0)], races, [0.5, 1.0, 1.5])
    assert found["decisions"] == {"pass": 2, "fail": 1}
    assert found["pairs"] == {"mean": 15, "most": 15}
    assert (found["speedup"]["least"], found["speedup"]["most"]) == (2.0 / 1.9, 2.0)
    assert found["measured_again"] == 1
    assert found["troubled"] == {"too hot": 1, "busy": 1}
    assert (found["seconds"]["median"], found["seconds"]["most"]) == (2.0, 6.0)
    assert found["seconds"]["gpu_stage_median"] == 1.0
    assert (found["kernel_ms"]["race"], found["kernel_ms"]["timed"]) == (1.25, 16 * 3.25)
    assert found["races"][0]["pairs"] == [[1.0, 2.0]] * 16


def test_a_grade_is_status_and_points_of_every_item() -> None:
    assert grade(result(seed=1)) == grade(result(seed=2, seconds=9.0))
    assert grade(result()) != grade(result(lost="exact"))


def test_a_run_goes_on_from_its_record_and_from_no_other(tmp_path: Path) -> None:
    what = {"lab": "lab1_conv_kernel", "task": TASK.id, "submission": "plain", "cudnn": False}
    out = tmp_path / "regrade.json"
    assert earlier(out, what) == Earlier()
    runs, races = [run_of(result(seed=1)), run_of(result(lost="speed", seed=2))], [race(discarded=("hot",)), race(1.9)]
    found = summary(TASK, runs, races, [1.5, 2.5]) | what
    found["seconds"]["all"], found["kernel_ms"]["bare"] = 9.0, 1.25
    out.write_text(json.dumps(found))

    kept = earlier(out, what)

    again = summary(TASK, kept.runs, kept.races, kept.stage_s) | what
    again["seconds"]["all"], again["kernel_ms"]["bare"] = kept.all_s, kept.bare_ms
    assert again == found
    assert earlier(out, what | {"submission": "another"}) == Earlier()
    out.write_text('{"gradings": 3}')
    assert earlier(out, what) == Earlier()


def test_cudnn_is_left_out_and_all_else_passed_on() -> None:
    asked = RaceSpec("speed-0", "naive", 1.5, flops=7.0)
    seen: list[Any] = []
    measured = without_cudnn(lambda *arguments, **options: seen.append((arguments, options)))  # type: ignore[arg-type, return-value]
    measured(1, race=asked, device=2)
    measured(1, race=None)
    assert asked.cudnn
    assert seen == [((1,), {"race": dataclasses.replace(asked, cudnn=False), "device": 2}), ((1,), {"race": None})]


def test_the_witness_changes_nothing_and_remembers() -> None:
    given = Measurement(TASK.id, "gpu", races=(race(),))
    witness = Witness(lambda *arguments, **options: given if (arguments, options) == ((1,), {"a": 2}) else None)  # type: ignore[arg-type, return-value]
    assert witness(1, a=2) is given
    assert witness.races == [race()]
    assert len(witness.seconds) == 1
