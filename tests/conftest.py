"""Skips what this machine can't run; in CI only a missing GPU is an excuse."""

from __future__ import annotations

import functools
import os
import shutil
import signal

import pytest


@functools.cache
def has_gpu() -> bool:
    try:
        import pynvml

        pynvml.nvmlInit()
        return bool(pynvml.nvmlDeviceGetCount())
    except Exception:  # no package, no driver, no device: all mean the same here
        return False


def has_chromium() -> bool:
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


def has_bubblewrap() -> bool:
    return bool(shutil.which("bwrap"))


def has_slurm() -> bool:
    return all(shutil.which(name) for name in ("munged", "slurmctld", "slurmd", "sbatch", "squeue"))


NEEDS = {
    "gpu": (has_gpu, "no NVIDIA GPU"),
    "chromium": (has_chromium, "no Chromium with its driver; scripts/system_packages.sh installs them"),
    "bubblewrap": (has_bubblewrap, "no bwrap; scripts/system_packages.sh installs it"),
    "slurm": (has_slurm, "no Slurm with MUNGE; scripts/system_packages.sh installs them"),
}


def pytest_configure() -> None:
    """Started in the background of a script, pytest would ignore Ctrl-C, and so would every process that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark, (is_there, reason) in NEEDS.items():
        if item.get_closest_marker(mark) and not is_there():
            if mark != "gpu" and os.environ.get("CI") == "true":
                pytest.fail(f"{reason} (CI never skips this)", pytrace=False)
            pytest.skip(reason)


@pytest.fixture(autouse=True)
def _tier(monkeypatch):
    """`GPULABS_TEST_TIER=none` runs every test in that tier: without bubblewrap, as most students have it."""
    if tier := os.environ.get("GPULABS_TEST_TIER"):
        monkeypatch.setenv("GPULABS_ISOLATION", tier)


@pytest.fixture(params=["strong", "medium", "none"])
def each_tier(request, monkeypatch):
    """Runs a test in every isolation tier that this machine has."""
    from autograder.isolation import probe

    if request.param == "strong" and not has_bubblewrap():
        pytest.skip(NEEDS["bubblewrap"][1])
    if reason := probe.find(request.param).reason:
        pytest.skip(f"tier {request.param}: {reason}")
    monkeypatch.setenv("GPULABS_ISOLATION", request.param)
    return request.param


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """An empty data folder of this test's own."""
    folder = tmp_path / "data"
    monkeypatch.setenv("GPULABS_DATA", str(folder))
    return folder
