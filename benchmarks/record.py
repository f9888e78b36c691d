"""Writes a benchmark's results with what they were measured on, and prints tables of them."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gpulabs.devices import header

SCHEMA_VERSION = 1


def record(benchmark: str, command: str, results: dict[str, Any]) -> dict[str, Any]:
    """A benchmark's record: what ran, where, when, and its results.

    Args:
        benchmark: Its name, e.g. `ladder`.
        command: The command that repeats it.
        results: Its own fields.
    """
    device = header()
    return {
        "schema_version": SCHEMA_VERSION,
        "benchmark": benchmark,
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": {"name": device.gpu or "no GPU"} | device.as_dict(),
        **results,
    }


def write(path: Path, found: dict[str, Any]) -> None:
    """Writes a record, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    part.replace(path)
    print(f"wrote {path}", file=sys.stderr)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; floats get three significant digits."""
    cells = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]

    def line(row: Sequence[str]) -> str:
        padded = (
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        )
        return "| " + " | ".join(padded) + " |"

    rule = "| " + " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]) + " |"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")
    return str(value)
