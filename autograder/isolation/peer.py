"""A line between a worker and something of the grader's that answers it: the worker's standard streams, as pipes.

Standard streams are the one pair of open files that every tier hands on; there is no socket, over which a worker
could pass open files, and no name that another process could find.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Protocol


class Peer(Protocol):
    """What answers a worker.

    Attributes:
        broken: What the worker did to be ended, or empty.
    """

    broken: str

    def taken_s(self) -> float:
        """Seconds that it worked, which count for no limit of the worker's."""

    def serve(self, requests: int, answers: int, over: threading.Event) -> None:
        """Answers one worker, in a thread of its own, until it ends or `over` is set.

        Args:
            requests: File descriptor to read from.
            answers: File descriptor to write to.
            over: Set when the worker has ended.
        """


class Line:
    """The pipes to one worker, and the thread that serves them.

    Attributes:
        stdin: What the worker gets as its standard input.
        stdout: As its standard output.
    """

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._requests, self.stdout = os.pipe()
        self.stdin, self._answers = os.pipe()
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._serve, name="peer", daemon=True)

    def start(self) -> None:
        """Begins to serve, once the worker holds its ends."""
        self.peer.broken = ""
        self._drop_ends()
        self._thread.start()

    def end(self) -> None:
        """Stops serving; raises what went wrong with the peer itself."""
        self._over.set()
        if self._thread.ident:
            self._thread.join()
        self._drop_ends()
        os.close(self._requests)
        os.close(self._answers)
        if self._error:
            raise self._error

    def _drop_ends(self) -> None:
        for end in (self.stdin, self.stdout):
            with contextlib.suppress(OSError):
                if end >= 0:
                    os.close(end)
        self.stdin = self.stdout = -1

    def _serve(self) -> None:
        try:
            self.peer.serve(self._requests, self._answers, self._over)
        except Exception as error:
            self._error = error
