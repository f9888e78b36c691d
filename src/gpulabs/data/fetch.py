"""`gpulabs data fetch`: puts a set's archive in place, from the network or from a copy at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpulabs.data import cifar10, files
from gpulabs.data.download import Report, download
from gpulabs.data.registry import find, path
from gpulabs.errors import DataError


@dataclass(frozen=True)
class Fetched:
    """What a fetch ended in.

    Attributes:
        name: The set's.
        file: Where its archive lies; None for a set that scikit-learn ships.
        identity: sha256 of the archive; empty for a set that scikit-learn ships.
        official: Whether that is the official archive's.
        already: Nothing had to be done.
    """

    name: str
    file: Path | None
    identity: str
    official: bool
    already: bool


def fetch(
    name: str,
    source: Path | None = None,
    *,
    any_checksum: bool = False,
    force: bool = False,
    report: Report | None = None,
) -> Fetched:
    """Puts a data set in place and verifies it.

    Args:
        name: The set.
        source: An archive at hand, instead of the network.
        any_checksum: With `source`: accept another archive than the official one if it can be read.
        force: Fetch although a readable archive is there.
        report: Progress: bytes done, bytes in all, host.

    Raises:
        DownloadError: No host gave it; what arrived is kept for the next try.
        DataError: It is damaged or another archive; what was installed before stays.
        BadInputError: There is no such set or file, or no permission.
        MissingError: The disk is full.
    """
    entry = find(name)
    if not entry.file:
        return Fetched(name, None, "", official=True, already=True)
    target = path(name)
    if source is not None:
        expected = "" if any_checksum else entry.sha256
        if target.exists() and source.exists() and source.samefile(target):
            found = files.sha256(target)
            return Fetched(name, target, found, official=found == entry.sha256, already=True)
        found = files.copy_in(source, target, expected, check=cifar10.read)
        return Fetched(name, target, found, official=found == entry.sha256, already=False)
    if not force and (here := _readable(target, entry.sha256)):
        return Fetched(name, target, here, official=here == entry.sha256, already=True)
    download(entry.urls, target, entry.size, entry.sha256, report)
    return Fetched(name, target, entry.sha256, official=True, already=False)


def _readable(archive: Path, official: str) -> str:
    """Returns the identity of the archive that is there, or nothing if there is none to keep."""
    if not archive.is_file():
        return ""
    found = files.sha256(archive)
    if found == official:
        return found
    try:
        cifar10.read(archive)
    except DataError:
        return ""  # damaged: fetch it anew
    return found
