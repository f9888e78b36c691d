import sys
from types import SimpleNamespace

import pytest

from autograder.launch import trouble


class NVMLError(Exception):
    pass


def nvml(utilization: int = 0, reasons: int = 0, error: bool = False) -> SimpleNamespace:
    def start() -> None:
        if error:
            raise NVMLError

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=start,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=utilization),
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: reasons,
    )


def test_busy_says_how_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml(utilization=57))
    pauses: list[float] = []
    assert trouble.busy(sleep=pauses.append) == ("another process kept the GPU 57 % busy",)
    assert len(pauses) == trouble.LOOKS - 1
    monkeypatch.setitem(sys.modules, "pynvml", nvml(utilization=10))
    assert trouble.busy() == ()


def test_our_own_work_of_a_moment_ago_fades(monkeypatch: pytest.MonkeyPatch) -> None:
    fading = iter([90, 40, 5])
    module = nvml()
    module.nvmlDeviceGetUtilizationRates = lambda handle: SimpleNamespace(gpu=next(fading))
    monkeypatch.setitem(sys.modules, "pynvml", module)
    assert trouble.busy(sleep=lambda pause: None) == ()


def test_heat_is_trouble_and_a_power_cap_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml(reasons=0x40 | 0x4 | 0x1))
    assert trouble.throttled() == ("the GPU's clocks were cut (too hot)",)


@pytest.mark.parametrize("module", [None, nvml(error=True)])
def test_without_nvml_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch, module: object) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", module)
    assert trouble.busy() == trouble.throttled() == ()
