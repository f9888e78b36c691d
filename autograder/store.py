"""The results folder: `<lab>/<student>.json`, one writer at a time, nothing lost on a full disk.

A file keeps every grading of a student's submissions and says which of them stands, the one that counts. That is the
newest, except where the same file was graded again and came out lower: then the better grading stands, the lower one
is kept and flagged for a person, who may let it count. So no mark is lowered silently, by a new rubric or by chance.

A file is replaced as a whole: written beside, flushed to the disk, renamed. Readers need no lock.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from autograder.evidence import decode, encode
from autograder.result import SCHEMA_VERSION, Result, Status
from gpulabs.errors import BadInputError, DataError, GpulabsError, GraderError

FLAG = "For a person to look at:"
"""How a note begins that asks for a person's judgement."""

_LOCK = ".lock"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NAME_BYTES = 200
"""Longest student name as a file name: file systems allow 255 bytes, and `.json` and a temporary suffix are added."""


class Store:
    """A folder of results; open it with `Store.writing` to add to it.

    Args:
        root: The folder; it is made when the first result is written.
    """

    def __init__(self, root: Path) -> None:
        """Remembers the folder; touches nothing."""
        self.root = root

    @classmethod
    @contextlib.contextmanager
    def writing(cls, root: Path) -> Iterator[Store]:
        """Opens the folder as its only writer.

        Raises:
            BadInputError: Another process is writing to it, or it can't be made.
        """
        try:
            root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _sentence(error, root) from error
        try:
            _lock(descriptor, root)
            _sweep(root)
            yield cls(root)
        finally:
            os.close(descriptor)

    def path(self, lab: str, student: str) -> Path:
        """Returns the file of one student's gradings.

        Raises:
            BadInputError: The name can't be a file name.
        """
        for name in (lab, student):
            unfit = not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name
            if unfit or len(os.fsencode(name)) > _NAME_BYTES:
                raise BadInputError(f"{name!r} can't name a result: use letters, digits, '-' and '_', 200 at most")
        return self.root / lab / f"{student}.json"

    def add(self, result: Result, *, accept_lower: bool = False) -> str:
        """Keeps a grading, as the newest of its student.

        Args:
            result: The grading.
            accept_lower: Let it stand even if it is lower than an earlier one of the same file.

        Returns:
            A sentence if it is lower than the one that stood, else an empty text.

        Raises:
            DataError: The student's file is there but damaged; it stays as it is.
            GpulabsError: It can't be written; earlier results are intact.
        """
        path = self.path(result.lab, result.student)
        gradings, stood = _gradings(path) if path.exists() else ((), 0)
        before = gradings[stood] if gradings else None
        gradings = (*gradings, result)
        stands = len(gradings) - 1
        if before is not None and not accept_lower and not _may_replace(before, result):
            stands = stood
        kept = [
            grading if at in (stands, len(gradings) - 1) else replace(grading, figures=())
            for at, grading in enumerate(gradings)
        ]
        data = {
            "schema_version": SCHEMA_VERSION,
            "lab": result.lab,
            "student": result.student,
            "stands": stands,
            "gradings": [to_json(grading) for grading in kept],
        }
        write_atomically(path, json.dumps(data, indent=1, allow_nan=False).encode("utf-8"))
        return _lowered(before, result, stands=stands == len(gradings) - 1) if before is not None else ""

    def history(self, lab: str, student: str) -> tuple[Result, ...]:
        """Returns all gradings of a student, oldest first; only the newest and the one that stands keep pictures."""
        path = self.path(lab, student)
        return read(path) if path.exists() else ()

    def newest(self, lab: str, student: str) -> Result | None:
        """Returns the newest grading of a student, or None; `standing` is what counts."""
        history = self.history(lab, student)
        return history[-1] if history else None

    def standing(self, lab: str, student: str) -> Result | None:
        """Returns the grading of a student that counts, or None."""
        path = self.path(lab, student)
        return _standing(path) if path.exists() else None

    def done(self, lab: str, student: str, sha256: str) -> Result | None:
        """Returns what counts if the newest grading is of this very file and nothing in it is withheld."""
        newest = self.newest(lab, student)
        if newest is None or newest.sha256 != sha256 or newest.points_with(Status.WITHHELD):
            return None
        return self.standing(lab, student)

    def newest_of_all(self, lab: str | None = None) -> list[Result]:
        """Returns the grading of every student that counts, by lab and name; of one lab if named."""
        found = sorted(self.root.glob(f"{lab or '*'}/*.json"))
        return [_standing(path) for path in found if not path.name.startswith(".")]


