"""gpulabs train: what it prints, what it keeps, and what it refuses."""

from __future__ import annotations

import pytest

from gpulabs.commands import train
from gpulabs.exit_codes import ExitCode


@pytest.fixture
def fast(monkeypatch):
    """Trains on 200 digits."""
    images = train._images

    def few(name):
        split = images(name)
        return split._replace(x_train=split.x_train[:200], y_train=split.y_train[:200])

    monkeypatch.setattr(train, "_images", few)


def test_it_trains_keeps_and_goes_on(gpulabs, fast, tmp_path):
    settings = ("train", "--data", "digits", "--batch", 100, "--checkpoint", tmp_path / "kept")

    first = gpulabs(*settings, "--epochs", 1, "--json", "--tensorboard", tmp_path / "logs")
    second = gpulabs(*settings, "--epochs", 2)

    assert (first.code, second.code) == (ExitCode.OK, ExitCode.OK)
    assert first.json["schema_version"] == train.SCHEMA_VERSION
    assert (first.json["parameters"], first.json["program"]) == (204_138, "graph")
    assert len(first.json["history"]["val_accuracy"]) == len(first.json["epoch_seconds"]) == 1
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"train", "validation"}
    assert "test accuracy" in second.out
    assert "earlier" in second.out
    assert "of 297 test images right after 2 epochs" in second.out
    assert f"next: --epochs 4 goes on from {tmp_path / 'kept'}" in second.out


def test_ctrl_c_says_what_is_kept(gpulabs, monkeypatch, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "_fit", stop)

    kept = gpulabs("train", "--data", "digits", "--checkpoint", tmp_path)
    lost = gpulabs("train", "--data", "digits")

    assert (kept.code, lost.code) == (ExitCode.INTERRUPTED, ExitCode.INTERRUPTED)
    assert f"finished epochs are kept in {tmp_path}" in kept.err
    assert "nothing was kept, --checkpoint FOLDER would" in lost.err


def test_without_the_data_set_it_says_how_to_get_it(gpulabs, data_folder):
    run = gpulabs("train")

    assert run.code == ExitCode.MISSING
    assert "gpulabs data fetch cifar10" in run.err


def test_half_precision_scales_the_loss():
    images = train._images("digits")
    request = train.Request("digits", 1, 128, "float16", 1e-3, False, 0, None, None, False)

    assert type(train._model(request, images).optimizer).__name__ == "LossScaleOptimizer"
