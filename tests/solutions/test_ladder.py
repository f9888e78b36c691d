"""Every rung's source computes what it should, in the simulator: borders, strides, tails, every variant."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import ladder
from autograder.assemble import own_environment
from autograder.build.ladder import SOURCES

ROOT = Path(__file__).parents[2]
ODD = (
    (2, 5, 7, 3, 5, 3, 3, 1, "same"),
    (1, 7, 6, 2, 33, 3, 2, 2, "same"),
    (1, 9, 5, 9, 4, 5, 3, 2, "valid"),
)
CASES = {
    "naive": ODD,
    "coalesced": ODD,
    "tiled": ODD,
    "blocked": ODD,
    "vectorised": (
        (2, 5, 7, 4, 4, 3, 3, 1, "same"),
        (1, 7, 6, 12, 68, 5, 2, 2, "valid"),
    ),
    "buffered": (
        (2, 5, 7, 16, 4, 3, 3, 1, "same"),
        (1, 7, 6, 32, 68, 3, 2, 2, "same"),
    ),
    "winograd": (
        (2, 5, 7, 3, 5, 3, 3, 1, "same"),
        (1, 8, 11, 9, 64, 3, 3, 1, "valid"),
        (1, 4, 5, 16, 68, 3, 3, 1, "same"),
    ),
    "tensor_core": (
        (1, 3, 4, 4, 8, 2, 2, 1, "same"),
        (2, 3, 5, 20, 36, 1, 2, 2, "same"),
        (1, 3, 5, 3, 35, 2, 1, 1, "valid"),
    ),
    "few_channels": (
        (2, 5, 7, 3, 4, 3, 3, 1, "same"),
        (1, 12, 36, 3, 40, 3, 3, 1, "valid"),
    ),
}
"""n, h, w, c, k, r, s, stride, padding: tiny, so that tails and borders are most of it."""


def simulate(name, cases):
    command = [sys.executable, str(Path(__file__).with_name("simulate_rung.py")), str(ROOT / "solutions" / SOURCES[name])]
    done = subprocess.run([*command, json.dumps(cases)], capture_output=True, text=True, env=own_environment(), check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ladder.ALL)
def test_rung_is_right(name):
    found = simulate(name, CASES[name])
    assert [error for _, error in found] == [0.0] * len(found)
    shipped = {variant.steps[-1].kernel for variant in ladder.rung(name).variants}
    assert {kernel for kernel, _ in found} == shipped  # no variant goes untested
