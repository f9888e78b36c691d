"""Finds what a class has handed in: nbgrader's folders, a folder of files, or the archive of a learning platform.

    <folder>/<student>/<lab>/*.ipynb                                         nbgrader's `submitted`
    <student>.ipynb, <lab>_<student>.zip                                     one file a student; `gpulabs submit`
    doejane_12345_67890_lab1.ipynb, doejane_LATE_12345_...                   Canvas' "download submissions"
    Jane Doe_12345_assignsubmission_file_/lab1.ipynb, the same in one name   Moodle's "download all submissions"
    Lab 1_jdoe_attempt_2026-11-20-23-58-07_lab1.ipynb                        Blackboard's "assignment file download"

The last four may lie in a folder or in a zip. The student is named by the place, never by the content. A student of
Canvas is `doejane_12345`, one of Moodle `Jane Doe_12345`: the number is the platform's own, and two of the same name
stay apart. One of Blackboard is the user name. What can't be graded becomes an entry that says why; nothing that a
student hands in stops the class.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from autograder import archives, blackboard, temporary
from autograder.archives import ArchiveError, Member
from autograder.submission import MAX_BYTES
from gpulabs.errors import BadInputError

_CANVAS = re.compile(r"(?P<name>[^_/]+)_(?P<late>LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)")
_MOODLE = re.compile(r"(?P<name>[^/]+?)_(?P<id>\d+)_assignsubmission_(?P<kind>[a-z]+)_?(?P<file>.*)")
_COPY = re.compile(r"(-\d+| ?\(\d+\))$")
"""What platforms and browsers append to the name of a second file."""

MAX_NAME_BYTES = 180
"""Of a student's name: results are files of that name, and file systems allow 255 bytes."""


@dataclass(frozen=True)
class Entry:
    """A student's hand-in.

    Attributes:
        student: From the folder's or the file's name, fit for a file name.
        notebook: The file to grade, or None.
        problem: Why there is none.
        ours: The problem is the instructor's or the machine's: points are withheld, not lost.
        remark: What the instructor should know: a file that was left out, a late hand-in.
    """

    student: str
    notebook: Path | None
    problem: str = ""
    ours: bool = False
    remark: str = ""


@contextlib.contextmanager
def opened(place: Path, lab: str, student: str | None = None, out: Path | None = None) -> Iterator[list[Entry]]:
    """Gives the submissions of a folder or an archive; what was unpacked is gone afterwards.

    Args:
        place: nbgrader's `submitted`, a folder of files, or a zip.
        lab: The lab's id.
        student: Only this one.
        out: The results folder; it may lie in `place` and holds no submissions.

    Raises:
        BadInputError: There is nothing of that name, no submission in it, or the archive can't be read.
    """
    with temporary.folder("handed-in") as unpacked:
        yield find(place, lab, student, out, unpacked)


def find(
    place: Path, lab: str, student: str | None = None, out: Path | None = None, scratch: Path | None = None
) -> list[Entry]:
    """Returns the submissions of a folder or an archive, by student.

    Args:
        place: As in `opened`.
        lab: The lab's id.
        student: Only this one.
        out: The results folder.
        scratch: Where archives are unpacked; without one, archives are not read.

    Raises:
        BadInputError: As `opened` says.
    """
    if place.is_file() and scratch:
        with archives.opened(place) as members:
            entries = _grouped(members, lab, scratch)
    elif place.is_dir():
        results = out.resolve() if out else None
        visible = sorted(path for path in place.iterdir() if path.name[0] != "." and path.resolve() != results)
        entries = [in_folder(path / lab, fit(path.name)) for path in visible if (path / lab).is_dir()]
        entries = entries or _grouped([member for path in visible for member in _members(path)], lab, scratch)
    else:
        raise BadInputError(f"{place}: no such folder or archive; give the one that holds the submissions")
    chosen = [entry for entry in entries if student in (None, entry.student)]
    if not chosen:
        who = f" of {student!r}" if student else ""
        raise BadInputError(
            f"{place}: no submission{who} for {lab}; expected <student>/{lab}/{lab}.ipynb (nbgrader's layout), "
            "<student>.ipynb files, or what Canvas, Moodle or Blackboard give as a download"
        )
    return sorted(chosen, key=lambda entry: entry.student)


