"""Reads PTX text: statements, opcodes, parameters of an entry. Text only; knows nothing of rules.

The text may be an attacker's: every expression here takes time in proportion to it. (Two neighbours that match the
same letters, or a search for an end that isn't there from each of many beginnings, would take its square: hours.)

The grammar is PTX ISA's: comments are C's; a statement ends in `;` or opens or closes a block; an
instruction is `{label:} {@guard} opcode operands;`, everything else starts with a `.directive`.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

# Strings come first, so that a comment sign inside one hides nothing from the rules.
_COMMENT = re.compile(r'("[^"\n]*")|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_TOKEN = re.compile(r'"[^"\n]*"|[;{}]|[^;{}"]+|"')
_LABEL = re.compile(r"^[A-Za-z_$%][\w$]*\s*:\s*(?!:)")
_GUARD = re.compile(r"^@!?\s*[%\w$]+\s+")
_OPCODE = re.compile(r"^([a-z][\w.:]*)\s*(.*)$", re.DOTALL)
# These end with their line, not with a semicolon: whatever else stands there stays in and is looked at.
_LINES = re.compile(
    r"^[ \t]*\.(?:version[ \t]+\d+\.\d+|target[ \t]+sm_\w+|address_size[ \t]+64"
    r'|file[ \t]+\d+[ \t]+"[^"\n]*"(?:,[ \t]*\d+,[ \t]*\d+)?'
    r"|loc(?:[ \t]+\d+){3}(?:,[ \t]*function_name[ \t]+[\w$]+(?:\+\d+)?,[ \t]*inlined_at(?:[ \t]+\d+){3})?"
    r")[ \t]*$",
    re.MULTILINE,
)
_LOCAL = re.compile(r"\.[bsuf](\d{1,3}) [\w$]+\[(\d{1,18})\]")
_NUMBER = re.compile(r"\d+")
_BOUND = re.compile(r"\.(?:max|req)ntid((?: ?,? ?\d{1,9}){1,3})")
_PARAMETER = re.compile(r"\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)\s+(?:\.ptr\b[^,]*?\s)?([\w$]+)(?:\[(\d+)\])?\s*$")


@dataclass(frozen=True)
class Statement:
    """One statement of a module.

    Attributes:
        text: As written, blanks collapsed, without its `;`.
        opcode: `ld.global.f32` for an instruction, else empty.
        operands: What follows the opcode.
        line: Where it begins in the PTX text, its labels included, from 1.
        ends: `;`, or the brace after it, or empty at the end of the text.
        labels: Names in front of it that a branch can jump to.
    """

    text: str
    opcode: str
    operands: str
    line: int
    ends: str
    labels: tuple[str, ...] = ()

    @property
    def is_directive(self) -> bool:
        """Whether it declares something instead of computing."""
        return self.text.startswith(".")


def statements(ptx: str) -> Iterator[Statement]:
    """Cuts PTX into statements; header lines, comments and `.loc`, `.file` lines are left out.

    Vector operands and initialisers in braces stay in their statement; labels and guards are taken off.
    """
    text = _LINES.sub(_blank, without_comments(ptx))
    line, start, depth, lists = 1, 1, 0, False
    pending: list[str] = []
    for token in _TOKEN.findall(text):
        lists = lists or (token == "{" and _opens_list("".join(pending)))  # what follows a list's start changes nothing
        if token == "{" and lists:
            depth += 1
        elif token == "}" and depth:
            depth -= 1
        elif token in ";{}":
            yield from _statement("".join(pending), start, token)
            pending, lists = [], False
            continue
        if not pending and not token.strip():
            line += token.count("\n")
            continue
        if not pending:
            start = line + token[: len(token) - len(token.lstrip())].count("\n")
        pending.append(token)
        line += token.count("\n")
    yield from _statement("".join(pending), start, "")


def _opens_list(pending: str) -> bool:
    """Whether a brace after this text opens a vector operand or an initialiser, not a block of statements."""
    text = " ".join(pending.split())
    while label := _LABEL.match(text):
        text = text[label.end() :]
    return bool(text) and not re.match(r"(?:\.\w+\s+)*\.(?:entry|func)\b", text)


def without_comments(ptx: str) -> str:
    """PTX with its comments blanked out and its lines where they were."""
    return _COMMENT.sub(_comment, ptx)


def _comment(match: re.Match[str]) -> str:
    return match.group(1) or _blank(match)


def _blank(match: re.Match[str]) -> str:
    return " " + "\n" * match.group().count("\n")  # keep the line numbers


def _statement(text: str, line: int, ends: str) -> Iterator[Statement]:
    text, labels = " ".join(text.split()), []
    while label := _LABEL.match(text):
        labels.append(label.group().rstrip(": "))
        text = text[label.end() :]
    if not text:
        return
    body = _GUARD.sub("", text)
    match = None if body.startswith(".") else _OPCODE.match(body)
    yield Statement(text, match.group(1) if match else "", match.group(2) if match else "", line, ends, tuple(labels))


@functools.lru_cache(maxsize=64)
def entry_parameters(ptx: str, entry: str) -> tuple[str, ...] | None:
    """Types of an entry's parameters in order, `u64`, `f32`, `b8[16]`; None if there is no such entry."""
    parameters, directives = _head(ptx, entry)
    if parameters is None or directives is None:
        return None
    kinds: list[str] = []
    for parameter in filter(None, (part.strip() for part in parameters.split(","))):
        found = _PARAMETER.match(" ".join(parameter.split()))
        if found is None:
            return None
        kinds.append(found.group(1) + (f"[{found.group(3)}]" if found.group(3) else ""))
    return tuple(kinds)


@functools.lru_cache(maxsize=64)
def most_threads(ptx: str, entry: str) -> int | None:
    """Threads a block that an entry was compiled for, where its `.maxntid` or `.reqntid` says so: more don't start."""
    _, directives = _head(ptx, entry)
    bounds = [list(map(int, _NUMBER.findall(text))) for text in _BOUND.findall(" ".join((directives or "").split()))]
    return min((math.prod(sizes) for sizes in bounds), default=None)


def _head(ptx: str, entry: str) -> tuple[str | None, str | None]:
    """What stands in an entry's parentheses, and from there to its body; None for what isn't there."""
    text = without_comments(ptx)
    match = re.search(rf"\.entry\s+{re.escape(entry)}(?![\w$])", text)
    if match is None:
        return None, None
    parameters, rest = "", text[match.end() :].lstrip()
    if rest.startswith("("):
        parameters, closed, rest = rest[1:].partition(")")
        if not closed:
            return None, None
    directives, body, _ = rest.partition("{")
    return parameters, directives if body and directives.lstrip()[:1] in ("", ".") else None


def count_fp64(ptx: str) -> int:
    """Double-precision arithmetic instructions, conversions included.

    Moves, loads and stores of doubles are not counted: they cost what any 8 bytes cost.
    """
    return sum(is_fp64(statement) for statement in statements(ptx))


def is_fp64(statement: Statement) -> bool:
    """Whether an instruction computes in double precision, or converts from or to it."""
    family, *modifiers = statement.opcode.split(".")
    return "f64" in modifiers and family not in ("mov", "ld", "st", "selp")


def local_bytes(ptx: str) -> int:
    """Bytes of local memory that the text declares: arrays of a thread that the compiler kept out of registers."""
    declared = (_LOCAL.search(each.text) for each in statements(ptx) if each.text.startswith(".local"))
    return sum(int(found.group(1)) // 8 * int(found.group(2)) for found in declared if found)
