"""`gpulabs data list`, `fetch` and `path`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gpulabs import data, terminal
from gpulabs.data.registry import SETS, find, is_official
from gpulabs.exit_codes import ExitCode


def list_sets(as_json: bool) -> int:
    """Prints each set: whether it is here, where, and its identity."""
    rows = [_row(name) for name in SETS]
    if as_json:
        terminal.print_json({"schema_version": 1, "folder": str(data.folder()), "sets": rows})
        return ExitCode.OK
    terminal.print_table(
        ("set", "what", "here", "sha256"),
        [(row["name"], row["title"], row["state"], str(row["identity"])[:12]) for row in rows],
    )
    print(f"folder: {data.folder()}")
    missing = [row["name"] for row in rows if not row["identity"]]
    if missing:
        print(f"next: gpulabs data fetch {missing[0]}")
    return ExitCode.OK


def _row(name: str) -> dict[str, Any]:
    here = data.is_here(name)
    identity = data.identity(name) if here else ""
    official = is_official(name, identity)
    state = "no" if not here else "yes" if official else "yes, not the official archive"
    return {
        "name": name,
        "title": SETS[name].title,
        "here": here,
        "state": state,
        "official": here and official,
        "identity": identity,
        "file": str(data.path(name)) if SETS[name].file else None,
    }


def fetch(name: str, source: Path | None, any_checksum: bool, force: bool, as_json: bool) -> int:
    """Fetches a set, with a progress bar on a terminal."""
    from gpulabs.data.fetch import fetch as fetch_set

    try:
        with _bar(name) as report:
            done = fetch_set(name, source, any_checksum=any_checksum, force=force, report=report)
    except KeyboardInterrupt:
        raise terminal.Interrupted(_kept(name)) from None
    if as_json:
        terminal.print_json(
            {
                "schema_version": 1,
                "name": name,
                "file": str(done.file) if done.file else None,
                "identity": done.identity,
                "official": done.official,
                "already_here": done.already,
            }
        )
    elif done.file is None:
        print(f"{name}: ships with scikit-learn, nothing to fetch")
    else:
        print(f"{name}: {'already here' if done.already else 'fetched and verified'}, {done.file}")
        if not done.official:
            print(f"note: not the official archive; results name it by its own identity, sha256 {done.identity[:12]}")
            if done.already and source is None:
                print(f"next: gpulabs data fetch {name} --force replaces it with the official one")
    return ExitCode.OK


def path(name: str, as_json: bool) -> int:
    """Prints where a set's archive lies."""
    file = data.path(name)
    if as_json:
        terminal.print_json({"schema_version": 1, "name": name, "file": str(file), "here": file.is_file()})
    else:
        print(file)
    return ExitCode.OK if file.is_file() else ExitCode.MISSING


def _kept(name: str) -> str:
    part = data.path(name).with_name(find(name).file + ".part")
    megabytes = part.stat().st_size / 1e6 if part.is_file() else 0.0
    return f"stopped by Ctrl-C; {megabytes:.1f} MB are kept, gpulabs data fetch {name} goes on from there"


@contextlib.contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """Yields a reporter that paints a progress bar on stderr, or None where that is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=terminal.console(stderr=True), transient=True) as painter:
        task = painter.add_task(name, total=None)

        def report(done: int, total: int, host: str) -> None:
            painter.update(task, completed=done, total=total, description=f"{name} from {host}")

        yield report
