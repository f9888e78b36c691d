"""Reads PTX text: statements, opcodes, parameters of an entry. Text only; knows nothing of rules.

The grammar is PTX ISA's: comments are C's; a statement ends in `;` or opens or closes a block; an
instruction is `{label:} {@guard} opcode operands;`, everything else starts with a `.directive`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_TOKEN = re.compile(r'"[^"\n]*"|[;{}]|[^;{}"]+|"')
_LABEL = re.compile(r"^[A-Za-z_$%][\w$]*\s*:\s*(?!:)")
_GUARD = re.compile(r"^@!?\s*[%\w$]+\s+")
_OPCODE = re.compile(r"^([a-z][\w.:]*)\s*(.*)$", re.DOTALL)
_HEADER = re.compile(r"^\s*\.(?:version\s+\S+|target\s+[^\n]+|address_size\s+\d+)[ \t]*$", re.MULTILINE)
_LINE_DIRECTIVE = re.compile(r"^\s*\.(?:loc|file)\b[^\n]*$", re.MULTILINE)
_PARAMETER = re.compile(r"\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)\s+(?:\.ptr\b[^,]*?\s)?([\w$]+)(?:\[(\d+)\])?\s*$")


@dataclass(frozen=True)
class Statement:
    """One statement of a module.

    Attributes:
        text: As written, blanks collapsed, without its `;`.
        opcode: `ld.global.f32` for an instruction, else empty.
        operands: What follows the opcode.
        line: Line in the PTX text, from 1.
    """

    text: str
    opcode: str
    operands: str
    line: int

    @property
    def is_directive(self) -> bool:
        """Whether it declares something instead of computing."""
        return self.text.startswith(".")


def statements(ptx: str) -> Iterator[Statement]:
    """Cuts PTX into statements; header lines, comments and `.loc`, `.file` lines are left out.

    Initialisers in braces come out as statements of bare values; labels and guards are taken off.
    """
    text = _COMMENT.sub(_blank, ptx)
    text = _HEADER.sub(_blank, text)
    text = _LINE_DIRECTIVE.sub(_blank, text)
    line, pending, start = 1, "", 1
    for token in _TOKEN.findall(text):
        if token in ";{}":
            yield from _statement(pending, start)
            pending = ""
        else:
            if not pending.strip():
                start = line + len(token[: len(token) - len(token.lstrip())].split("\n")) - 1
            pending += token
        line += token.count("\n")
    yield from _statement(pending, start)


def _blank(match: re.Match[str]) -> str:
    return " " + "\n" * match.group().count("\n")  # keep the line numbers


def _statement(text: str, line: int) -> Iterator[Statement]:
    text = " ".join(text.split())
    while label := _LABEL.match(text):
        text = text[label.end() :]
    if not text:
        return
    body = _GUARD.sub("", text)
    match = None if body.startswith(".") else _OPCODE.match(body)
    yield Statement(text, match.group(1) if match else "", match.group(2) if match else "", line)


def entry_parameters(ptx: str, entry: str) -> tuple[str, ...] | None:
    """Types of an entry's parameters in order, `u64`, `f32`, `b8[16]`; None if there is no such entry."""
    text = _COMMENT.sub(" ", ptx)
    match = re.search(rf"\.entry\s+{re.escape(entry)}\s*(?:\(([^)]*)\))?\s*[.{{]", text)
    if match is None:
        return None
    kinds: list[str] = []
    for parameter in filter(None, (part.strip() for part in (match.group(1) or "").split(","))):
        found = _PARAMETER.search(" ".join(parameter.split()))
        if found is None:
            return None
        kinds.append(found.group(1) + (f"[{found.group(3)}]" if found.group(3) else ""))
    return tuple(kinds)


def count_fp64(ptx: str) -> int:
    """Double-precision arithmetic instructions, conversions included.

    Moves, loads and stores of doubles are not counted: they cost what any 8 bytes cost.
    """
    quiet = ("mov", "ld", "st", "selp")
    found = 0
    for statement in statements(ptx):
        family, *modifiers = statement.opcode.split(".")
        found += "f64" in modifiers and family not in quiet
    return found
