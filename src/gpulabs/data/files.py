"""Archives on disk: hashing, checking, and putting them in place so that a failure loses nothing."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from gpulabs.errors import BadInputError, DataError, MissingError

CHUNK = 1 << 20
Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


def sha256(file: Path, progress: Progress | None = None) -> str:
    """Returns a file's sha256 as hex digits."""
    digest = hashlib.sha256()
    total, done = file.stat().st_size, 0
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if progress:
                progress(done, total)
    return digest.hexdigest()


@contextlib.contextmanager
def disk_errors(target: Path, need: int, kept: str = "") -> Iterator[None]:
    """Turns a full disk or a folder without permission into one sentence.

    Args:
        target: What is being written.
        need: Its size in bytes, for the advice.
        kept: What to say of the part that is written already.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MissingError(
                f"{target.parent}: the disk is full; {target.name} needs {need / 1e6:.0f} MB. Free some and run the "
                f"command again{kept}, or choose another folder with GPULABS_DATA"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise BadInputError(
                f"{error.filename or target}: can't be written; choose another folder with GPULABS_DATA"
            ) from error
        raise


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Keeps a second `gpulabs data fetch` from writing into the same file.

    Raises:
        BadInputError: Another process holds the lock.
    """
    with lock.open("ab") as stream:
        try:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows
            pass
        except BlockingIOError as error:
            raise BadInputError(f"{lock.parent}: another gpulabs is fetching this set; wait for it") from error
        yield


def copy_in(source: Path, target: Path, expected: str, check: Callable[[Path], object] | None = None) -> str:
    """Copies an archive at hand into the data folder; the target appears whole or not at all.

    Args:
        source: The file to copy.
        target: Where it belongs.
        expected: sha256 that it must have; empty accepts any that passes `check`.
        check: Reads the copy; raises DataError if it can't.

    Returns:
        The sha256 of what was copied.

    Raises:
        BadInputError: There is no such file.
        DataError: It is damaged or another archive.
    """
    if not source.is_file():
        raise BadInputError(f"{source}: there is no such file; give the archive itself, {target.name}")
    found = sha256(source)
    if expected and found != expected:
        raise DataError(
            f"{source}: sha256 {found[:12]}..., expected {expected[:12]}...: damaged or another archive. If it is a "
            "re-encoded set on purpose, add --any-checksum; results then carry its own identity"
        )
    if check:
        check(source)
    copy = target.with_name(target.name + ".copy")
    try:
        with disk_errors(target, source.stat().st_size):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            put(copy, target)
    finally:
        copy.unlink(missing_ok=True)
    return found


def put(finished: Path, target: Path) -> None:
    """Moves a finished file to its name, in one step that survives a power cut."""
    with finished.open("rb") as stream:
        os.fsync(stream.fileno())
    finished.replace(target)
