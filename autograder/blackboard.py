"""Blackboard's "Assignment file download": whose a file is, and which attempt counts.

    Lab 1_jdoe_attempt_2026-11-20-23-58-07_lab1_conv_kernel.ipynb    a file that jdoe handed in
    Lab 1_jdoe_attempt_2026-11-20-23-58-07.txt                       Blackboard's own note on that attempt

Everything up to the date is Blackboard's, only what follows is the student's. A title and a user name may hold `_`, so
that a name alone can't say where the one ends and the other begins; the first line of the note, `Name: Jane Doe
(jdoe)`, does.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from autograder.archives import ArchiveError, Member

_NAME = re.compile(r"(?P<whose>[^/]*?_[^/]+?)_attempt_(?P<date>\d{4}(?:-\d\d){5})(?:_(?P<file>.+)|\.txt)")
_NOTE = re.compile(r"Name: .*\((?P<user>[^()]+)\)\s*")
_NOTE_BYTES = 100_000


@dataclass(frozen=True)
class Attempt:
    """A file of an attempt.

    Attributes:
        user: The student's user name.
        date: When it was handed in; later ones sort behind.
        file: What the student called the file; empty for Blackboard's note.
    """

    user: str
    date: str
    file: str


def attempts(members: Sequence[Member]) -> dict[str, tuple[str, str, str]] | None:
    """Sorts the files of a download by student; of several attempts the last one counts.

    Args:
        members: All files of a folder or an archive.

    Returns:
        Of each file that counts: its name -> user name, the file's own name, a remark; or None if not all files are
        named by Blackboard. One that a student has named so, on another platform, changes nothing.
    """
    read = {member.name: found for member in members if (found := _NAME.fullmatch(_base(member.name)))}
    if not read or len(read) < len(members):
        return None
    users = _users({match["whose"] for match in read.values()}, members, read)
    by_user: dict[str, dict[str, Attempt]] = {}
    for name, match in read.items():
        attempt = Attempt(users[match["whose"]], match["date"], match["file"] or "")
        by_user.setdefault(attempt.user, {})[name] = attempt
    counted: dict[str, tuple[str, str, str]] = {}
    for user, own in by_user.items():
        last = max(each.date for each in own.values())
        earlier = len({each.date for each in own.values()}) - 1
        remark = f"the attempt of {last} counts, {earlier} earlier {'is' if earlier == 1 else 'are'} left out"
        counting = {name: each for name, each in own.items() if each.date == last}
        if any(each.file for each in counting.values()):
            counting = {name: each for name, each in counting.items() if each.file}
        for name, each in counting.items():
            counted[name] = user, each.file or _base(name), remark if earlier else ""
    return counted


def _users(whose: set[str], members: Sequence[Member], read: Mapping[str, re.Match[str]]) -> dict[str, str]:
    """Title and user name in one -> the user name: from the notes, else what follows the last `_`."""
    users = {each: each.rpartition("_")[2] for each in whose}
    for member in members:
        match = read[member.name]
        if match["file"] is None and (said := _NOTE.match(_first_line(member))):
            user = said["user"].strip()
            if match["whose"].endswith(f"_{user}"):  # a note may say which part of the name it is, not another name
                users[match["whose"]] = user
    return users


def _first_line(note: Member) -> str:
    content = b""
    with contextlib.suppress(ArchiveError, OSError):
        if not note.problem:
            content = note.path.open("rb").read(_NOTE_BYTES) if note.path else note.read()
    return content[:_NOTE_BYTES].decode("utf-8", "replace").lstrip("\ufeff").partition("\n")[0]


def _base(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name
