"""Runs a worker to its end, or ends it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from autograder.isolation import bubblewrap, landlock, launcher, limits, seccomp, view, watch
from autograder.isolation.effort import Effort
from autograder.isolation.limits import Limits
from autograder.isolation.peer import Line, Peer
from autograder.isolation.tiers import MEDIUM, STRONG, Tier
from gpulabs.errors import MissingError

_PLACE = str(Path(launcher.__file__).resolve().parent)
START = f"import sys; sys.path.append({_PLACE!r}); import launcher; launcher.start()"
"""As a module and not as a script: Python compiles a script anew each time it starts."""

LOOK_S = 0.02
"""Between two looks at a worker; in that time a core can touch some 0.1 GiB or start some hundred processes."""

SPACES = 0x7E000000
"""CLONE_NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. Mounts stay: Landlock decides on files."""

MAX_OUTPUT = 2**30
KILLED = (-9, 137)


@dataclass(frozen=True)
class Ending:
    """How a worker ended.

    Attributes:
        how: `done`, `failed`, `quiet` (no progress), `idle` (neither progress nor work), `late` (time of its own),
            `channel` (its peer would have no more of it), or the limit that all its processes together exceeded:
            `memory`, `processes`, `disk`. Not its own doing: `starved` (a busy machine kept it waiting), `oom`
            (the machine ran out of memory and Linux ended it).
        status: Exit status; 128 + n for signal n.
        stderr: The end of what it wrote to standard error.
        output: What it wrote to standard output.
    """

    how: str
    status: int
    stderr: str
    output: bytes = b""


def require_posix() -> None:
    """Refuses to go on where there are no process groups and no limits.

    Raises:
        MissingError: On Windows.
    """
    if os.name == "nt":
        raise MissingError("grading needs Linux or macOS: on Windows work in WSL (wsl --install), where all of it runs")


def run_in(
    tier: Tier,
    command: Sequence[str],
    folder: Path,
    limits: Limits,
    *,
    signs: Path | None = None,
    stop: threading.Event | None = None,
    request: bytes = b"",
    extra: Sequence[Path] = (),
    peer: Peer | None = None,
) -> Ending:
    """Runs a command in a tier and waits for it.

    Args:
        tier: The tier; it is not probed here.
        command: What to run: an absolute path and its arguments.
        folder: The only folder that it may write; its working directory.
        limits: Limits.
        signs: A file whose growth is a sign of progress.
        stop: Ends the worker when another thread sets it.
        request: What it finds on standard input.
        extra: Further folders to read and import from.
        peer: What answers it: then its standard input and output are a line to that.

    Returns:
        How it ended. Never raises for what the worker does.
    """
    folder = folder.resolve()
    # No name in the folder: the worker could put a link to any file of this account in its place.
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        source.write(request)
        source.seek(0)
        line = Line(peer) if peer else None
        try:
            process = subprocess.Popen(
                launch_line(tier, command, folder, limits, extra),
                stdin=line.stdin if line else source if request else subprocess.DEVNULL,
                stdout=line.stdout if line else out,
                stderr=err,
                cwd=folder,
                env=view.environment(folder, extra),
                start_new_session=True,
            )
            if line:
                line.start()
            ended_before = watch.ended_for_memory()
            how = _wait(process, watch.Watch(process.pid, folder, (out, err), limits), signs, stop, peer)
        finally:
            if line:
                line.end()
        out.seek(0)
        if how == "failed" and process.returncode in KILLED and watch.ended_for_memory() > ended_before:
            how = "oom"
        return Ending(how, process.returncode, _tail(err), out.read(MAX_OUTPUT))


def launch_line(
    tier: Tier, command: Sequence[str], folder: Path, limit: Limits, extra: Sequence[Path] = ()
) -> list[str]:
    """Composes the command line that starts a worker in a tier."""
    program = shutil.which("bwrap") or "bwrap"
    strong, spaces = tier.name == STRONG, tier.name == MEDIUM and tier.spaces
    seen = view.readable(extra) if tier.name in (STRONG, MEDIUM) else []
    own_users = spaces or (strong and bubblewrap.has_own_users(program))
    # In the strong tier a second wall: what bubblewrap might leave open, Landlock still refuses.
    abi, shown = landlock.version(), [*seen, *(["/proc"] if strong else [])]
    rules = landlock.ruleset(abi, shown, view.DEVICES, folder) if seen and abi else None
    recipe: dict[str, Any] = {
        "limits": limits.for_kernel(limit, own_users=own_users),
        "linux": sys.platform == "linux",
        "supervise": not strong,
        "spaces": SPACES if spaces else 0,
        "landlock": dataclasses.asdict(rules) if rules else None,
        "filter": seccomp.program(own_processes=strong or spaces).hex() if seen else "",
        "command": list(command),
    }
    line = [sys.executable, "-I", "-S", "-c", START, json.dumps(recipe)]
    return bubblewrap.command(program, folder, seen, line) if strong else line


def _wait(
    process: subprocess.Popen[bytes],
    watched: watch.Watch,
    signs: Path | None,
    stop: threading.Event | None,
    peer: Peer | None,
) -> str:
    limit, effort = watched.limits, Effort()
    looked, answered = _own_time(peer), 0.0
    sign_s = sign_idle_s = 0.0
    seen = -1
    try:
        while True:
            _until_end(process, LOOK_S)
            if (status := process.poll()) is not None:
                return "done" if status == 0 else "failed"
            if peer and peer.broken:
                return "channel"
            if exceeded := watched.excess():
                return exceeded
            now, taken = _own_time(peer), peer.taken_s() if peer else 0.0
            # While answers come, it is the line to the grader that it waits for.
            effort.look(now - looked, watched.cpu_s(), taken != answered or watched.wants_more())
            looked, answered = now, taken
            size = _size(signs)
            if size != seen:
                seen, sign_s, sign_idle_s = size, effort.own_s, effort.idle_s
            if effort.own_s > limit.own_s or (stop and stop.is_set()):
                return "late"
            if effort.own_s - sign_s > limit.quiet_s:
                return "idle" if 2 * (effort.idle_s - sign_idle_s) > limit.quiet_s else "quiet"
            if effort.waited_s > limit.patience_s:
                return "starved"
    finally:
        # All of it, so that nothing a submission started stays behind.
        watch.end(process.pid)
        process.wait()


def _own_time(peer: Peer | None) -> float:
    """A clock that stands while the worker waits for its peer."""
    return time.monotonic() - (peer.taken_s() if peer else 0.0)


def _until_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Sleeps until a process ends, or so long; `Popen.wait` would wake up five times meanwhile to look."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not Linux, or an old one
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
        return
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.poll(1000 * seconds)
    finally:
        os.close(descriptor)


def _size(signs: Path | None) -> int:
    try:
        return signs.lstat().st_size if signs else 0
    except OSError:
        return 0


def _tail(file: IO[bytes], size: int = 4000) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - size))
    return file.read().decode("utf-8", "replace")
