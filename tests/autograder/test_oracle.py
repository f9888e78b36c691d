"""The oracle process and its sanity check; TensorFlow starts once for the whole file."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from autograder import cases, oracle, rubric
from autograder.evidence import Case
from gpulabs.errors import GraderError

NORMALS = Case(
    "a-close-0", "a", "close", "f", (2, 7, 6, 3), (3, 3, 3, 4), stride=2, padding="same", values="normals", seed=1
)
SPECIAL = Case("a-close-1", "a", "close", "f", (1, 5, 7, 2), (3, 3, 2, 2), padding="same", values="special", seed=2)
WORKLOAD = Case("a-speed-0", "a", "speed", "f", (2, 16, 16, 8), (3, 3, 8, 8), seed=3)


def start(folder, wanted, **more):
    arrays, work = folder / "arrays", folder / "work"
    arrays.mkdir()
    work.mkdir()
    return oracle.start(wanted, arrays, work, device="cpu", **more)


def test_a_killed_graders_oracle_does_not_finish_its_import(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import time\ntime.sleep(200)\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    command = [sys.executable, "-P", "-m", "autograder.oracle", "cpu"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        process.stdin.close()  # as the system does when its other end is killed
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()


def drawn_shapes():
    """Every shape that three draws of Lab 1 hold, with real numbers in place of whole ones."""
    for seed in range(3):
        for case in cases.draw(rubric.load("lab1"), seed, "simulator"):
            if case.values in ("integers", "impulse"):
                yield replace(case, id=f"{seed}-{case.id}", values="normals")


def test_tensorflow_gives_expected_outputs_and_the_time_of_one_core(tmp_path, capfd):
    wanted = [NORMALS, SPECIAL, *drawn_shapes()]

    with start(tmp_path, wanted, cpu_time_case=WORKLOAD) as running:
        answer = running.wait(120)  # which compares each of them with the NumPy reference

    assert len(answer.expected) == len(wanted) > 40

    np.testing.assert_allclose(answer.expected["a-close-0"], cases.reference(NORMALS), rtol=1e-4, atol=1e-5)
    assert np.isnan(answer.expected["a-close-1"]).any()
    assert answer.description.startswith("TensorFlow 2.")
    assert answer.description.endswith(" on the CPU")
    assert 0 < answer.cpu_time_ms < 10_000
    assert capfd.readouterr() == ("", "")


def test_a_request_that_fails_withholds_points_and_spares_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(oracle, "encode", lambda case: {"id": "broken"})
    with start(tmp_path, [NORMALS]) as running, pytest.raises(GraderError, match=r"cases\[0\].*lacks"):
        running.wait(60)
    monkeypatch.undo()
    again = tmp_path / "again"
    again.mkdir()

    with start(again, [NORMALS]) as running:
        assert set(running.wait(60).expected) == {NORMALS.id}


@pytest.fixture
def another_executable(tmp_path, monkeypatch):
    """Puts a shell script in Python's place, for oracles that start anew."""

    def replace_by(text):
        script = tmp_path / "python"
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(script))
        monkeypatch.setattr(oracle, "_residents", {})

    return replace_by


def test_a_child_that_dies_withholds_points_with_its_last_words(tmp_path, another_executable):
    another_executable("echo no such library >&2; exit 3")

    with pytest.raises(GraderError, match="ended with code 3: no such library"):
        start(tmp_path, [NORMALS]).wait(30)


def test_a_child_that_hangs_is_ended(tmp_path, another_executable):
    another_executable("exec sleep 60")
    running = start(tmp_path, [NORMALS])

    with pytest.raises(GraderError, match="no answer within 0 s"):
        running.wait(0.05)

    assert not running._child.alive()


def test_an_answer_that_contradicts_the_reference_is_refused():
    reference = cases.reference(NORMALS)

    oracle.check_agreement(NORMALS, reference * (1 + 1e-6), reference)
    with pytest.raises(GraderError, match="differs from the NumPy reference"):
        oracle.check_agreement(NORMALS, reference * (1 + 1e-4), reference)
    with pytest.raises(GraderError, match="shape"):
        oracle.check_agreement(NORMALS, reference[:1], reference)


def test_nan_and_infinity_must_lie_where_ieee_puts_them():
    reference = cases.reference(SPECIAL)
    spread, flipped, swallowed = reference.copy(), reference.copy(), reference.copy()
    spread[np.isfinite(reference)] = np.nan
    flipped[np.isinf(reference)] *= -1
    swallowed[np.isnan(reference)] = 0

    oracle.check_agreement(SPECIAL, reference, reference)
    for answer in (spread, flipped, swallowed):
        with pytest.raises(GraderError, match="other places"):
            oracle.check_agreement(SPECIAL, answer, reference)