def fit(name: str) -> str:
    """Makes a student's name fit for a file: no slashes, no controls, not too long; others stay as they are."""
    raw = name.encode("utf-8", "surrogateescape")
    text = unicodedata.normalize("NFC", raw.decode("utf-8", "replace"))
    text = "".join("_" if c in "/\\" or unicodedata.category(c)[0] == "C" else c for c in text).strip()
    while len(text.encode()) > MAX_NAME_BYTES:
        text = text[:-1]
    text = re.sub(r"^\.+", "_", text) or "unnamed"
    changed = text != unicodedata.normalize("NFC", name)
    return f"{text}-{hashlib.sha256(raw).hexdigest()[:6]}" if changed else text


def _members(path: Path) -> Iterator[Member]:
    """Files of a flat folder, and of one folder of Moodle's below it, as an archive has them."""
    inner = sorted(path.iterdir()) if path.is_dir() and not path.is_symlink() else [path]
    for file in inner:
        if file.name[0] == ".":
            continue
        name = file.name if file is path else f"{path.name}/{file.name}"
        yield Member(name, None, path=file, problem=_unfit(file))


def _grouped(members: Sequence[Member], lab: str, scratch: Path | None) -> list[Entry]:
    """Sorts files by student and chooses each one's notebook."""
    files: dict[str, list[tuple[str, Member]]] = {}
    remarks: dict[str, str] = {}
    # Blackboard's names are read by the archive: which of the attempts counts, no single name says.
    of_blackboard = blackboard.attempts([member for member in members if not _passed_over(member.name)])
    for member in members:
        found = whose(member.name, lab) if of_blackboard is None else of_blackboard.get(member.name)
        if found is None:
            continue
        student, file, remark = found if of_blackboard is None else (fit(found[0]), *found[1:])
        files.setdefault(student, []).append((file, member))
        if remark:
            remarks[student] = remark
    entries = []
    for student, handed_in in files.items():
        entry = _chosen(student, handed_in, lab, scratch)
        remark = "; ".join(filter(None, (remarks.get(student, ""), entry.remark)))
        entries.append(replace(entry, remark=remark))
    return entries


