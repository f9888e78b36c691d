"""The record of the trainer's benchmark holds every case, also those that failed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import training


def test_the_record_holds_what_was_asked_for(monkeypatch, tmp_path):
    def in_a_process(name, folder, images):
        return (
            {"failed": "no GPU"} if name == "cold" else {"total_s": 7.0, "test_accuracy": 0.8, "epoch_times_s": [5.0]}
        )

    monkeypatch.setattr(training, "in_a_process", in_a_process)
    monkeypatch.setattr(
        "sys.argv", ["training", "--only", "cold,seed_1", "--out", str(tmp_path / "r.json"), "--name", "X"]
    )

    training.main()

    found = json.loads((tmp_path / "r.json").read_text())
    assert found["cases"]["cold"] == {"failed": "no GPU"}
    assert found["cases"]["seed_1"]["test_accuracy"] == 0.8
    assert (found["images"], found["batch_size"]) == ("X", 128)


def test_a_case_that_fails_says_so(tmp_path):
    found = training.in_a_process("cpu", tmp_path, tmp_path / "no.npz")

    assert "no.npz" in found["failed"]


def test_the_second_start_uses_what_the_first_compiled():
    names = list(training.CASES)

    assert training.CASES["second"]["cache"] == "cold"
    assert names.index("cold") < names.index("second")
    assert sum("seed" in case for case in training.CASES.values()) >= 5


@pytest.mark.parametrize(("count", "rows"), [(None, 6), (4, 4)])
def test_reading_takes_as_many_images_as_asked(tmp_path, count, rows):
    y = np.zeros((6, 1), np.uint8)
    np.savez(
        tmp_path / "set.npz", x_train=np.zeros((6, 2, 2, 3)), y_train=y, x_test=np.zeros((2, 2, 2, 3)), y_test=y[:2]
    )

    x, labels, _, test_labels = training.read(tmp_path / "set.npz", count)

    assert (len(x), labels.shape, test_labels.shape) == (rows, (rows,), (2,))
