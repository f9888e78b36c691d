"""What a student's call of a rig looks like on its way to the grader and back: JSON, one object a line.

    worker -> grader   {"do": "open", "case": "t-i-0"}                                 before the student's function
                       {"do": "call", "case": "t-i-0", "name": "step", "arguments": [128]}
                       {"do": "close", "case": "t-i-0"}                                after it
    grader -> worker   {"value": ...}                                                  one for each line, in order
                       {"raise": "OutOfMemory", "message": "..."}                      an exception of the rig's
                       {"refuse": "..."}                                               the call doesn't count

Both sides use this module; what each believes of the other is their own business.
"""

from __future__ import annotations

import json
import math
from typing import Any

MARK = "$call"
MAX_LINE = 16 * 1024
"""Bytes of a line: fits an empty pipe, so that nobody waits for a reader."""
MAX_PARTS = 1000
MAX_DEPTH = 4
MAX_TEXT = 1000
LARGEST = 2**63
RAISED = ("OutOfMemory", "RuntimeError", "TypeError", "ValueError")
"""Exceptions that a rig may raise in the student's function."""


def call(name: str) -> dict[str, str]:
    """Stands for an operation of the rig among a case's arguments."""
    return {MARK: name}


def called(argument: Any) -> str:
    """The operation that an argument stands for, or nothing."""
    name = argument.get(MARK) if isinstance(argument, dict) and len(argument) == 1 else None
    return name if isinstance(name, str) else ""


def problem(value: Any) -> str:
    """Says why a value can't travel, or nothing: finite numbers, short strings, None, and lists and dictionaries."""
    waiting, parts = [(value, 0)], 0
    while waiting:
        one, depth = waiting.pop()
        parts += 1
        if parts > MAX_PARTS or depth > MAX_DEPTH:
            return f"more than {MAX_PARTS} values, or nested more than {MAX_DEPTH} deep"
        if type(one) in (list, tuple):
            waiting += [(part, depth + 1) for part in one]
        elif type(one) is dict and all(type(key) is str and len(key) <= MAX_TEXT for key in one):
            waiting += [(part, depth + 1) for part in one.values()]
        elif not (one is None or type(one) is bool or _is_number(one) or (type(one) is str and len(one) <= MAX_TEXT)):
            return "no finite number" if type(one) in (int, float) else f"a {type(one).__name__}"
    return ""


def _is_number(value: Any) -> bool:
    return (type(value) is int and abs(value) < LARGEST) or (type(value) is float and math.isfinite(value))


def line(message: dict[str, Any]) -> bytes:
    """Writes a message as a line."""
    return json.dumps(message, allow_nan=False).encode() + b"\n"
