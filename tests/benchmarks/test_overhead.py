"""What an overhead is said to be, from made-up gradings; and that the solution's task runs on its own."""

from __future__ import annotations

from autograder.evidence import Race
from autograder.program import program
from autograder.submission import read_notebook
from benchmarks.overhead import solution, stages, summary, table


def test_a_stage_lasts_until_the_next_and_counts_twice_where_it_comes_twice() -> None:
    events = [(0.5, "plan"), (2.0, "launch"), (2.5, "oracle"), (3.0, "launch")]

    assert stages(events, 7.0) == {"start": 0.5, "plan": 1.5, "launch": 4.5, "oracle": 0.5}
    assert stages([], 2.0) == {"start": 2.0}


def test_the_first_grading_stands_apart_and_races_count_all() -> None:
    timelines = [{"plan": 8.0, "launch": 2.0}, {"plan": 1.0, "launch": 2.0}, {"plan": 3.0, "launch": 2.0}]
    races = [Race("t", "shapes", "naive", ((ms, 4.0),) * 15) for ms in (2.0, 2.5, 3.0)]

    found = summary(timelines, races, [1.5, 1.0, 2.0], 2.0)

    assert found["grading_s"] == {"first": 10.0, "median": 4.0}
    assert found["stages_s"] == {"plan": 2.0, "launch": 2.0}
    assert found["kernel_ms"] == {"race": 2.5, "numba": 2.0, "race_over_numba": 1.25}
    assert (found["timed_ms"], found["rounds"], found["gpu_process_s"]) == (15 * 6.5, 15, 1.5)


def test_a_race_of_three_counts_all_its_runs() -> None:
    race = Race("t", "shapes", "tiled", ((1.0, 4.0),) * 15, high="blocked", rounds=((1.0, 4.0, 2.0),) * 15)

    assert summary([{"plan": 1.0}], [race], [], None)["timed_ms"] == 15 * 7.0


def test_without_a_gpu_stages_remain() -> None:
    found = summary([{"plan": 1.0}], [], [], None)

    assert found["kernel_ms"] == {"race": None, "numba": None, "race_over_numba": None}
    assert "| conv_vector |" in table([{"task": "conv_vector", **found}])


def test_the_solution_is_a_submission_whose_task_stands_alone(tmp_path) -> None:
    notebook = solution("lab2_fast_conv", tmp_path)
    cells = program(read_notebook(notebook, "lab2_fast_conv").cells, "conv_vector").cells

    assert "def conv_vector(" in "\n".join(source for _, source in cells)
