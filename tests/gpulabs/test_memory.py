"""Sectors and flat indices."""

import numpy as np
import pytest

from gpulabs.memory import flat_index, sectors


@pytest.mark.parametrize(
    ("words", "count"),
    [(range(32), 4), (range(4, 36), 5), (range(0, 2048, 64), 32), ([9] * 32, 1), (range(0, 64, 2), 8)],
)
def test_sectors_are_aligned_runs_of_eight_floats(words: range, count: int) -> None:
    assert len(sectors(words)) == count


def test_flat_index_is_numpys() -> None:
    shape = (2, 3, 4, 5)
    assert flat_index((1, 2, 3, 4), shape) == np.ravel_multi_index((1, 2, 3, 4), shape)
