"""A GPU for tests: NVML answers, nothing can run on it."""

from __future__ import annotations

import sys

import pytest

from gpulabs import devices
from tests.gpulabs.fake_nvml import FakeNvml


@pytest.fixture
def h100(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    monkeypatch.setattr(devices, "_driver_attribute", lambda device, code: {16: 132, 38: 50 << 20}[code])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
