"""Executes a task's cells and finds its functions; tells where in a cell an exception came from."""

from __future__ import annotations

import inspect
import linecache
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from autograder.evidence import Fault, FaultKind
from autograder.worker.symbolic import SymbolicError, SymbolicMemoryError


class TimeIsUpError(BaseException):
    """Raised in student code that runs too long; no Exception, so that `except Exception` lets it pass."""


LOOK_S = 0.1
"""Between two looks at how much time was used."""


class _Stopwatch:
    """Processor time of this process since the start, or time on the wall where that is less.

    A loaded machine takes nothing away from the first, and several threads at once add nothing to the second.
    """

    def __init__(self) -> None:
        self.cpu_s, self.wall_s = time.process_time(), time.monotonic()

    def used_s(self) -> float:
        return min(time.process_time() - self.cpu_s, time.monotonic() - self.wall_s)

    def leave_out(self, other: _Stopwatch) -> None:
        """Forgets the time since another one's start."""
        self.cpu_s += time.process_time() - other.cpu_s
        self.wall_s += time.monotonic() - other.wall_s


_running: list[_Stopwatch] = []


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupts the main thread's Python once it has used so many seconds; a limit around this one waits meanwhile.

    It is not for what only sleeps: that is the business of the trusted parent, which sees it from outside.
    """
    watch = _Stopwatch()

    def look(number: int, frame: FrameType | None) -> None:
        if watch.used_s() > seconds:
            signal.setitimer(signal.ITIMER_REAL, 0)  # once: what comes then may be the grader's own code
            raise TimeIsUpError

    before = signal.signal(signal.SIGALRM, look)
    # Signals of this clock come to the main thread, also where it waits for one that computes.
    timer = signal.setitimer(signal.ITIMER_REAL, min(LOOK_S, seconds), LOOK_S)
    _running.append(watch)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _running.remove(watch)
        for outer in _running:
            outer.leave_out(watch)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def place(error: BaseException) -> tuple[str | None, int | None]:
    """The innermost notebook cell and line that an exception passed through."""
    found: tuple[str | None, int | None] = (None, None)
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith("<cell "):
            found = frame.filename[len("<cell ") : -1], frame.lineno
    return found


def describe(error: BaseException) -> str:
    """An exception in one short line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def run_cells(task: str, cells: Sequence[tuple[str, str]], seconds: float) -> dict[str, Any] | Fault:
    """Executes cells in one namespace.

    Args:
        task: The task's id; its own cell must run, an error in another one is passed over.
        cells: (name, source).
        seconds: Limit for each cell.

    Returns:
        The namespace, or the fault that stopped the task's own cell.
    """
    namespace: dict[str, Any] = {"__name__": "submission", "__builtins__": __builtins__}
    missed: Fault | None = None
    for name, source in cells:
        filename = f"<cell {name}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        try:
            with time_limit(seconds):
                exec(compile(source, filename, "exec"), namespace)  # student code: this is what the sandbox is for
        except TimeIsUpError as error:
            return _fault(FaultKind.HOST_TIMEOUT, f"{name}: the cell did not end within {seconds:g} s", error)
        except BaseException as error:
            fault = _fault(FaultKind.CELL_EXCEPTION, f"{name}: the cell raised {describe(error)}", error)
            if name == cells[-1][0] or name == task:
                return fault
            missed = missed or fault
    namespace["__missed__"] = missed
    return namespace


def find_function(namespace: dict[str, Any], task: str, name: str, signature: str) -> Callable[..., Any] | Fault:
    """Finds a task's function and checks that it takes the arguments that the grader gives.

    Args:
        namespace: What `run_cells` returned.
        task: The task's id.
        name: The function's name.
        signature: How the lab writes it, e.g. `conv_strided(x, w, stride, padding)`.
    """
    function = namespace.get(name)
    if function is None:
        defined = sorted(key for key, value in namespace.items() if inspect.isfunction(value) and key[0] != "_")
        found = f"; it defines {', '.join(defined[:6])}" if defined else ""
        missed = namespace.get("__missed__")
        after = f" ({missed.message})" if isinstance(missed, Fault) else ""
        message = f"{task}: no function named {name}{found}. Define {signature}.{after}"
        return Fault(FaultKind.MISSING_FUNCTION, message, task)
    if not inspect.isfunction(function):
        kind = "a kernel" if hasattr(function, "py_func") else type(function).__name__
        message = f"{task}: {name} is {kind}, not a Python function. Define the host function {signature}."
        return Fault(FaultKind.MISSING_FUNCTION, message, task)
    parameters = signature[signature.index("(") + 1 : signature.index(")")].split(", ")
    try:
        inspect.signature(function).bind(*parameters)
    except TypeError:
        got = f"{name}{inspect.signature(function)}"
        message = f"{task}: {got} can't be called as {signature}. Give it these {len(parameters)} parameters."
        return Fault(FaultKind.WRONG_SIGNATURE, message, task, function.__code__.co_firstlineno)
    return function


def host_fault(name: str, case: str, error: BaseException, seconds: float) -> Fault:
    """The fault of an exception that a host function raised."""
    where = place(error)
    if isinstance(error, TimeIsUpError):
        text = f"{name}: no end within {seconds:g} s, an endless loop on the host (or work that belongs into a kernel)"
        return _fault(FaultKind.HOST_TIMEOUT, text, error, case)
    if isinstance(error, NotImplementedError):
        return Fault(FaultKind.NOT_ATTEMPTED, f"{name}: not written yet", *where)
    if isinstance(error, MemoryError | SymbolicMemoryError):
        text = str(error) or "asks the host for more memory than the grader gives"
        return _fault(FaultKind.OUT_OF_MEMORY, f"{name} {text}", error, case)
    if isinstance(error, SymbolicError):
        kind = FaultKind.WRONG_TYPE if "copy_to_host" in str(error) else FaultKind.REJECTED
        return _fault(kind, f"{name} {error}", error, case)
    return _fault(FaultKind.HOST_EXCEPTION, f"{name} raised {describe(error)}", error, case)


def _fault(kind: FaultKind, text: str, error: BaseException, case: str | None = None) -> Fault:
    cell, line = place(error)
    at = f" (cell {cell}, line {line})" if cell else ""
    return Fault(kind, f"{text}{at}.", cell, line, case)
