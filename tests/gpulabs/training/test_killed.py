"""SIGKILL at ten random moments loses no finished epoch and changes no bit of the result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_training_killed_ten_times_ends_with_the_same_weights(tmp_path):
    command = [sys.executable, "-m", "tests.gpulabs.training.killer", str(tmp_path), "10", "20261128"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    whole, killed = found["whole"], found["killed"]
    assert found["died"].count(True) == 10
    assert killed["weights_sha256"] == whole["weights_sha256"]
    assert killed["history"] == whole["history"]
    assert len(killed["epoch_seconds"]) < len(whole["epoch_seconds"])  # it went on, and did not begin again
