"""Downloads an archive: goes on where it stopped, tries again, and moves to a mirror that is faster.

All mirrors serve the same bytes, which the checksum proves at the end; so a download that began at
one host goes on at another, and nothing that has arrived is fetched twice.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from gpulabs.data import files
from gpulabs.errors import DataError, GpulabsError

TIMEOUT_S = 30.0
ATTEMPTS = 3
"""Tries of one host in a row without a new byte, before the next one."""
WINDOW_S = 15.0
"""A host's speed is judged after this long."""
SLOW_BYTES_S = 400_000
"""Slower than this, and another host is tried: the official one gives 70 to 90 kB/s since mid 2026."""
CHUNK = 1 << 16

Report = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all and the host."""


class DownloadError(GpulabsError):
    """No host could be reached, or all stopped answering; what arrived is kept."""


@dataclass(frozen=True)
class Clock:
    """The clock, so that tests need not wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class _Slow(Exception):
    """This host is slow; another may be faster. `args` holds its bytes a second."""


class _Wrong(Exception):
    """What arrived is not the archive: an error page, or the wrong length."""


class _Disk(Exception):
    """Carries an error of the disk past the handlers of network errors, which are OSErrors too."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def download(
    urls: Sequence[str], target: Path, size: int, sha256: str, report: Report | None = None, clock: Clock | None = None
) -> None:
    """Downloads one archive to `target`, by way of `target` + ".part".

    Args:
        urls: Hosts of the same bytes, in the order to try.
        target: Appears whole and verified, or not at all.
        size: Of the archive, bytes.
        sha256: Of the archive.
        report: Progress.
        clock: For tests.

    Raises:
        DownloadError: No host gave it; run again to go on.
        DataError: Every host gave something else.
        MissingError: The disk is full.
    """
    clock, report = clock or Clock(), report or (lambda done, total, host: None)
    part = target.with_name(target.name + ".part")
    with files.disk_errors(target, size, kept=" (it goes on where it stopped)"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with files.only_one(part):
            _fill(urls, part, size, sha256, report, clock)
            files.put(part, target)


def _fill(urls: Sequence[str], part: Path, size: int, sha256: str, report: Report, clock: Clock) -> None:
    troubles: dict[str, str] = {}
    speeds: dict[str, float] = {}  # of the hosts that were too slow
    queue = list(urls)
    while queue:
        if all(url in speeds for url in queue):
            queue.sort(key=lambda url: -speeds[url])
        url = queue.pop(0)
        host = urlsplit(url).netloc
        from_start = part.stat().st_size == 0
        try:
            # Once all have been tried, or when this is the last one, it may take its time.
            _persist(url, part, size, report, clock, patient=url in speeds or not queue)
        except _Slow as slow:
            speeds[url] = slow.args[0]
            queue.append(url)
            continue
        except _Disk as disk:
            raise disk.error from None
        except (OSError, http.client.HTTPException, _Wrong) as error:
            troubles[host] = _sentence(error)
            continue
        found = files.sha256(part)
        if found == sha256:
            return
        part.write_bytes(b"")  # which bytes are wrong can't be known
        if from_start:
            troubles[host] = f"sent {_ANOTHER} (sha256 {found[:12]}..., expected {sha256[:12]}...)"
        else:  # the bytes kept from before, or another host's, may be the wrong ones
            queue.insert(0, url)
    done = part.stat().st_size
    listed = "; ".join(f"{host}: {trouble}" for host, trouble in troubles.items())
    if troubles and all(_ANOTHER in trouble for trouble in troubles.values()):
        raise DataError(f"{part.name}: {listed}; nothing was installed. With a copy at hand: --from FILE")
    raise DownloadError(
        f"could not download the archive ({listed}); {done / 1e6:.0f} of {size / 1e6:.0f} MB are kept, run the command "
        "again to go on, or use a copy at hand: --from FILE"
    )


_ANOTHER = "another archive"


def _persist(url: str, part: Path, size: int, report: Report, clock: Clock, *, patient: bool) -> None:
    """Fetches the rest of the file from one host, trying again as long as bytes arrive."""
    failures = 0
    while True:
        before = part.stat().st_size
        if before > size:
            part.write_bytes(b"")
            before = 0
        if before == size:
            return
        try:
            _stream(url, part, before, size, report, clock, patient)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code not in (408, 429):
                raise
            failures = 1 if part.stat().st_size > before else failures + 1
            if failures >= ATTEMPTS:
                raise
            clock.sleep(2.0 ** (failures - 1))


def _stream(url: str, part: Path, start: int, size: int, report: Report, clock: Clock, patient: bool) -> None:
    """Makes one request and appends what arrives."""
    request = urllib.request.Request(url, headers={"User-Agent": "gpulabs", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    with _opener().open(request, timeout=TIMEOUT_S) as answer, part.open("ab", buffering=0) as file:
        skip = start - _first_byte(answer, start, size)  # a host without ranges sends what is here already
        host = urlsplit(url).netloc
        begun, done, received = clock.now(), start, 0
        while chunk := answer.read1(CHUNK):
            received += len(chunk)
            fresh = chunk[skip:]
            skip -= len(chunk) - len(fresh)
            done += len(fresh)
            if done > size:
                raise _Wrong(f"sent more than {size} bytes")
            _write(file, fresh)
            report(done, size, host)
            elapsed = clock.now() - begun
            if not patient and elapsed >= WINDOW_S and received / elapsed < SLOW_BYTES_S:
                raise _Slow(received / elapsed)
    if done < size:
        raise ConnectionError(f"stopped after {done} of {size} bytes")


def _write(file: FileIO, chunk: bytes) -> None:
    try:
        while chunk:
            chunk = chunk[file.write(chunk) :]
    except OSError as error:
        raise _Disk(error) from error


def _first_byte(answer: Any, asked: int, size: int) -> int:
    """Checks that the answer is (a part of) the archive and returns where it begins."""
    if answer.status == 206:
        begins, total = _content_range(answer.headers.get("Content-Range", ""))
        if begins != asked or total not in (size, None):
            raise _Wrong(f"answered with bytes from {begins} of {total}, asked for those from {asked} of {size}")
        return asked
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and int(length) != size:
        raise _Wrong(f"offers {length} bytes, expected {size}")
    return 0


def _content_range(header: str) -> tuple[int | None, int | None]:
    """Reads `bytes 100-199/200`."""
    unit, _, rest = header.partition(" ")
    span, _, total = rest.partition("/")
    first = span.partition("-")[0]
    if unit != "bytes" or not first.isdigit():
        return None, None
    return int(first), int(total) if total.isdigit() else None


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Refuses what would send the archive in the clear."""
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(f"refused a redirect to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoDowngrade)


def _sentence(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP status {error.code}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(reason) or type(error).__name__
