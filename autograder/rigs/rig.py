"""A rig: what answers a student function's calls, in the grader's process; and what it saw of them.

Some functions are given callables: a device's `step()`, `synchronize()` and `clock()`, a `try_batch(n)` that
may run out of memory. The truth behind them is not in the student's process, where a function could look
for it: what it holds there are proxies, and a rig answers here. A rig is a small state machine with a clock of
its own, a recorded trace, or a real measurement; the judge gets its log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

MAX_CALLS = 20_000
"""Of one case, unless its question says otherwise: half a second of going to and fro."""


class Rig(Protocol):
    """What answers the calls of one case.

    An operation gets finite numbers, strings, None and lists of them, as many as its signature says, and gives
    such values back. It raises `gpulabs.errors.OutOfMemory`, `ValueError`, `TypeError` or `RuntimeError` for the
    student's function to see; any other exception is the grader's own failure and withholds the points.
    """

    @property
    def operations(self) -> Mapping[str, Callable[..., Any]]:
        """The operations, by the name that a case's arguments use."""

    def facts(self) -> dict[str, Any]:
        """What the judge is told beyond the calls, once the function has returned."""


@dataclass(frozen=True)
class Setting:
    """Where a rig works.

    Attributes:
        where: `gpu` or `simulator`.
        stop: Set when nobody waits for an answer any more; a rig that measures looks at it.
        gpu: Number of the GPU to measure on; nothing of another grading runs there meanwhile.
    """

    where: str = "simulator"
    stop: threading.Event = field(default_factory=threading.Event)
    gpu: int = 0


@dataclass(frozen=True)
class Call:
    """One call and what it was answered.

    Attributes:
        name: The operation.
        arguments: Its arguments.
        value: What it returned.
        raised: Name of the exception that it raised, or empty.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    value: Any = None
    raised: str = ""


@dataclass(frozen=True)
class Log:
    """All that a rig saw of one case.

    Attributes:
        calls: In order, those after the function's return left out.
        facts: What the rig says of itself.
        closed: Whether the function ended and the grader was told.
        trouble: What the submission did that it must not, to be said after the call; or empty.
        failure: Why the rig itself failed, which withholds the points; or empty.
    """

    calls: tuple[Call, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    closed: bool = False
    trouble: str = ""
    failure: str = ""

    def named(self, name: str) -> tuple[Call, ...]:
        """The calls of one operation."""
        return tuple(call for call in self.calls if call.name == name)
