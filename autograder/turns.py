"""Whose turn it is on a GPU: a race runs alone, launches that are not timed run side by side.

Several gradings on one machine, `--jobs` or several terminals, would spoil each other's times. They
meet at a lock on a file in the temporary folder, named by the GPU: shared for correctness runs,
exclusive for a race. It belongs to an open file, so a grading that dies gives it back. Without
`fcntl` there is no lock; grading runs on Linux and macOS only, which have it.

Who comes first goes first as far as that matters: a race that waits lets no new launches in, or a busy class
would never let it run. That takes a second lock, the gate, which everyone passes on the way in.

It does not hold back who does not ask: another user's temporary folder, or a foreign program.
`autograder.launch.trouble` looks out for those.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gpulabs.errors import GraderError

WAIT_S = 600.0
"""A race takes seconds; who waits longer waits for something that hangs."""

POLL_S = 0.05


@contextlib.contextmanager
def turn(
    gpu: str,
    *,
    alone: bool,
    waiting: Callable[[], None] = lambda: None,
    wait_s: float = WAIT_S,
    folder: Path | None = None,
    stop: threading.Event | None = None,
) -> Iterator[None]:
    """Waits for the turn and holds it.

    Args:
        gpu: The GPU's UUID or number.
        alone: Whether something is timed.
        waiting: Called once if others have to be waited for.
        wait_s: Longest wait.
        folder: Of the lock; the temporary folder by default.
        stop: Ends the waiting when another thread sets it.

    Raises:
        GraderError: The turn does not come, the wait was stopped, or the lock can't be opened.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    name = f"gpulabs-gpu-{re.sub(r'[^A-Za-z0-9-]', '_', gpu)}"
    path = (folder or Path(tempfile.gettempdir())) / f"{name}.lock"
    deadline, told = time.monotonic() + wait_s, False
    with _opened(path) as lock:
        with _opened(path.with_suffix(".gate")) as gate:
            for file, kind in ((gate, fcntl.LOCK_EX), (lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)):
                while True:
                    try:
                        fcntl.flock(file, kind | fcntl.LOCK_NB)
                        break
                    except BlockingIOError:
                        _go_on_waiting(deadline, wait_s, path, stop)
                    if not told:
                        told = True
                        waiting()
                    time.sleep(POLL_S)
        yield


def _go_on_waiting(deadline: float, wait_s: float, path: Path, stop: threading.Event | None) -> None:
    if stop and stop.is_set():
        raise GraderError("the grading was stopped while it waited for the GPU; grade again")
    if time.monotonic() > deadline:
        raise GraderError(f"another grading held the GPU for {wait_s:.0f} s ({path}): wait until it ends, grade again")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Opens a lock; closing gives it back."""
    descriptor = _open(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """Opens the lock, whoever made it; reading is enough to lock it. A link in its place is not followed."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            return os.open(path, flags | os.O_CREAT, 0o644)
    except OSError as error:
        raise GraderError(f"{path}: the lock of the GPU can't be opened ({error.strerror}); remove it") from error
