"""The record of the trainer's benchmark holds every case, also those that failed or were cut short."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from benchmarks import training, training_cases, training_cpu

RUN = {"total_s": 7.0, "test_accuracies": [0.8], "epoch_times_s": [5.0]}


def run_main(monkeypatch, path, in_a_process, *options):
    monkeypatch.setattr(training, "in_a_process", in_a_process)
    monkeypatch.setattr("sys.argv", ["training", "--out", str(path), "--name", "X", *options])
    training.main()
    return json.loads(path.read_text())


def test_the_record_holds_what_was_asked_for(monkeypatch, tmp_path):
    def in_a_process(case, name, folder, images, limit_s):
        return {"failed": "no GPU", "runs": []} if name == "cold" else {"runs": [RUN]}

    found = run_main(monkeypatch, tmp_path / "r.json", in_a_process, "--only", "plan,cold")

    assert found["cases"] == {"cold": {"failed": "no GPU", "runs": []}, "plan": {"runs": [RUN]}}
    assert (found["images"], found["batch_size"]) == ("X", 128)


def test_resuming_runs_what_failed_or_is_missing(monkeypatch, tmp_path):
    asked = []

    def in_a_process(case, name, folder, images, limit_s):
        asked.append(name)
        return {"failed": "late", "runs": []} if len(asked) == 1 else {"runs": [RUN]}

    for options in (("--only", "cold,second"), ("--only", "cold,second,plan", "--resume")):
        found = run_main(monkeypatch, tmp_path / "r.json", in_a_process, *options)

    assert asked == ["cold", "second", "cold", "plan"]
    assert not any("failed" in case for case in found["cases"].values())


def test_no_case_begins_after_the_budget(monkeypatch, tmp_path):
    limits = []

    def in_a_process(case, name, folder, images, limit_s):
        limits.append(limit_s)
        clock[0] += 30
        return {"runs": [RUN]}

    clock = [0.0]
    monkeypatch.setattr(training.time, "monotonic", lambda: clock[0])
    found = run_main(monkeypatch, tmp_path / "r.json", in_a_process, "--budget-s", "70")

    assert list(found["cases"]) == ["cold", "second", "torch_compile"]
    assert limits == [60, 40, 10]


def test_a_case_that_fails_says_so(tmp_path):
    found = training.in_a_process(training.CASES["cpu"], "cpu", tmp_path, tmp_path / "no.npz", 60)

    assert "no.npz" in found["failed"]


def test_a_case_that_is_late_keeps_the_runs_it_had():
    runs, failed = training.lines_of(["sh", "-c", f"echo '{json.dumps(RUN)}'; sleep 60"], os.environ, 1)

    assert (runs, failed) == ([RUN], "not done after 1 s")


def test_the_second_start_uses_what_the_first_compiled():
    names = list(training.CASES)

    assert training.CASES["second"]["cache"] == "cold"
    assert names.index("cold") < names.index("second")
    assert training.CASES["plan"]["seeds"] >= 5
    assert training.CASES["given"]["seeds"] >= 5


def test_a_steady_epoch_is_none_of_the_first():
    assert training.steady([{"epoch_times_s": [9, 1, 2]}, {"epoch_times_s": [9, 3]}]) == 2
    assert training.steady([{"epoch_times_s": [9]}]) is None


@pytest.mark.parametrize(("count", "rows"), [(None, 6), (4, 4)])
def test_reading_takes_as_many_images_as_asked(tmp_path, count, rows):
    y = np.zeros((6, 1), np.uint8)
    np.savez(
        tmp_path / "set.npz", x_train=np.zeros((6, 2, 2, 3)), y_train=y, x_test=np.zeros((2, 2, 2, 3)), y_test=y[:2]
    )

    x, labels, _, test_labels = training_cases.read(tmp_path / "set.npz", count)

    assert (len(x), labels.shape, test_labels.shape) == (rows, (rows,), (2,))


def test_a_bar_is_read():
    seen = (
        "Epoch 1/2\r\n\x1b[1m390/390\x1b[0m 9s 20ms/step\r\nEpoch 2/2\r\n\x1b[1m 39/390\x1b[0m \x1b[32m━\x1b[0m 1s/step"
    )

    assert training_cpu.progress(seen) == [0.1]
