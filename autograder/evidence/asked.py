"""What is asked of a submission, and what went wrong with it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any


class FaultKind(enum.StrEnum):
    """What went wrong with a submission, in the words that reports use."""

    MISSING_FUNCTION = "missing function"
    SYNTAX_ERROR = "syntax error"
    CELL_EXCEPTION = "exception in a cell"
    WRONG_SIGNATURE = "wrong signature"
    HOST_EXCEPTION = "exception in the host function"
    HOST_TIMEOUT = "endless loop in the host function"
    OUT_OF_MEMORY = "out of memory"
    NO_LAUNCH = "no kernel was launched"
    DOES_NOT_COMPILE = "kernel does not compile"
    REJECTED = "code that the grader does not run"
    WRONG_TYPE = "wrong return type"
    WRONG_SHAPE = "wrong output shape"
    WRONG_DTYPE = "wrong output dtype"
    WRONG_LAYOUT = "wrong output layout"
    KERNEL_EXCEPTION = "exception in the kernel"
    KERNEL_TIMEOUT = "endless loop in the kernel"
    OUT_OF_BOUNDS = "access outside an array"
    NOT_WRITTEN = "outputs never written"
    INPUT_CHANGED = "inputs were changed"
    WRONG_VALUES = "wrong values"
    NOT_ATTEMPTED = "still the stub"


@dataclass(frozen=True)
class Fault:
    """One thing that went wrong, where, in a sentence for the student.

    Attributes:
        kind: The class of fault.
        message: One sentence: what, where, what to do.
        cell: The notebook cell it points at, e.g. `conv_first`, or None.
        line: Line in that cell, from 1, or None.
        case: The case's id, or None when it concerns the whole task.
    """

    kind: FaultKind
    message: str
    cell: str | None = None
    line: int | None = None
    case: str | None = None


@dataclass(frozen=True)
class Case:
    """One call of a student's function with drawn inputs; never holds the inputs themselves.

    Attributes:
        id: Unique in a run, also a file name: `conv_first-exact-3`.
        task: The task's id, e.g. `conv_first`.
        item: The rubric item that this case decides, e.g. `exact`.
        function: The student's function to call.
        x_shape: Input, NHWC; empty for cases that pass no arrays.
        w_shape: Filter, HWIO; empty likewise.
        stride: Stride of both axes.
        padding: `same` or `valid`, TensorFlow's meaning.
        values: How inputs are drawn: `integers`, `normals`, `impulse`, `photo`, `special`.
        seed: Seed of the inputs; known to the trusted side only (0 in what the worker sees).
        arguments: Further arguments, after x and w, or all of them for a plain function.
    """

    id: str
    task: str
    item: str
    function: str
    x_shape: tuple[int, ...] = ()
    w_shape: tuple[int, ...] = ()
    stride: int = 1
    padding: str = "valid"
    values: str = "integers"
    seed: int = 0
    arguments: tuple[Any, ...] = ()
