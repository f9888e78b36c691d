"""Temporary folders of the grader, and the end of those that a killed process left behind.

A folder is locked as long as the process lives that made it, and the system takes the lock back however that ends.
So whoever gets the lock of an old folder knows that nobody needs it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "gpulabs-tmp-"
YOUNG_S = 60.0
"""A folder is made and then locked: one of this age may be about to be."""


@contextlib.contextmanager
def folder(what: str) -> Iterator[Path]:
    """Gives a temporary folder that is gone afterwards.

    Args:
        what: For its name.
    """
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{what}-", ignore_cleanup_errors=True) as name:
        lock = hold(Path(name))
        try:
            yield Path(name)
        finally:
            if lock is not None:
                os.close(lock)


def sweep(place: Path | None = None) -> list[Path]:
    """Removes temporary folders whose processes have ended.

    Args:
        place: Where they lie; the temporary folder by default.

    Returns:
        Those that are gone.
    """
    gone = []
    for path in sorted((place or Path(tempfile.gettempdir())).glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError):
            about = path.lstat()
            if path.is_symlink() or about.st_uid != os.getuid() or time.time() - about.st_ctime < YOUNG_S:
                continue
            if (lock := hold(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)
                gone += [] if path.exists() else [path]
    return gone


def hold(path: Path) -> int | None:
    """Locks a folder, by an open file of this process; None if another has it, or there are no such locks."""
    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
