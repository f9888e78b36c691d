"""Trusted signs that a timing can't be trusted, from NVML; empty where NVML is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gpulabs.devices import nvml_device

BUSY_PERCENT = 10
"""Utilisation before our own work starts that counts as another process at work."""

LOOKS, PAUSE_S = 6, 0.4
"""NVML averages over up to a second, and says so up to a second later: what a process of our own did just
before has to fade first, or the race would be measured again for nothing."""

# Bits of nvmlClocksEventReasons. Power capping is left out: small boards reach it in every long
# kernel, and it slows both sides of an interleaved pair alike.
_REASONS = {
    0x08: "the GPU's clocks were cut (hardware slowdown)",
    0x20: "the GPU's clocks were cut (software thermal limit)",
    0x40: "the GPU's clocks were cut (too hot)",
    0x80: "the GPU's clocks were cut (power brake)",
}


def busy(device: int = 0, sleep: Callable[[float], None] = time.sleep) -> tuple[str, ...]:
    """Says so when another process keeps the GPU busy at every look; ask before starting own work."""

    def look(nvml: Any, handle: Any) -> tuple[str, ...]:
        percent = nvml.nvmlDeviceGetUtilizationRates(handle).gpu
        return (f"another process kept the GPU {percent} % busy",) if percent > BUSY_PERCENT else ()

    for number in range(LOOKS):
        if not (found := _ask(look, device)):
            return ()
        if number < LOOKS - 1:
            sleep(PAUSE_S)
    return found


def throttled(device: int = 0) -> tuple[str, ...]:
    """Says so when the GPU's clocks are cut right now."""

    def look(nvml: Any, handle: Any) -> tuple[str, ...]:
        ask = getattr(nvml, "nvmlDeviceGetCurrentClocksEventReasons", None)
        reasons = int((ask or nvml.nvmlDeviceGetCurrentClocksThrottleReasons)(handle))
        return tuple(sentence for bit, sentence in _REASONS.items() if reasons & bit)

    return _ask(look, device)


def _ask(look: Any, device: int) -> tuple[str, ...]:
    try:
        import pynvml
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
        try:
            found: tuple[str, ...] = look(pynvml, nvml_device(pynvml, device))
            return found
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:  # no driver, or a value that this board doesn't report
        return ()
