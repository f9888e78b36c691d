"""Calls a host function on symbolic arrays, or a plain function on its arguments, for one case."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from autograder.evidence import Case, Fault, FaultKind, Plan
from autograder.worker.cells import host_fault, time_limit
from autograder.worker.channel import Channel
from autograder.worker.compiling import CompileError
from autograder.worker.recorder import Recorder
from autograder.worker.symbolic import SymbolicArray

MAX_VALUES = 10_000
MAX_NESTING = 8
MAX_BITS = 4096


def plan_kernel_case(function: Callable[..., Any], case: Case, recorder: Recorder, seconds: float) -> Plan | Fault:
    """Records what the host function launches for one case.

    Args:
        function: The student's host function.
        case: Shapes and arguments.
        recorder: Where launches are written down.
        seconds: Limit for the call.
    """
    x, w = recorder.start(case.x_shape, case.w_shape)
    try:
        with time_limit(seconds):
            result = function(x, w, *case.arguments)
    except CompileError as error:
        return error.fault
    except BaseException as error:
        return host_fault(case.function, case.id, error, seconds)
    finally:
        recorder.active = False
    fault = _result_fault(case, result, recorder)
    if fault:
        return fault
    return Plan(case.id, tuple(recorder.arrays), tuple(recorder.launches), result.index)


def plan_value_case(
    function: Callable[..., Any], case: Case, seconds: float, channel: Channel | None = None
) -> Plan | Fault:
    """Calls a plain function and keeps the numbers that it returns.

    Args:
        function: The student's function.
        case: Its arguments.
        seconds: Limit for the call, without what the grader's rig takes.
        channel: The line to the rigs that stand behind arguments.
    """
    try:
        rig = channel.rig(case) if channel else contextlib.nullcontext(case.arguments)
        with rig as arguments, time_limit(seconds):
            value = _plain(function(*arguments), [0], 0)
    except BaseException as error:
        return host_fault(case.function, case.id, error, seconds)
    if isinstance(value, _Odd):
        message = f"{case.function} returned {value.kind}, expected numbers (or tuples of numbers)."
        return Fault(FaultKind.WRONG_TYPE, message, case.task, None, case.id)
    return Plan(case.id, value=value)


def _result_fault(case: Case, result: Any, recorder: Recorder) -> Fault | None:
    name = case.function
    if result is None:
        message = f"{name} returned nothing: end it with 'return y', the device array that the kernel filled."
        return Fault(FaultKind.WRONG_TYPE, message, case.task, None, case.id)
    if not isinstance(result, SymbolicArray):
        kind = "a NumPy array" if isinstance(result, np.ndarray) else type(result).__name__
        message = f"{name} returned {kind}, expected the device array y that the kernel filled."
        return Fault(FaultKind.WRONG_TYPE, message, case.task, None, case.id)
    if result.order != "C":
        message = f"{name} returned an array in Fortran order: drop order='F', NHWC arrays are in C order."
        return Fault(FaultKind.WRONG_LAYOUT, message, case.task, None, case.id)
    if not recorder.launches:
        message = f"{name} launched no kernel: the grader runs what you launch with kernel[grid, block](...)."
        return Fault(FaultKind.NO_LAUNCH, message, case.task, None, case.id)
    if any(launch for launch in recorder.launches if any(a.type.endswith(", F)") for a in launch.arguments)):
        message = f"{name} passes an array in Fortran order to a kernel: the grader runs C-ordered arrays only."
        return Fault(FaultKind.WRONG_LAYOUT, message, case.task, None, case.id)
    return None


class _Odd:
    def __init__(self, kind: str) -> None:
        self.kind = kind


def _plain(value: Any, count: list[int], depth: int) -> Any:
    """Numbers, strings and nested tuples of them, as JSON has them."""
    count[0] += 1
    if count[0] > MAX_VALUES:
        return _Odd(f"more than {MAX_VALUES} values")
    if depth > MAX_NESTING:
        return _Odd(f"lists nested more than {MAX_NESTING} deep")
    if isinstance(value, np.generic):
        with contextlib.suppress(Exception):
            value = value.item()
    if type(value) is int and value.bit_length() > MAX_BITS:
        return _Odd(f"a whole number of {value.bit_length()} bits")
    if type(value) in (int, float, bool):
        return value
    if type(value) in (tuple, list):
        values = [_plain(part, count, depth + 1) for part in value]
        return next((part for part in values if isinstance(part, _Odd)), values)
    if isinstance(value, np.ndarray) and value.size <= MAX_VALUES:
        return _plain(value.tolist(), count, depth)
    return _Odd("nothing" if value is None else type(value).__name__)
