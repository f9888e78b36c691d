"""Watches a worker and all that it started: memory, processes, disk, as sums that no kernel limit gives.

A cgroup would do the same without looking, but an account needs one that was delegated to it, which in a
container, a notebook server or a plain login it has not. So the trusted parent looks many times a second and
kills on the first excess. Between two looks a worker may take more: docs/security.md says how much.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import stat
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from autograder.isolation.limits import Limits

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
"""A second of processor time, as /proc counts it."""

DISK_EVERY_S = 0.05
"""Walking a folder costs more than reading a few numbers from /proc."""

MOST_ENTRIES = 100_000
"""Files and folders: a worker that makes more fills a disk in another way."""

KILL_S = 5.0
BLOCK = 512


@dataclass(frozen=True)
class Member:
    """One process, as /proc shows it.

    Attributes:
        threads: How many it has.
        cpu_s: Processor time that it and those children took whose end it has seen.
        place: Its folder in /proc; one of its threads' where the first thread has ended and others go on.
    """

    threads: int
    cpu_s: float
    place: str


@dataclass
class Watch:
    """Looks after one worker.

    Attributes:
        root: The process that everything else descends from.
        folder: Its folder.
        streams: What its output goes to.
        limits: Limits.
        before: Bytes that lay in the folder at the start.
        next_disk: When to look at the disk again.
        seen: Its processes at the last look.
    """

    root: int
    folder: Path
    streams: tuple[IO[bytes], ...]
    limits: Limits
    before: int = 0
    next_disk: float = 0.0
    seen: dict[int, Member] = field(default_factory=dict)
    _marked: set[int] = field(default_factory=set)
    _page: int = field(default_factory=lambda: os.sysconf("SC_PAGE_SIZE"))

    def __post_init__(self) -> None:
        """Takes stock of what lies in the folder."""
        self.before = _size_of(self.folder, -1)[0]

    def excess(self) -> str:
        """What is exceeded now: `memory`, `processes`, `disk`, or nothing."""
        found = self.seen = tree(self.root, self.limits.processes)
        for pid in found.keys() - self._marked:
            # When the machine runs out of memory, these are to end and not the grader. Children inherit it.
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/oom_score_adj").write_text("1000", encoding="ascii")
        self._marked = set(found)
        if sum(one.threads for one in found.values()) > self.limits.processes:
            return "processes"
        if self._memory(found) > self.limits.total_memory_bytes:
            return "memory"
        now = time.monotonic()
        if now >= self.next_disk:
            if self._too_much_on_disk(found):
                return "disk"
            # A folder of many files takes long to walk: that may not become all that this process does.
            self.next_disk = time.monotonic() + max(DISK_EVERY_S, 4 * (time.monotonic() - now))
        return ""

    def cpu_s(self) -> float | None:
        """Processor time of all that it sees, at the last look; None where there is no /proc."""
        return _cpu_s(self.seen)

    def wants_more(self) -> bool:
        """Whether a thread of it, at this moment, would compute if it could: waits for a processor, or for the disk."""
        return _want_more(self.seen)

    def _memory(self, members: dict[int, Member]) -> int:
        resident = {one.place: _resident(one.place) * self._page for one in members.values()}
        if sum(resident.values()) <= self.limits.total_memory_bytes:
            return sum(resident.values())
        # Pages that processes share were counted once for each of them; now take the shares, which is slower.
        return sum(_share(place, counted) for place, counted in resident.items())

    def _too_much_on_disk(self, members: dict[int, Member]) -> bool:
        most = self.limits.disk_bytes + self.before
        size, entries = _size_of(self.folder, most)
        # By inode: the streams are such files, and several processes may hold the same one.
        nameless = {_key(about): about for about in (os.fstat(stream.fileno()) for stream in self.streams)}
        for one in members.values():
            nameless |= _deleted_but_open(one.place)
        size += sum(about.st_blocks * BLOCK for about in nameless.values())
        return size > most or entries > MOST_ENTRIES


def effort_of(root: int) -> tuple[float | None, bool]:
    """What `Effort.look` asks of a process and its descendants: processor time, whether they want more."""
    found = tree(root)
    return _cpu_s(found), _want_more(found)


def _cpu_s(members: dict[int, Member]) -> float | None:
    return sum(one.cpu_s for one in members.values()) if members else None


def _want_more(members: dict[int, Member]) -> bool:
    return any(_waits(pid) for pid in members)


def ended_for_memory() -> int:
    """How many processes of this machine Linux has ended because memory ran out; 0 where it doesn't tell."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def tree(root: int, most: int = 1_000_000) -> dict[int, Member]:
    """A process and all its living descendants; empty where there is no /proc.

    The kernel's lists of children cost nothing for all the other processes of a machine. They may miss one while
    another ends, which the next look finds.

    Args:
        root: The process.
        most: Stops at more than so many: of a fork bomb nobody needs the whole.
    """
    if not _lists_children():
        return whole_tree(root)
    found: dict[int, Member] = {}
    waiting = [root]
    while waiting and len(found) <= most:
        pid = waiting.pop()
        with contextlib.suppress(OSError, ValueError, IndexError):
            waiting += [child for child in _children(pid) if child not in found]
            if member := _member(pid)[1]:
                found[pid] = member
    return found


