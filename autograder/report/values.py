"""Evidence and headers as rows of a table: a name in words, a number with its unit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from autograder.report.clean import one_line

MAX_LISTED = 8
"""Entries of a list that are shown; more would not be read."""

_UNITS = (
    # The longer endings first: `_gb_s` also ends in `_s`.
    ("_gflop_s", "GFLOP/s"),
    ("_gflops", "GFLOP/s"),
    ("_tflop_s", "TFLOP/s"),
    ("_tflops", "TFLOP/s"),
    ("_gb_s", "GB/s"),
    ("_flop_per_byte", "FLOP/byte"),
    ("_gib", "GiB"),
    ("_mib", "MiB"),
    ("_kib", "KiB"),
    ("_gb", "GB"),
    ("_mb", "MB"),
    ("_bytes", "bytes"),
    ("_mhz", "MHz"),
    ("_percent", "%"),
    ("_ms", "ms"),
    ("_us", "µs"),
    ("_s", "s"),
)


def rows(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Returns (name, value) pairs for a table, nested mappings flattened.

    Args:
        values: Name -> value; a unit is the name's ending, as in `time_ms`.
        prefix: Put before every name.

    Example:
        >>> rows({"time_ms": 0.41239, "gpu": {"memory_bytes": 85899345920}})
        [('time', '0.4124 ms'), ('gpu memory', '85,899,345,920 bytes')]
    """
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        name, unit = _unit(str(key))
        label = one_line(f"{prefix} {name}".strip(), 120)
        if isinstance(value, Mapping) and value:
            found.extend(rows(value, label))
        elif isinstance(value, Sequence) and not isinstance(value, str) and value and isinstance(value[0], Mapping):
            many = len(value) > 1
            for index, entry in enumerate(value[:MAX_LISTED], start=1):
                found.extend(rows(entry, f"{label} {index}" if many else label) if isinstance(entry, Mapping) else [])
        else:
            text = show(value)
            found.append((label, f"{text} {unit}".strip() if _is_number(value) else text))
    return found


def device_rows(device: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns a device header for a table: what is not there is left out, but for the GPU; versions share a row.

    Example:
        >>> device_rows({"gpu": None, "driver": None, "packages": {"numpy": "2.4.6", "numba": "0.68.1"}})
        [('gpu', 'none'), ('packages', 'numpy 2.4.6, numba 0.68.1')]
    """
    told = {key: value for key, value in device.items() if value is not None or key == "gpu"}
    for key, value in told.items():
        if isinstance(value, Mapping) and value and all(isinstance(entry, str) for entry in value.values()):
            told[key] = ", ".join(f"{name} {entry}" for name, entry in value.items())
    return rows(told)


def show(value: Any) -> str:
    """Returns one value as text: four significant digits, thousands apart, short lists."""
    if value is None or value == "" or (isinstance(value, Sequence | Mapping) and not value):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**15 else f"{value:.3e}"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        listed = ", ".join(show(entry) for entry in value[:MAX_LISTED])
        return f"{listed}, ... ({len(value):,} in all)" if len(value) > MAX_LISTED else listed
    return one_line(value, 400)


def points(value: float) -> str:
    """Returns points without a needless fraction: `20`, `7.5`."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("infinite" if value > 0 else "minus infinite")
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return f"{value:.3e}"


def _unit(name: str) -> tuple[str, str]:
    if name == "gflop_s":  # all unit: a kernel's operations over its time
        return "throughput", "GFLOP/s"
    for ending, unit in _UNITS:
        if name.endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)].replace("_", " "), unit
    return name.replace("_", " "), ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
