"""Orders follow from seed and epoch alone."""

from __future__ import annotations

import numpy as np

from gpulabs.training.batches import order


def test_every_epoch_and_every_seed_has_an_order_of_its_own():
    orders = [order(seed, epoch, 50) for seed, epoch in ((0, 0), (0, 1), (1, 0), (1, 1))]

    assert all(sorted(each) == list(range(50)) for each in orders)
    assert len({tuple(each) for each in orders}) == 4
    assert np.array_equal(order(0, 1, 50), orders[1])