def _read(path: str) -> bytes:
    """Reads a file of /proc in less than half the time that pathlib takes: it happens thousands of times a second."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, 1 << 16):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _children(pid: int) -> list[int]:
    lists = [_read(f"/proc/{pid}/task/{thread}/children").split() for thread in _threads(pid)]
    return [int(child) for each in lists for child in each]


def _threads(pid: int) -> list[str]:
    return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 (runs many times a second)


def _stat(place: str) -> list[bytes]:
    """Fields of a process's or a thread's `stat`, from its state on (proc(5) counts that as the third)."""
    return _read(f"{place}/stat").rpartition(b")")[2].split()


def _member(pid: int) -> tuple[int, Member | None]:
    """A process's parent, and what it is; nothing for one that has ended and only waits for its parent to notice.

    A process whose first thread has ended looks as if it were over, and shows neither memory nor open files, while
    its other threads go on: there, one of those is asked.
    """
    place = f"/proc/{pid}"
    fields = _stat(place)
    parent, threads = int(fields[1]), int(fields[17])
    if fields[0] == b"Z":
        left = [f"{place}/task/{thread}" for thread in _threads(pid) if thread != str(pid)]
        if not left:
            return parent, None
        place = left[0]
    return parent, Member(threads, sum(int(ticks) for ticks in fields[11:15]) / TICKS, place)


def _waits(pid: int) -> bool:
    """Whether one of its threads is to run, or waits for what can't be interrupted."""
    with contextlib.suppress(OSError, IndexError):
        return any(_stat(f"/proc/{pid}/task/{thread}")[0] in (b"R", b"D") for thread in _threads(pid))
    return False


def whole_tree(root: int) -> dict[int, Member]:
    """As `tree`, from a look at every process of the machine, which misses none."""
    if sys.platform != "linux":
        return {}
    all_of_them: dict[int, Member] = {}
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                parent, member = _member(int(name))
                if member:
                    all_of_them[int(name)] = member
                    children.setdefault(parent, []).append(int(name))
    found: dict[int, Member] = {}
    waiting = [root] if root in all_of_them else []
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found[pid] = all_of_them[pid]
            waiting += children.get(pid, [])
    return found


def end(root: int) -> None:
    """Kills a process's descendants until none is left, then the process and its group."""
    deadline = time.monotonic() + KILL_S
    _end_at_once(root)
    # From below: the root holds a namespace together, or inherits the orphans, which keeps them findable.
    while time.monotonic() < deadline:
        left = [pid for pid in whole_tree(root) if pid != root]
        if not left:
            break
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(root, signal.SIGKILL)


def _end_at_once(root: int) -> None:
    """Kills the root's own children and their groups.

    A fork bomb grows faster than anyone can count it. The kernel ends a whole namespace with its first process,
    and a whole group with one signal, and forks that are under way fail.
    """
    if not _lists_children():
        return
    with contextlib.suppress(OSError, ValueError):
        for child in _children(root):
            with contextlib.suppress(OSError):
                if os.getpgid(child) == child:
                    os.killpg(child, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)


@functools.cache
def _lists_children() -> bool:
    """Whether this kernel was built with CONFIG_PROC_CHILDREN."""
    return sys.platform == "linux" and Path(f"/proc/self/task/{threading.get_native_id()}/children").exists()


def _resident(place: str) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(_read(f"{place}/statm").split()[1])
    return 0


def _share(place: str, counted: int) -> int:
    """A process's proportional share of memory, swapped out included; `counted` where it may not be read."""
    try:
        lines = Path(f"{place}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Pss:", "SwapPss:")))
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile, and its pages with it
        return 0 if not Path(place).exists() or not _resident(place) else counted
    except (OSError, ValueError, IndexError):
        return counted


def _deleted_but_open(place: str) -> dict[tuple[int, int], os.stat_result]:
    found = {}
    with contextlib.suppress(OSError), os.scandir(f"{place}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                about = os.stat(entry.path)  # noqa: PTH116
                if stat.S_ISREG(about.st_mode) and not about.st_nlink:
                    found[_key(about)] = about
    return found


def _key(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino


def _size_of(folder: Path, most: int) -> tuple[int, int]:
    """Bytes on disk and entries below a folder; stops early above `most` (if that is not negative)."""
    size = entries = 0
    waiting = [str(folder)]
    while waiting and entries <= MOST_ENTRIES and (most < 0 or size <= most):
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as found:
            for entry in found:
                entries += 1
                with contextlib.suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_blocks * BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                if entries > MOST_ENTRIES:
                    break
    return size, entries
