"""A checkpoint is whole or the one before, and goes on with its own run only."""

from __future__ import annotations

import numpy as np
import pytest

from gpulabs.errors import BadInputError, DataError
from gpulabs.training import checkpoint

RUN = {"seed": 1, "layers": ["Dense"]}
STATE = checkpoint.State(2, {"loss": [2.0, 1.5]}, False, [np.arange(3.0), np.array(7)])


def test_what_is_saved_is_loaded(tmp_path):
    checkpoint.save(tmp_path / "new", STATE, RUN)

    found = checkpoint.load(tmp_path / "new", RUN)

    assert found is not None
    assert (found.epochs_done, found.history, found.stopped) == (2, {"loss": [2.0, 1.5]}, False)
    assert [each.tolist() for each in found.arrays] == [[0.0, 1.0, 2.0], 7]
    assert checkpoint.load(tmp_path, RUN) is None


def test_another_runs_checkpoint_is_refused(tmp_path):
    checkpoint.save(tmp_path, STATE, RUN)

    with pytest.raises(BadInputError, match="whose seed is 1, and now 2; give another folder"):
        checkpoint.load(tmp_path, RUN | {"seed": 2})


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_a_damaged_one_is_named(tmp_path, keep):
    checkpoint.save(tmp_path, STATE, RUN)
    path = tmp_path / checkpoint.FILE
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(DataError, match="delete it to train from the start"):
        checkpoint.load(tmp_path, RUN)


def test_whoever_dies_while_writing_leaves_the_one_before(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, STATE, RUN)

    def die(stream, **arrays):
        stream.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", die)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path, checkpoint.State(3, {}), RUN)

    assert checkpoint.load(tmp_path, RUN).epochs_done == 2
