"""What the plan stage learns of a submission's host functions and kernels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from autograder.evidence.asked import Fault


@dataclass(frozen=True)
class ArraySpec:
    """An array that a plan uses: role `x`, `w`, `temporary`, `constant` or `view`; C order.

    Attributes:
        role: What it is; the plan's `result` says which one is returned.
        shape: Its shape.
        dtype: NumPy's name of the dtype.
        values: For a constant, its flat values, or a single value that fills it; empty otherwise.
        view_of: For a view, the array whose memory it shows in another shape; None otherwise.
    """

    role: str
    shape: tuple[int, ...]
    dtype: str
    values: tuple[float, ...] = ()
    view_of: int | None = None


@dataclass(frozen=True)
class Argument:
    """One kernel argument: an array of the plan, or a scalar with its Numba type.

    Attributes:
        array: Index into `Plan.arrays`, or None for a scalar.
        scalar: The value of a scalar.
        type: Numba's type name: `int64`, `float32`, `array(float32, 4d, C)`.
    """

    array: int | None
    scalar: float | int | bool | None
    type: str


@dataclass(frozen=True)
class Launch:
    """One kernel launch as the host function asked for it.

    Attributes:
        kernel: Key into `PlanSet.kernels`.
        grid: Blocks in x, y, z.
        block: Threads in x, y, z.
        shared_bytes: Dynamic shared memory.
        arguments: In the kernel's order.
    """

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Plan:
    """What a host function does for one case: launches over symbolic arrays.

    Attributes:
        case: The case's id.
        arrays: All arrays; 0 is x and 1 is w.
        launches: In order.
        result: Index of the returned array.
        value: For a plain function, what it returned (numbers, lists), else None.
    """

    case: str
    arrays: tuple[ArraySpec, ...] = ()
    launches: tuple[Launch, ...] = ()
    result: int | None = None
    value: Any = None


@dataclass(frozen=True)
class Function:
    """A kernel or device function as text and data, to be built anew in another process.

    Attributes:
        name: The Python function's name.
        text: Its source.
        cell: The notebook cell that defines it.
        line: Line of its first line (a decorator's, if it has one) in that cell, from 1.
        names: What its global names stand for; see `autograder.worker.portable`.
    """

    name: str
    text: str
    cell: str | None = None
    line: int = 1
    names: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kernel:
    """A compiled kernel: one Python function at one signature.

    Attributes:
        name: The Python function's name.
        entry: The PTX entry point.
        ptx: The PTX text; empty where this machine has no CUDA compiler.
        cell: The notebook cell that defines it.
        line: Line in that cell, from 1.
        lined_ptx: Compiled again with line numbers, for messages only: they change the code a little. May be empty.
        source: The kernel, then its device functions, for the simulator; empty where there is no text.
    """

    name: str
    entry: str
    ptx: str
    cell: str | None = None
    line: int | None = None
    lined_ptx: str = ""
    source: tuple[Function, ...] = ()


@dataclass(frozen=True)
class PlanSet:
    """Everything that the plan stage learned of one task.

    Attributes:
        task: The task's id.
        kernels: By key.
        plans: One for each case that could be planned.
        faults: For the task (case None) or single cases.
        compiled: Whether kernels were compiled; False where no CUDA compiler is installed.
    """

    task: str
    kernels: dict[str, Kernel] = field(default_factory=dict)
    plans: tuple[Plan, ...] = ()
    faults: tuple[Fault, ...] = ()
    compiled: bool = False
