"""Trusted signs that a timing can't be trusted, from NVML; empty where NVML is missing."""

from __future__ import annotations

from typing import Any

BUSY_PERCENT = 10
"""Utilisation before our own work starts that counts as another process at work."""

# Bits of nvmlClocksEventReasons. Power capping is left out: small boards reach it in every long
# kernel, and it slows both sides of an interleaved pair alike.
_REASONS = {
    0x08: "the GPU's clocks were cut (hardware slowdown)",
    0x20: "the GPU's clocks were cut (software thermal limit)",
    0x40: "the GPU's clocks were cut (too hot)",
    0x80: "the GPU's clocks were cut (power brake)",
}


def busy(device: int = 0) -> tuple[str, ...]:
    """Says so when another process keeps the GPU busy; ask before starting own work."""

    def look(nvml: Any, handle: Any) -> tuple[str, ...]:
        percent = nvml.nvmlDeviceGetUtilizationRates(handle).gpu
        return (f"another process kept the GPU {percent} % busy",) if percent > BUSY_PERCENT else ()

    return _ask(look, device)


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
            found: tuple[str, ...] = look(pynvml, pynvml.nvmlDeviceGetHandleByIndex(device))
            return found
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:  # no driver, or a value that this board doesn't report
        return ()
