"""Sectors, flat indices, banks."""

import numpy as np
import pytest

from gpulabs.access import bank_passes, flat_index, sectors


@pytest.mark.parametrize(
    ("words", "count"),
    [(range(32), 4), (range(4, 36), 5), (range(0, 2048, 64), 32), ([9] * 32, 1), (range(0, 64, 2), 8)],
)
def test_sectors_are_aligned_runs_of_eight_floats(words: range, count: int) -> None:
    assert len(sectors(words)) == count


def test_flat_index_is_numpys() -> None:
    shape = (2, 3, 4, 5)
    assert flat_index((1, 2, 3, 4), shape) == np.ravel_multi_index((1, 2, 3, 4), shape)


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        (range(32), 1),
        ([9] * 32, 1),
        (range(0, 1024, 32), 32),
        (range(0, 32 * 33, 33), 1),
        ([lane // 2 * 64 for lane in range(32)], 16),
    ],
)
def test_a_bank_delivers_one_word_a_pass_and_a_shared_word_once(words: range, passes: int) -> None:
    assert bank_passes(words) == passes
