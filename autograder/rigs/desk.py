"""Where the calls of a worker arrive: reads them strictly, asks the rigs, keeps their logs.

One desk serves one grading's worker, and a fresh one after a kill. A case's rig is opened once: running the
function again would give it a second try. What no proxy would send (no JSON, a line without end, a case that
was never asked) ends the worker, as does one that goes on calling after it was refused many times.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autograder import wire
from autograder.rigs.rig import MAX_CALLS, Call, Log, Rig, Setting
from gpulabs.errors import OutOfMemory

LOOK_MS = 50
"""Between two looks at whether the worker is still there."""
PATIENCE_S = 5.0
"""A proxy reads its answer at once."""
MAX_REFUSALS = 1000
_KEYS = {"open": {"do", "case"}, "close": {"do", "case"}, "call": {"do", "case", "name", "arguments"}}
_SEEN = (OutOfMemory, TypeError, ValueError, RuntimeError)


class BreachError(Exception):
    """A worker sent what no proxy sends."""


@dataclass(frozen=True)
class Place:
    """What the desk needs to know of one case.

    Attributes:
        build: Makes its rig; called when the case is opened.
        max_calls: Calls that are answered; more lose the case.
        measures: It measures on the GPU, which it has to itself from the case's opening to its end.
    """

    build: Callable[[Setting], Rig]
    max_calls: int = MAX_CALLS
    measures: bool = False


Turn = Callable[[threading.Event], contextlib.AbstractContextManager[None]]
"""Waits for the GPU and holds it; gives up when the event is set."""


@dataclass
class _Session:
    rig: Rig | None = None
    calls: list[Call] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    closed: bool = False
    trouble: str = ""
    failure: str = ""


class Desk:
    """Serves the rigs of some cases; an `isolation.Peer`.

    Args:
        places: Its cases.
        where: `gpu` or `simulator`.
        gpu: Number of the GPU.
        turn: The turn on it of a rig that measures.

    Attributes:
        broken: What the worker did to be ended, or empty.
    """

    def __init__(
        self,
        places: Mapping[str, Place],
        where: str = "simulator",
        *,
        gpu: int = 0,
        turn: Turn = lambda _: contextlib.nullcontext(),
    ) -> None:
        self.broken = ""
        self._places, self._where, self._gpu = dict(places), where, gpu
        self._turn, self._held = turn, contextlib.ExitStack()
        self._sessions: dict[str, _Session] = {}
        self._open = ""
        self._refusals = 0
        self._taken_s, self._since = 0.0, 0.0

    def log(self, case: str) -> Log:
        """What its rig saw of a case."""
        found = self._sessions.get(case, _Session())
        return Log(tuple(found.calls), dict(found.facts), found.closed, found.trouble, found.failure)

    def taken_s(self) -> float:
        """Seconds that the rigs have worked: they aren't the worker's to answer for."""
        since = self._since
        return self._taken_s + (time.monotonic() - since if since else 0.0)

    def serve(self, requests: int, answers: int, over: threading.Event) -> None:
        """Answers one worker until it ends.

        Args:
            requests: File descriptor to read from.
            answers: File descriptor to write to.
            over: Set when the worker has ended.
        """
        os.set_blocking(answers, False)
        self._refusals, setting = 0, Setting(self._where, over, self._gpu)
        try:
            for text in _lines(requests, over):
                reply = self._reply(_message(text), setting)
                _send(answers, reply, over)
        except BreachError as breach:
            self.broken = str(breach)
        except OSError:  # the worker is gone, or has closed its end: its calls fail there
            pass
        finally:
            self._close()

    def _reply(self, message: dict[str, Any], setting: Setting) -> dict[str, Any]:
        case, do = message["case"], message["do"]
        if case not in self._places:
            raise BreachError("called a rig of the grader's that it was not given")
        if do == "open":
            answer = self._begin(case, setting)
        elif case != self._open:
            answer = {"refuse": "the function has returned: its rig answers no more"}
        elif do == "close":
            self._close()
            answer = {"value": None}
        else:
            answer = self._call(self._sessions[case], self._places[case], message)
        if "refuse" in answer:
            self._refusals += 1
            if self._refusals > MAX_REFUSALS:
                raise BreachError(f"called rigs of the grader's on and on after {MAX_REFUSALS} calls were refused")
        return answer

    def _begin(self, case: str, setting: Setting) -> dict[str, Any]:
        self._close()
        if case in self._sessions:
            return {"refuse": "the function was called before for this case: a rig answers once"}
        self._open = case
        session = self._sessions[case] = _Session()
        try:
            if self._places[case].measures:
                self._timed(self._held.enter_context, self._turn(setting.stop))
            session.rig = self._timed(self._places[case].build, setting)
        except Exception as error:
            return _failed(session, error)
        return {"value": None}

    def _call(self, session: _Session, place: Place, message: dict[str, Any]) -> dict[str, Any]:
        name, arguments = message["name"], message["arguments"]
        if session.failure or session.rig is None:
            return {"refuse": "the grader's rig failed"}
        if len(session.calls) >= place.max_calls:
            session.trouble = f"made more than {place.max_calls} calls"
            return {"refuse": f"more than {place.max_calls} calls"}
        operation = session.rig.operations.get(name)
        if operation is None:
            raise BreachError(f"called {name[:40]!r}, which it was not given")
        try:
            try:
                inspect.signature(operation).bind(*arguments)
            except TypeError as error:
                raise TypeError(f"{name}: {error}") from error
            value = self._timed(operation, *arguments)
        except _SEEN as error:
            raised = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in wire.RAISED)
            session.calls.append(Call(name, tuple(arguments), raised=raised))
            return {"raise": raised, "message": str(error)[: wire.MAX_TEXT]}
        except Exception as error:
            return _failed(session, error)
        if problem := wire.problem(value):
            return _failed(session, TypeError(f"{name} gave {problem}"))
        session.calls.append(Call(name, tuple(arguments), value))
        return {"value": value}

    def _timed(self, work: Callable[..., Any], *arguments: Any) -> Any:
        self._since = time.monotonic()
        try:
            return work(*arguments)
        finally:
            self._taken_s += time.monotonic() - self._since
            self._since = 0.0

    def _close(self) -> None:
        session = self._sessions.get(self._open)
        if session is None or session.closed:
            return
        with self._held:
            self._end(session)

    def _end(self, session: _Session) -> None:
        self._open, session.closed = "", True
        if session.rig is not None and not session.failure:
            try:
                session.facts = self._timed(session.rig.facts)
            except Exception as error:
                _failed(session, error)


def _failed(session: _Session, error: Exception) -> dict[str, Any]:
    text = " ".join(str(error).split())[:300]
    session.failure = f"its rig failed ({type(error).__name__}: {text})"
    return {"refuse": "the grader's rig failed"}


def _lines(requests: int, over: threading.Event) -> Any:
    """Lines as they come, until the worker has ended or closed its end."""
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    left = b""
    while not over.is_set():
        if not poll.poll(LOOK_MS):
            continue
        chunk = os.read(requests, 65536)
        if not chunk:
            return
        *whole, left = (left + chunk).split(b"\n")
        yield from whole
        if len(left) > wire.MAX_LINE:
            raise BreachError("sent the grader's rig a message that is too long")


def _message(text: bytes) -> dict[str, Any]:
    breach = BreachError("sent the grader's rig what no call of a rig looks like")
    if len(text) > wire.MAX_LINE:
        raise breach
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise breach from None
    if type(message) is not dict or wire.problem(message) or type(message.get("do")) is not str:
        raise breach
    if set(message) != _KEYS.get(message["do"]) or type(message["case"]) is not str:
        raise breach
    if message["do"] == "call" and (type(message["name"]) is not str or type(message["arguments"]) is not list):
        raise breach
    return message


def _send(answers: int, reply: dict[str, Any], over: threading.Event) -> None:
    text, ends = wire.line(reply), time.monotonic() + PATIENCE_S
    poll = select.poll()
    poll.register(answers, select.POLLOUT)
    while text and not over.is_set():
        if poll.poll(LOOK_MS):
            text = text[os.write(answers, text[:4096]) :]
        elif time.monotonic() > ends:
            raise BreachError("called the grader's rig and does not read its answers")
