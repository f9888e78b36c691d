"""The picture of the ladder: whose bars, in which order, and what its alternative text says."""

import base64

from autograder.evidence import Race
from autograder.ladder_figure import ladder_figure

ROUNDS = ((1.5, 3.0, 1.0),) * 15
RACE = Race(
    "conv_tiled", "16x58 * 3x3", "coalesced", ((1.5, 3.0),) * 15, peers={"naive": 6.0, "tiled": 1.0, "cudnn": 0.5},
    flops=3e9, high="tiled", rounds=ROUNDS,
)  # fmt: skip


def test_the_student_stands_among_the_rungs_and_cudnn_comes_last():
    figure = ladder_figure(RACE, "conv_tiled")

    assert figure is not None
    assert figure.alt == (
        "Bars in TFLOP/s, from top to bottom: naive 0.5 (0.08); coalesced 1 (0.17); your conv_tiled 2 (0.33); "
        "tiled 3 (0.50); cuDNN 6."
    )
    assert "share of cuDNN" in figure.title
    assert base64.b64decode(figure.png_base64).startswith(b"\x89PNG")


def test_a_speedup_race_without_cudnn_has_a_picture_too():
    race = Race("t", "w", "naive", ((1.0, 2.0),) * 15, peers={"coalesced": 1.0}, flops=1e9)
    figure = ladder_figure(race, "f")

    assert figure is not None
    assert "(" not in figure.alt


def test_a_race_that_was_not_run_has_none():
    assert ladder_figure(Race("t", "w", "naive", ()), "f") is None
