"""Lab 2 from submission to score, without a GPU: right submissions earn, decorative ones lose what they decorate."""

from pathlib import Path

import pytest

from autograder import path
from autograder.examples import task_cells
from autograder.result import Status
from autograder.submission import from_cells

RIGHT = Path(__file__).parents[1] / "submissions" / "correct" / "lab2_fast_conv"


def cell(file, task):
    return f"# task: {task}\n" + task_cells((RIGHT / file).read_text(encoding="utf-8"))[task]


def graded(cells):
    submission = from_cells("lab2_fast_conv", cells)
    result = path.grade(submission, "lab2", device="simulator", seed=5, tasks=list(cells))
    return {item.item: item for item in result.items}


def test_a_tiled_kernel_earns_all_but_speed():
    found = graded({"conv_tiled": cell("plain.py", "conv_tiled")})

    assert {name: item.status for name, item in found.items()} == {
        "valid": Status.EARNED, "same": Status.EARNED, "shared": Status.EARNED, "clean": Status.EARNED,
        "speed": Status.PENDING,
    }  # fmt: skip


def test_a_tile_for_show_loses_exactly_its_points_and_names_the_line():
    source = cell("plain.py", "conv_tiled")
    old = "total += tile[tz * stride + r, ty * stride + s, c] * w[r, s, c0 + c, k]"
    assert old in source
    new = (
        "row, column = i * stride - top + r, j * stride - left + s\n"
        "                            if 0 <= row and row < x.shape[1] and 0 <= column and column < x.shape[2]:\n"
        "                                total += x[n, row, column, c0 + c] * w[r, s, c0 + c, k]"
    )
    source = source.replace(old, new)

    found = graded({"conv_tiled": source})

    assert {name for name, item in found.items() if item.status is Status.LOST} == {"shared"}
    lost = found["shared"]
    assert "multiply-adds take a factor from shared memory" in lost.reason
    assert "total += x" in source.splitlines()[lost.line - 1]
    assert lost.cell == "conv_tiled"


def test_a_double_loses_exactly_clean_and_names_the_line():
    source = cell("plain.py", "conv_tiled").replace("y[n, i, j, k] = total", "y[n, i, j, k] = total * 1.0 + 0.0 * k")

    found = graded({"conv_tiled": source})

    assert {name for name, item in found.items() if item.status is Status.LOST} == {"clean"}
    assert "double-precision" in found["clean"].reason
    assert "0.0 * k" in source.splitlines()[found["clean"].line - 1]


@pytest.mark.slow
def test_everything_of_the_plain_submission_but_speed_is_earned():
    tasks = ("tile_plan", "bank_conflicts", "occupancy", "conv_tiled", "conv_blocked", "conv_vector", "conv_challenge")
    submission = from_cells("lab2_fast_conv", {task: cell("plain.py", task) for task in tasks})

    result = path.grade(submission, "lab2", device="simulator")

    assert {item.item for item in result.items if item.status is Status.PENDING} == {"speed"}
    assert result.points_with(Status.LOST, Status.WITHHELD) == 0


@pytest.mark.slow
def test_the_challenge_on_tensor_cores_is_planned_and_right():
    found = graded({"conv_challenge": cell("tensor.py", "conv_challenge")})

    assert found["close"].status is Status.EARNED
