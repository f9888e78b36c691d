"""Compiles kernels to PTX in a process that sees no GPU, and says in a line why one does not compile."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autograder.evidence import Fault, FaultKind, Kernel
from autograder.worker.cells import TimeIsUpError, describe, time_limit
from autograder.worker.portable import portable

COMPILE_S = 25.0
"""For one kernel; 2 s are usual for a thousand unrolled multiply-adds. Below `planning.QUIET_S`, so that it is told."""


class CompileError(Exception):
    """A kernel that does not compile; holds the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def has_compiler() -> bool:
    """Whether this machine has NVIDIA's compiler libraries (a GPU is not needed)."""
    try:
        from numba import cuda, types

        cuda.compile(_nothing, (types.int32,), device=False, abi="numba", cc=(7, 5), output="ptx")
    except Exception:
        return False
    return True


def _nothing(number: int) -> None:
    return


class Compiler:
    """Compiles each kernel once for each set of argument types.

    Args:
        compute_capability: Of the GPU that will run it, e.g. (9, 0).
        enabled: False where no compiler is installed: kernels then have no PTX.
    """

    def __init__(self, compute_capability: tuple[int, int], enabled: bool) -> None:
        self._cc = compute_capability
        self._enabled = enabled
        self.kernels: dict[str, Kernel] = {}
        self.sign: Callable[[], None] = lambda: None
        """Called before each compilation, which takes time: a sign of life."""
        self.lines = False
        """Whether kernels are compiled with line numbers too."""
        # The functions are kept: a kernel that a factory makes anew would else get the number of one that is gone.
        self._fast: dict[tuple[int, tuple[Any, ...]], tuple[Any, str]] = {}

    def key(self, kernel: Any, arguments: Sequence[Any]) -> str:
        """Compiles a kernel for these arguments if it is new, and returns its key.

        Raises:
            CompileError: With a fault for the student.
        """
        from numba import cuda

        function = getattr(kernel, "py_func", kernel)
        if not self._enabled:
            name = str(function.__name__)
            self.kernels.setdefault(name, _record(function, name, ""))
            return name
        types = tuple(_type_of(argument) for argument in arguments)
        known = self._fast.get((id(function), types))
        if known:
            return known[1]
        options = getattr(kernel, "targetoptions", {})
        fastmath = bool(options.get("fastmath"))
        self.sign()
        try:
            with time_limit(COMPILE_S):
                ptx, _ = cuda.compile(
                    function, types, device=False, abi="numba", cc=self._cc, output="ptx", fastmath=fastmath
                )
            ptx = with_bounds(ptx, options)
        except TimeIsUpError:
            text = f"kernel {function.__name__} takes more than {COMPILE_S:g} s to compile: unroll fewer loops."
            place = _cell_of(function), function.__code__.co_firstlineno
            raise CompileError(Fault(FaultKind.DOES_NOT_COMPILE, text, *place)) from None
        except Exception as error:
            raise CompileError(_compile_fault(function, error)) from error
        entry = re.search(r"\.visible \.entry ([\w$]+)", ptx)
        digest = hashlib.sha256(ptx.encode()).hexdigest()[:8]
        key: str = f"{function.__name__}-{digest}"
        self.kernels[key] = _record(
            function, entry.group(1) if entry else "", ptx, self._lined(function, types, fastmath)
        )
        self._fast[id(function), types] = function, key
        return key

    def _lined(self, function: Any, types: tuple[Any, ...], fastmath: bool) -> str:
        if not self.lines:
            return ""
        from numba import cuda

        self.sign()
        try:
            with time_limit(COMPILE_S):
                ptx, _ = cuda.compile(
                    function, types, device=False, abi="numba", cc=self._cc, output="ptx", fastmath=fastmath,
                    lineinfo=True,
                )  # fmt: skip
        except (Exception, TimeIsUpError):  # the kernel itself did compile: without lines, then
            return ""
        return str(ptx)


