"""XLA gets our flags for our program only, and programs are found again by a name that does not depend on the past."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gpulabs.training import compilation


@pytest.fixture(autouse=True)
def _flags(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")


def test_flags_are_ours_inside_and_the_defaults_after():
    with compilation.scoped_flags(deterministic=True):
        inside = os.environ["XLA_FLAGS"]

    assert "--xla_gpu_autotune_level=0" in inside
    assert "--xla_gpu_exclude_nondeterministic_ops=true" in inside
    assert "--xla_gpu_autotune_level=4" in os.environ["XLA_FLAGS"]
    assert "--xla_gpu_exclude_nondeterministic_ops=false" in os.environ["XLA_FLAGS"]


def test_the_users_flags_win(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=2")

    with compilation.scoped_flags():
        assert os.environ["XLA_FLAGS"].count("autotune_level") == 1


def test_where_cudnn_has_convolutions_its_kernels_are_searched():
    with compilation.scoped_flags(search=True):
        assert "autotune_level" not in os.environ["XLA_FLAGS"]


KEPT = """
from gpulabs.training import fit, prepare
assert prepare()
import keras, numpy as np, tensorflow as tf
{before}
model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
images = np.ones((8, 4, 4, 1), np.float32)
fit(model, images, np.zeros(8, int), epochs=1, batch_size=4, verbose=0, xla=True)
"""


@pytest.mark.slow
def test_a_second_start_finds_what_the_first_compiled(tmp_path):
    kept = []
    for before in ("", "tf.function(lambda x: x + 1)(tf.ones(3))"):
        subprocess.run(
            [sys.executable, "-c", KEPT.format(before=before)],
            env=os.environ | {"GPULABS_DATA": str(tmp_path)},
            check=True,
            timeout=200,
        )
        kept.append({path.name: path.stat().st_mtime_ns for path in (tmp_path / "xla").iterdir()})

    assert len(kept[0]) == 1
    assert kept[0] == kept[1]
