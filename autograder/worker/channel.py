"""The student's end of a rig: callables that ask the grader and return, or raise, what it answers.

Nothing of the truth is here. The line to the grader comes in as the standard streams, which student code then
finds empty; what it writes there by itself is read as strictly as what the proxies send.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograder import wire
from autograder.evidence import Case
from gpulabs.errors import OutOfMemory

_RAISED = {"OutOfMemory": OutOfMemory, "RuntimeError": RuntimeError, "TypeError": TypeError, "ValueError": ValueError}


class Channel:
    """The line to the grader's rigs; made before any student code runs.

    Attributes:
        broken: Whether the line was closed or disturbed: then a fresh worker has to go on.
    """

    def __init__(self) -> None:
        self._answers, self._requests = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1):
            os.dup2(nothing, stream)
        os.close(nothing)
        self._lock = threading.Lock()
        self._left = b""
        self.broken = False

    @contextmanager
    def rig(self, case: Case) -> Iterator[tuple[Any, ...]]:
        """Opens a case's rig while its function runs; gives the arguments, callables in their places."""
        if not any(wire.called(argument) for argument in case.arguments):
            yield case.arguments
            return
        self._ask({"do": "open", "case": case.id})
        try:
            yield tuple(self._proxy(case.id, argument) for argument in case.arguments)
        finally:
            self._ask({"do": "close", "case": case.id})

    def _proxy(self, case: str, argument: Any) -> Any:
        name = wire.called(argument)
        return self._callable(case, name) if name else argument

    def _callable(self, case: str, name: str) -> Callable[..., Any]:
        def operation(*arguments: Any) -> Any:
            given = [_plain(argument) for argument in arguments]
            if problem := wire.problem(given):
                raise TypeError(f"{name} was given {problem}")
            return self._ask({"do": "call", "case": case, "name": name, "arguments": given})

        operation.__name__ = operation.__qualname__ = name
        return operation

    def _ask(self, message: dict[str, Any]) -> Any:
        text = wire.line(message)
        if len(text) > wire.MAX_LINE:
            raise TypeError("a rig was given too much")
        with self._lock:
            try:
                os.write(self._requests, text)
                answer = self._read()
            except (OSError, ValueError) as error:
                self.broken = True
                raise RuntimeError("the line to the grader's rig is closed") from error
        if "raise" in answer:
            raise _RAISED[answer["raise"]](answer["message"])
        if "refuse" in answer:
            raise RuntimeError(answer["refuse"])
        return answer["value"]

    def _read(self) -> dict[str, Any]:
        while b"\n" not in self._left:
            chunk = os.read(self._answers, 65536)
            if not chunk:
                raise OSError("no answer")
            self._left += chunk
        text, _, self._left = self._left.partition(b"\n")
        answer: dict[str, Any] = json.loads(text)
        return answer


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        with contextlib.suppress(Exception):
            return value.item()
    return value