def read(path: Path) -> tuple[Result, ...]:
    """Reads a file of gradings, oldest first.

    Raises:
        DataError: It is damaged or of another schema.
    """
    return _gradings(path)[0]


def _standing(path: Path) -> Result:
    """Reads the grading that counts; that a later one of the same file is lower is said in its notes."""
    gradings, stands = _gradings(path)
    standing = gradings[stands]
    lower = [each for each in gradings[stands + 1 :] if each.sha256 == standing.sha256 and _is_lower(standing, each)]
    return replace(standing, notes=(*standing.notes, _flag(lower[-1]))) if lower else standing


def _gradings(path: Path) -> tuple[tuple[Result, ...], int]:
    """All gradings of a file, oldest first, and the place of the one that stands."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no readable result ({error}); restore it from a backup or remove it") from error
    if not isinstance(data, dict) or data.get("schema_version") != SCHEMA_VERSION or not data.get("gradings"):
        raise DataError(f"{path}: not a result of schema {SCHEMA_VERSION}; remove it to grade this student anew")
    try:
        gradings = tuple(decode(Result, entry, path.name) for entry in data["gradings"])
    except (BadInputError, TypeError) as error:
        raise DataError(f"{path}: damaged result ({error}); restore it from a backup or remove it") from error
    stands = data.get("stands", len(gradings) - 1)
    if type(stands) is not int or not 0 <= stands < len(gradings):
        raise DataError(f"{path}: damaged result (no grading {stands!r}); restore it from a backup or remove it")
    return gradings, stands


def to_json(result: Result) -> dict[str, Any]:
    """Returns a result as JSON holds it; NaN and infinity, which JSON lacks, become words."""
    return dict(_words(encode(result)))


def write_atomically(path: Path, content: bytes) -> Path:
    """Writes a file so that a reader, a crash or a full disk sees the old or the new one whole.

    Raises:
        GpulabsError: It can't be written; what was there is intact.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = _umask()
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise _sentence(error, path) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
    return path


def _words(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _words(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_words(entry) for entry in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def _may_replace(before: Result, after: Result) -> bool:
    """Whether a grading counts from now on: it is of another file, or at least as good and as complete."""
    if before.sha256 != after.sha256 or before.points_with(Status.WITHHELD):
        return True
    return after.points >= before.points and not after.points_with(Status.WITHHELD)


def _is_lower(before: Result, after: Result) -> bool:
    """Whether points were lost; those that are pending or withheld are not decided."""
    undecided = after.points_with(Status.PENDING, Status.WITHHELD)
    return after.points + undecided < before.points


def _flag(lower: Result) -> str:
    return (
        f"{FLAG} the same file was graded again ({lower.started_at or 'no date'}) and got "
        f"{lower.points:g} points; the better grading counts. To let the lower one count: "
        "autograder grade --regrade --accept-lower."
    )


def _lowered(before: Result, after: Result, *, stands: bool) -> str:
    if not _is_lower(before, after):
        return ""
    earlier = f"{before.points:g} points ({before.started_at or 'no date'})"
    if stands:
        return f"{after.student}: {after.points:g} points replace {earlier}, which stay in the file's history"
    return (
        f"{after.student}: graded again, the same file gets {after.points:g} points; {earlier} still count, and the "
        "result is flagged for a person; --accept-lower lets the lower one count"
    )


def _lock(descriptor: int, root: Path) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        who = os.pread(descriptor, 64, 0).decode(errors="replace").strip()
        raise BadInputError(
            f"{root}: another autograder{f' (process {who})' if who else ''} is writing results there; "
            "wait until it ends or give another folder with --out"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def _sweep(root: Path) -> None:
    """Removes what writers left half-written when they were killed; nobody else writes now."""
    for left in root.glob("*/.*.tmp"):
        with contextlib.suppress(OSError):
            left.unlink()


def _sentence(error: OSError, path: Path) -> GpulabsError:
    if error.errno in _FULL:
        return GraderError(f"{path}: the disk is full; earlier results are intact: free some space and run it again")
    return BadInputError(f"{path}: can't be written ({error.strerror}); earlier results are intact")


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself survive a power cut, where the file system can do that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