def whose(name: str, lab: str) -> tuple[str, str, str] | None:
    """Tells from a file's name whose it is.

    Args:
        name: With slashes between folders.
        lab: The lab's id.

    Returns:
        The student, the file's own name, and a remark; or None for what nobody handed in.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    parts = _parts(name)
    if _passed_over(name):
        return None
    for place, part in enumerate(parts):
        if moodle := _MOODLE.fullmatch(part):
            text = moodle["kind"] == "onlinetext"
            file = "/".join(filter(None, [moodle["file"], *parts[place + 1 :]]))
            remark = "" if not text else "wrote an online text, which is not graded"
            return fit(f"{moodle['name']}_{moodle['id']}"), file or part, remark
    if canvas := _CANVAS.fullmatch(parts[-1]):
        remark = "handed in late, says Canvas" if canvas["late"] else ""
        return fit(f"{canvas['name']}_{canvas['id']}"), canvas["file"], remark
    if len(parts) > 2 and parts[-2] == lab:
        return fit(parts[-3]), parts[-1], ""
    stem, suffix = path.stem, path.suffix.lower()
    if suffix == ".zip" and stem.startswith(f"{lab}_"):
        return fit(stem.removeprefix(f"{lab}_")), parts[-1], ""
    if suffix not in (".ipynb", ".zip"):
        return None
    if len(parts) > 1 and _COPY.sub("", stem) == lab:
        return fit(parts[-2]), parts[-1], ""
    return fit(stem), parts[-1], ""


def _parts(name: str) -> list[str]:
    return [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]


def _passed_over(name: str) -> bool:
    """Whether nobody handed that in: what systems leave in archives, hidden files."""
    parts = _parts(name)
    return not parts or "__MACOSX" in parts or parts[-1].startswith(".")


def _chosen(student: str, handed_in: Sequence[tuple[str, Member]], lab: str, scratch: Path | None) -> Entry:
    """Chooses the notebook of one student, and unpacks it where it has to be."""
    usable = [(file, member) for file, member in handed_in if file.lower().endswith((".ipynb", ".zip"))]
    if not usable:
        got = ", ".join(sorted(_shown(file) for file, _ in handed_in)[:3])
        return Entry(student, None, f"no notebook was handed in, but {got}; hand in {lab}.ipynb")
    named = [each for each in usable if _COPY.sub("", PurePosixPath(each[0]).stem).startswith(lab)]
    chosen = named if len(named) == 1 else usable
    if len(chosen) > 1:
        listed = ", ".join(sorted(_shown(file) for file, _ in chosen)[:5])
        return Entry(student, None, f"several files ({listed}), and which one counts can't be told; hand in one")
    (file, member), left = chosen[0], sorted(_shown(name) for name, _ in handed_in if name != chosen[0][0])
    remark = f"graded {_shown(file)}, left out {', '.join(left[:3])}" if left else ""
    try:
        return replace(_entry(student, file, member, lab, scratch), remark=remark)
    except ArchiveError as error:
        return Entry(student, None, str(error), error.ours, remark)


def _entry(student: str, file: str, member: Member, lab: str, scratch: Path | None) -> Entry:
    if member.problem:
        raise ArchiveError(member.problem)
    if member.path and not file.lower().endswith(".zip"):
        return Entry(student, member.path)
    if scratch is None:
        raise ArchiveError(f"{_shown(file)}: an archive; archives are not read here", ours=True)
    try:
        content = member.path.read_bytes() if member.path else member.read()
    except OSError as error:
        raise ArchiveError(f"{_shown(file)}: can't be read ({error.strerror})", ours=True) from error
    if file.lower().endswith(".zip"):
        file, content = archives.only_notebook(content, _shown(file), lab)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    notebook = folder / f"{fit(PurePosixPath(file).stem)}.ipynb"
    notebook.write_bytes(content)
    return Entry(student, notebook)


def in_folder(folder: Path, student: str) -> Entry:
    """Gives what a student has in a folder of nbgrader's layout.

    Args:
        folder: `<student>/<lab>`.
        student: Fit for a file name.
    """
    if folder.is_symlink() or folder.parent.is_symlink():
        return Entry(student, None, f"{folder.name}: a link, not a folder; hand in the notebook itself")
    try:
        notebooks = sorted(path for path in folder.glob("*.ipynb") if not path.name.startswith("."))
    except OSError as error:
        return Entry(student, None, f"{folder.name}: can't be read ({error.strerror})", ours=True)
    named = [path for path in notebooks if path.stem == folder.name]
    if len(named) == 1 or len(notebooks) == 1:
        path = (named or notebooks)[0]
        problem = _unfit(path)
        return Entry(student, None if problem else path, problem)
    if not notebooks:
        return Entry(
            student, None, f"{student}/{folder.name}: no notebook was handed in (expected {folder.name}.ipynb)"
        )
    listed = ", ".join(path.name for path in notebooks[:5])
    return Entry(
        student, None, f"{student}/{folder.name}: several notebooks ({listed}), none named {folder.name}.ipynb"
    )


def _unfit(path: Path) -> str:
    """Says why a file is not read: a link could point at another student's work, a pipe never ends."""
    try:
        about = path.lstat()
    except OSError as error:
        return f"{path.name}: can't be read ({error.strerror})"
    if stat.S_ISLNK(about.st_mode):
        return f"{path.name}: a link, not a file; hand in the notebook itself"
    if not stat.S_ISREG(about.st_mode):
        return f"{path.name}: not a regular file; hand in the notebook itself"
    if about.st_size > MAX_BYTES:
        return (
            f"{path.name}: {about.st_size / 2**20:.0f} MiB, more than the {MAX_BYTES // 2**20} MiB that are read; "
            "clear the outputs (Kernel > Restart and clear outputs) and save again"
        )
    return ""


def _shown(file: str) -> str:
    return os.fsencode(file).decode("utf-8", "replace")[-80:]
