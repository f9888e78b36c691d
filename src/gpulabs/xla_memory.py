"""What XLA's buffer assignment says: the memory of a compiled step, before it runs.

XLA plans every byte of a program when it compiles it: parameters, results, and one block in which all temporaries are
placed by their lifetimes. It writes the plan as text where `XLA_FLAGS` asks for it, beside the optimized program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DUMP_FLAGS = "--xla_dump_to={folder} --xla_dump_hlo_as_text --xla_dump_hlo_module_re=.*inference_step.*"
LARGEST = 40
"""Temporaries of the peak that are kept of a plan: the rest is biases and sums."""

_ALLOCATION = re.compile(r"^allocation \d+: size (\d+), (.*?):?$", re.MULTILINE)
_VALUE = re.compile(r"^\s*value: <\d+ (\S+) @\d+> \(size=(\d+),offset=(\d+)\)", re.MULTILINE)
_RANGE = re.compile(r"^\s+(\S+?)(\{[\d,]*\}):(\d+)-(\d+)$", re.MULTILINE)
_OP_NAME = re.compile(r'^\s*(?:ROOT )?%?(\S+) = .*?metadata=\{[^}]*?op_name="([^"]*)"', re.MULTILINE)
_LIBRARY_CALL = re.compile(
    r'^\s*%?\S+ = \(.*[su]8\[(\d+)\](?:\{0\})?\) .*custom_call_target="__(cudnn|cublas)[^"]*".*?op_name="([^"]*)"',
    re.MULTILINE,
)


def read_dump(folder: Path) -> dict[str, Any] | None:
    """Reads the buffer assignment of the largest program in a dump.

    Returns:
        What `parse` gives of it, and `workspaces`: operation -> bytes that cuDNN or cuBLAS asked for. None without a
        dump.
    """
    files = sorted(folder.glob("*buffer-assignment.txt"), key=lambda file: file.stat().st_size)
    if not files:
        return None
    text = files[-1].read_text(encoding="utf-8")
    stem = files[-1].name.removesuffix("-buffer-assignment.txt")
    for beside in folder.glob(f"{stem}-live-range.txt"):  # newer versions of XLA write the lifetimes to their own file
        text += beside.read_text(encoding="utf-8")
    program = folder / f"{stem}.txt"
    return parse(text, program.read_text(encoding="utf-8") if program.is_file() else "")


def parse(text: str, program: str = "") -> dict[str, Any]:
    """Reads the text of one buffer assignment.

    Args:
        text: The assignment, with its lifetimes.
        program: The optimized program, for the operations behind the names.

    Returns:
        Bytes: `total_bytes`, `parameter_bytes` (variables and inputs), `temp_bytes`, `output_bytes` (results that reuse
        no parameter), `constant_bytes`, `other_bytes`; `live_bytes`: of the temporaries alive at the peak, less than
        `temp_bytes` by the gaps between them; `peak`: name -> bytes of the largest of these; `operations`: name -> what
        it does, where the program tells; `workspaces`.
    """
    found = {"parameter": 0, "temp": 0, "output": 0, "constant": 0, "other": 0}
    temporaries = ""
    allocations = list(_ALLOCATION.finditer(text))
    for place, allocation in enumerate(allocations):
        kind = _kind(allocation[2])
        found[kind] += int(allocation[1])
        if kind == "temp":
            end = allocations[place + 1].start() if place + 1 < len(allocations) else len(text)
            temporaries += text[allocation.end() : end]
    live, alive = _peak(temporaries, text)
    operations = dict(_OP_NAME.findall(program))
    return {
        **{f"{kind}_bytes": size for kind, size in found.items()},
        "total_bytes": sum(found.values()),
        "live_bytes": live,
        "peak": dict(alive[:LARGEST]),
        "operations": {name: operations[base] for name, _ in alive[:LARGEST] if (base := _base(name)) in operations},
        "workspaces": workspaces(program),
    }


def _kind(what: str) -> str:
    if "preallocated-temp" in what:
        return "temp"
    if "parameter" in what:
        return "parameter"
    if "output" in what or "maybe-live-out" in what:
        return "output"
    return "constant" if "constant" in what else "other"


def _base(name: str) -> str:
    return name.partition("{")[0]


def _peak(temporaries: str, lifetimes: str) -> tuple[int, list[tuple[str, int]]]:
    """The moment at which temporaries cover most bytes: these bytes, and who lies there, from large to small.

    An operation that works in place has a name of its own on the bytes of another: what is counted is bytes.
    """
    spans = {f"{name}{part}": (int(begin), int(end)) for name, part, begin, end in _RANGE.findall(lifetimes)}
    values = [
        (name, int(offset), int(size), *spans[key])
        for name, size, offset in _VALUE.findall(temporaries)
        if (key := name if name.endswith("}") else name + "{}") in spans
    ]
    best, alive = 0, []
    for moment in {begin for *_, begin, _ in values}:
        there = sorted((offset, -size, name) for name, offset, size, begin, end in values if begin <= moment <= end)
        covered, reached, names = 0, 0, []
        for offset, negative, name in there:
            fresh = max(0, offset - negative - max(offset, reached))
            reached = max(reached, offset - negative)
            covered += fresh
            if fresh:
                names.append((name, fresh))
        if covered > best:
            best, alive = covered, names
    return best, sorted(alive, key=lambda entry: -entry[1])


def workspaces(program: str) -> dict[str, int]:
    """The scratch space of every call of cuDNN and cuBLAS in an optimized program: operation -> bytes.

    Of several calls for one operation the largest counts.
    """
    found: dict[str, int] = {}
    for size, _, operation in _LIBRARY_CALL.findall(program):
        found[operation] = max(found.get(operation, 0), int(size))
    return found


def layer_workspaces(found: Mapping[str, int]) -> dict[str, int]:
    """Scratch space by what the memory model calls the place: `forward, conv1`, `backward, dense2` -> bytes.

    Args:
        found: From `workspaces`; operations of Keras layers, in the order in which they run.
    """
    names: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for operation, size in found.items():
        scopes = operation.split("/")
        layer = next((scope for scope in scopes if scope.startswith(("conv2d", "dense"))), None)
        if layer is None:
            continue
        kind = "conv" if layer.startswith("conv2d") else "dense"
        names.setdefault(layer, f"{kind}{1 + sum(name.startswith(kind) for name in names.values())}")
        way = "backward" if "gradient_tape" in scopes else "forward"
        key = f"{way}, {names[layer]}"
        sizes[key] = max(sizes.get(key, 0), size)
    return sizes
