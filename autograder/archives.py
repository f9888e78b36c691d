"""Reads zip archives that anyone may have made: nothing is written by its own name, nothing unpacks without a limit.

A name in an archive is a text and never a path: whoever unpacks chooses the place. Sizes that an archive states are
not believed, reading stops at the limit. Only the two ways of packing that platforms use are read, because others
let a few bytes ask for gigabytes of memory.
"""

from __future__ import annotations

import contextlib
import io
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autograder.submission import MAX_BYTES
from gpulabs.errors import BadInputError, GpulabsError

MAX_MEMBERS = 20_000
"""Of a class's archive: some files each of some thousand students."""

MAX_OWN_MEMBERS = 1_000
"""Of a student's archive."""

_ENTRY = b"PK\x01\x02"  # what every entry of a zip's directory begins with
_UTF8, _ENCRYPTED, _UNIX = 0x800, 0x1, 3
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)


class ArchiveError(GpulabsError):
    """What is wrong with one member, in a sentence.

    Args:
        message: The sentence.
        ours: Not the student's doing: points are withheld.
    """

    def __init__(self, message: str, *, ours: bool = False) -> None:
        super().__init__(message)
        self.ours = ours


@dataclass(frozen=True)
class Member:
    """A file that was handed in, in an archive or not.

    Attributes:
        name: With slashes between folders; a text, not a path.
        archive: What it lies in, or None.
        info: Its entry there.
        path: The file, where it is none of an archive.
        problem: Why it is not read, or empty.
    """

    name: str
    archive: zipfile.ZipFile | None
    info: zipfile.ZipInfo | None = None
    path: Path | None = None
    problem: str = ""

    def read(self) -> bytes:
        """Unpacks it, to the limit.

        Raises:
            ArchiveError: It is damaged or too large.
        """
        assert self.archive is not None
        assert self.info is not None
        try:
            with self.archive.open(self.info) as stream:
                content = stream.read(MAX_BYTES + 1)
        except _BROKEN as error:
            raise ArchiveError(
                f"{_base(self.name)}: damaged in the archive ({error}); download or hand it in again", ours=True
            ) from error
        if len(content) > MAX_BYTES:
            raise ArchiveError(
                f"{_base(self.name)}: unpacks to more than the {MAX_BYTES // 2**20} MiB that are read; clear the "
                "outputs (Kernel > Restart and clear outputs) and save again"
            )
        return content


@contextlib.contextmanager
def opened(path: Path) -> Iterator[list[Member]]:
    """Opens a class's archive.

    Raises:
        BadInputError: It is no zip, damaged, encrypted, or holds too many files.
    """
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise BadInputError(
            f"{path}: can't be read as a zip archive ({error}); download it again, or unpack it and give the folder"
        ) from error
    with archive:
        infos = archive.infolist()
        if len(infos) > MAX_MEMBERS:
            raise BadInputError(
                f"{path}: holds {len(infos)} files, more than {MAX_MEMBERS}; unpack what is of this lab"
            )
        if any(info.flag_bits & _ENCRYPTED for info in infos):
            raise BadInputError(f"{path}: is encrypted; unpack it and give the folder")
        yield members(archive)


def members(archive: zipfile.ZipFile) -> list[Member]:
    """The files of an archive, each with what stands against reading it."""
    found, seen = [], set()
    for info in archive.infolist():
        if info.is_dir():
            continue
        name = _name(info)
        problem = _problem(info, name)
        if not problem and name in seen:
            problem = f"{_base(name)}: the archive holds two files of this name, and which one counts can't be told"
        seen.add(name)
        found.append(Member(name, archive, info, problem=problem))
    return found


def only_notebook(content: bytes, called: str, lab: str) -> tuple[str, bytes]:
    """Unpacks the notebook of an archive that a student made.

    Args:
        content: The archive.
        called: Its name, for messages.
        lab: The lab's id; among several notebooks the one of this name counts.

    Returns:
        The notebook's name and content.

    Raises:
        ArchiveError: There is none, or it can't be read.
    """
    if content.count(_ENTRY) > MAX_OWN_MEMBERS:
        raise ArchiveError(f"{called}: an archive of more than {MAX_OWN_MEMBERS} files; hand in the notebook alone")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN as error:
        raise ArchiveError(
            f"{called}: can't be read as a zip archive ({error}); hand in the notebook itself"
        ) from error
    with archive:
        inside = [
            member
            for member in members(archive)
            if member.name.lower().endswith(".ipynb") and "__MACOSX" not in member.name
        ]
        named = [member for member in inside if PurePosixPath(member.name).stem == lab]
        chosen = named if len(named) == 1 else inside
        if not chosen:
            raise ArchiveError(f"{called}: an archive without a notebook; hand in {lab}.ipynb")
        if len(chosen) > 1:
            listed = ", ".join(sorted(_base(member.name) for member in chosen)[:5])
            raise ArchiveError(f"{called}: several notebooks ({listed}), and which one counts can't be told")
        if chosen[0].problem:
            raise ArchiveError(f"{called}: {chosen[0].problem}")
        try:
            return chosen[0].name, chosen[0].read()
        except ArchiveError as error:
            raise ArchiveError(f"{called}: {error}") from error  # the student packed it


def _name(info: zipfile.ZipInfo) -> str:
    """The entry's name: UTF-8 if it says so or can be read so, else as the oldest zip programs wrote."""
    name = info.filename
    if not info.flag_bits & _UTF8:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return unicodedata.normalize("NFC", name)


def _problem(info: zipfile.ZipInfo, name: str) -> str:
    base = _base(name)
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name):
        return f"{base}: the archive names a place outside itself ({name[:80]}); pack the notebook alone"
    if info.create_system == _UNIX and stat.S_ISLNK(info.external_attr >> 16):
        return f"{base}: a link, not a file; hand in the notebook itself"
    if info.flag_bits & _ENCRYPTED:
        return f"{base}: encrypted in the archive; hand it in without a password"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"{base}: packed in a way that is not read (method {info.compress_type}); pack it as a plain zip"
    return ""


def _base(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1][-80:]
