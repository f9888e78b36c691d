import pytest

from autograder.calibration.summary import kernel_time, ratio_noise


def test_spread_is_between_launches_and_jitter_within_one() -> None:
    steady = kernel_time([[1.0, 1.0, 1.0], [1.1, 1.1, 1.1], [1.0, 1.0, 1.0]])
    assert (steady.median_ms, steady.launches_ms, steady.spread, steady.jitter) == (1.0, (1.0, 1.1, 1.0), 0.1, 0.0)
    shaking = kernel_time([[0.9, 0.95, 1.0, 1.05, 1.1]] * 2)
    assert shaking.spread == 0.0
    assert shaking.jitter == pytest.approx(0.1)


def test_one_interrupted_run_moves_nothing() -> None:
    assert kernel_time([[1.0] * 9 + [50.0]] * 2) == kernel_time([[1.0] * 10] * 2)


def test_paired_ratios_are_baseline_over_rung() -> None:
    noise = ratio_noise([[(1.0, 2.0)] * 5, [(1.0, 2.2)] * 5, [(1.0, 2.0)] * 5])
    assert noise.ratio == 2.0
    assert noise.launches == (2.0, 2.2, 2.0)
    assert noise.spread == pytest.approx(0.1)
    assert (noise.jitter, noise.far, noise.pairs) == (0.0, 0.0, 15)


def test_what_moves_both_sides_alike_is_no_noise_of_the_pair() -> None:
    drifting = [(1.0 + 0.1 * i, 2.0 + 0.2 * i) for i in range(9)]
    assert ratio_noise([drifting]).jitter == pytest.approx(0.0, abs=1e-9)


def test_noise_is_told_in_standard_deviations_and_outliers_are_counted() -> None:
    # Deviations of 1 % either way: the median absolute deviation is 1 %.
    pairs = [(1.0, 2.0 * factor) for factor in (0.99, 1.01, 0.99, 1.01, 0.99, 1.01, 1.0, 1.0, 1.0, 2.0)]
    noise = ratio_noise([pairs])
    assert noise.jitter == pytest.approx(0.0148, rel=0.05)
    assert noise.far == pytest.approx(0.1)
