"""What XLA's buffer assignment says: the memory of a compiled step, before it runs.

XLA plans every byte of a program when it compiles it: parameters, results, and one block in which all temporaries are
placed by their lifetimes. It writes the plan as text where `XLA_FLAGS` asks for it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DUMP_FLAGS = "--xla_dump_to={folder} --xla_dump_hlo_as_text --xla_dump_hlo_module_re=.*inference_step.*"
_ALLOCATION = re.compile(r"^allocation \d+: size (\d+), (.*?):?$", re.MULTILINE)
_PEAK_LINE = re.compile(r"^\s+(\S+)\{[^}]*\}: (\d+) bytes \(cumulative: \d+ bytes\)$", re.MULTILINE)


def read_dump(folder: Path) -> dict[str, Any] | None:
    """Reads the buffer assignment of the largest program in a dump.

    Returns:
        Bytes: `total_bytes`, `parameter_bytes` (variables and inputs), `temp_bytes`, `output_bytes` (results that reuse
        no parameter), and `peak`: name -> bytes of the largest temporaries alive at the peak. None without a dump.
    """
    files = sorted(folder.glob("*buffer-assignment.txt"), key=lambda file: file.stat().st_size)
    return parse(files[-1].read_text(encoding="utf-8")) if files else None


def parse(text: str) -> dict[str, Any]:
    """Reads the text of one buffer assignment."""
    found = {"parameter": 0, "temp": 0, "output": 0, "constant": 0, "other": 0}
    for size, what in _ALLOCATION.findall(text):
        kind = (
            "temp"
            if "preallocated-temp" in what
            else "parameter"
            if "parameter" in what
            else "output"
            if "output" in what or "maybe-live-out" in what
            else "constant"
            if "constant" in what
            else "other"
        )
        found[kind] += int(size)
    alive = [(name, int(size)) for name, size in _PEAK_LINE.findall(text)]
    alive.sort(key=lambda entry: -entry[1])
    return {
        **{f"{kind}_bytes": size for kind, size in found.items()},
        "total_bytes": sum(found.values()),
        "peak": dict(alive[:40]),
    }