def with_bounds(ptx: str, options: Mapping[str, Any]) -> str:
    """Writes `max_registers` and `launch_bounds` of @cuda.jit into the entry, where the assembler obeys them.

    Numba gives the first to its own linker and the second to a compiler call that older versions lack.

    Raises:
        ValueError: They are no whole numbers, or too many.
    """
    bounds = options.get("launch_bounds")
    sizes = [] if bounds is None else list(bounds) if isinstance(bounds, tuple | list) else [bounds]
    registers = options.get("max_registers")
    if len(sizes) > 2 or any(type(size) is not int or size < 1 for size in sizes):
        raise ValueError(f"launch_bounds={bounds!r}: give threads a block, or (threads, blocks a multiprocessor)")
    if registers is not None and (type(registers) is not int or registers < 1):
        raise ValueError(f"max_registers={registers!r}: give a whole number of registers a thread")
    words = [f".{name} {size}" for name, size in zip(("maxntid", "minnctapersm"), sizes, strict=False)]
    if registers and not sizes:  # with launch bounds, these decide, as they do in Numba
        words.append(f".maxnreg {registers}")
    return re.sub(r"(\.visible \.entry [^{]*?\))\s*\{", rf"\1\n{' '.join(words)}\n{{", ptx, count=1) if words else ptx


def _type_of(argument: Any) -> Any:
    from numba import typeof, types

    kind = getattr(argument, "_numba_type_", None)
    if kind is not None:
        return kind
    if isinstance(argument, bool):
        return types.boolean
    if isinstance(argument, int):
        return types.int64
    return typeof(argument)


def _cell_of(function: Any) -> str | None:
    filename = function.__code__.co_filename
    return filename[len("<cell ") : -1] if filename.startswith("<cell ") else None


def _record(function: Any, entry: str, ptx: str, lined_ptx: str = "") -> Kernel:
    line = function.__code__.co_firstlineno
    return Kernel(function.__name__, entry, ptx, _cell_of(function), line, lined_ptx, portable(function))


def _constraint_place(error: Exception) -> tuple[str | None, int | None]:
    """Where the type constraint stands that Numba could not solve; its message does not always say."""
    trace = error.__traceback__
    found: tuple[str | None, int | None] = (None, None)
    while trace:
        loc = getattr(trace.tb_frame.f_locals.get("constraint"), "loc", None)
        filename = str(getattr(loc, "filename", ""))
        if filename.startswith("<cell "):
            found = filename[len("<cell ") : -1], int(loc.line)  # type: ignore[union-attr]
        trace = trace.tb_next
    return found


def _compile_fault(function: Any, error: Exception) -> Fault:
    """Numba's message is a page; the line that tells and the place are what a student needs."""
    text = str(error)
    place = re.findall(r'(?:File "|at )<cell ([\w -]+)>(?:", line | \()(\d+)', text)
    cell, line = (place[-1][0], int(place[-1][1])) if place else _constraint_place(error)
    cell = cell or _cell_of(function)
    telling = re.findall(
        r"^(?:\x1b\[\w+m)*\s*(NameError: .+|No implementation of .+|Untyped global name .+|Unknown attribute .+"
        r"|Cannot unify .+|.*[Uu]nsupported.*|Invalid use of .+|.*must be a constant.*|.*was not resolved.*"
        r"|Use of .+|missing a required .+|too many positional .+|.*not enough arguments.*)$",
        text,
        re.MULTILINE,
    )
    reason = telling[0] if telling else describe(error).removeprefix("TypingError: ")
    # What Numba looked for stands on a line of its own: ">>> add(Literal[str](a), int64)".
    call = re.search(r">>> (.+)", text)
    if call and reason.startswith("No implementation"):
        reason = f"Numba has no {call.group(1)}"
    reason = " ".join(re.sub(r"\x1b\[[\d;]*m", "", reason).split())[:240].rstrip(":. ")
    at = f" (cell {cell}, line {line})" if cell and line else ""
    name = function.__name__
    message = f"kernel {name} does not compile for a GPU{at}: {reason}. Use numbers, arrays and cuda.* only."
    return Fault(FaultKind.DOES_NOT_COMPILE, message, cell, line)
