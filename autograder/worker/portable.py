"""Describes a kernel as text and data, so that another process can run it without the student's Python.

Runs where student code runs, so nothing that it says is believed: `autograder.worker.kernel_code` reads
the text strictly before it runs any of it.
"""

from __future__ import annotations

import inspect
import linecache
import textwrap
from typing import Any

import numpy as np

from autograder.evidence import Function
from autograder.worker.vocabulary import words_by_id

MAX_FUNCTIONS = 64
MAX_VALUES = 4096


def portable(kernel: Any) -> tuple[Function, ...]:
    """The kernel, then every device function that it calls, directly or not.

    Args:
        kernel: A Python function.

    Returns:
        Records whose `names` say what each global or closure name stands for; a name that can't be
        said is left out. Empty where the source is not to be had.
    """
    functions = [getattr(kernel, "py_func", kernel)]
    records: list[Function] = []
    while len(records) < len(functions):
        try:
            records.append(_describe(functions[len(records)], functions))
        except (OSError, TypeError, ValueError, SyntaxError, IndexError, AttributeError):
            return ()
    return tuple(records)


def _describe(function: Any, functions: list[Any]) -> Function:
    code = function.__code__
    lines = linecache.getlines(code.co_filename)
    text = textwrap.dedent("".join(inspect.getblock(lines[code.co_firstlineno - 1 :])))
    if not text:
        raise OSError("no source")
    scope = dict(zip(code.co_freevars, (cell.cell_contents for cell in function.__closure__ or ()), strict=False))
    scope |= {name: function.__globals__[name] for name in code.co_names if name in function.__globals__}
    names = {name: said for name, value in scope.items() if (said := _value(value, functions)) is not None}
    cell = code.co_filename
    return Function(
        function.__name__,
        text,
        cell[len("<cell ") : -1] if cell.startswith("<cell ") else None,
        code.co_firstlineno,
        names,
    )


def _value(value: Any, functions: list[Any]) -> dict[str, Any] | None:
    """What a name stands for: a word, a number, numbers in a tuple or an array, a device function."""
    word = words_by_id().get(id(value))
    if word:
        return {"word": word}
    if type(value) in (bool, int, float):
        return {"number": value}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return {"array": value.item(), "dtype": value.dtype.name}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.size <= MAX_VALUES:
        return {"array": value.tolist(), "dtype": value.dtype.name}
    if type(value) in (tuple, list) and all(type(part) in (bool, int, float) for part in value):
        return {"tuple": list(value)} if len(value) <= MAX_VALUES else None
    function = getattr(value, "py_func", None)
    if function is None:
        return None
    if function not in functions:
        if len(functions) >= MAX_FUNCTIONS:
            return None
        functions.append(function)
    return {"function": functions.index(function)}
