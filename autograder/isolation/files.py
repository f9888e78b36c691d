"""Reads and writes files in a folder that belongs to a worker; follows nothing that it left there."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path


def read_regular(path: Path, most: int) -> bytes:
    """Reads a file that a worker may have made; empty for a link, a pipe, a folder, or nothing.

    Args:
        path: Where it should be.
        most: Bytes to read at most.
    """
    try:
        # Without O_NONBLOCK, opening a pipe would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)


def write_new(path: Path, content: bytes) -> None:
    """Writes a file in a worker's folder, in place of whatever a worker may have left under its name."""
    clear(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def clear(path: Path) -> None:
    """Removes what lies under a name, a folder included; a link itself and not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
