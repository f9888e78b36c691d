"""Limits of one worker: for each of its processes from the kernel, for all of them together from `watch`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

OPEN_FILES = 512
"""A worker has its streams, one file of events and one array open."""


@dataclass(frozen=True)
class Limits:
    """Limits of one worker.

    Attributes:
        own_s: Seconds of its own to kill: those in which it computes or idles, see `autograder.isolation.effort`.
        quiet_s: Seconds of its own without a sign of progress to kill.
        patience_s: Seconds in which it is kept waiting, by a busy machine, until the grader gives up on the machine.
        memory_bytes: Address space of a process. Numba and LLVM map much more than they use.
        total_memory_bytes: What all its processes use together; a worker of Lab 1 uses 0.3 GiB.
        file_bytes: Size of any file that it writes.
        disk_bytes: What it writes in all, deleted files that it keeps open included.
        processes: Processes and threads; a worker needs one.
    """

    own_s: float = 120.0
    quiet_s: float = 30.0
    patience_s: float = 600.0
    memory_bytes: int = 8 * 2**30
    total_memory_bytes: int = 4 * 2**30
    file_bytes: int = 256 * 2**20
    disk_bytes: int = 2**30
    processes: int = 256


def for_kernel(limits: Limits, *, own_users: bool) -> list[tuple[int, int]]:
    """Limits as (resource, value) for `setrlimit`, none above what the account itself has.

    Args:
        limits: The limits.
        own_users: Whether the worker gets a user namespace. There its processes are counted from zero;
            elsewhere the kernel counts all of the account's, a browser's too.
    """
    import resource

    processes = limits.processes if own_users else limits.processes + _threads_of(os.getuid())
    wanted = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_CPU: int(limits.own_s) * 4 + 1,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_NPROC: processes,
    }
    found = []
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        found.append((kind, value if hard == resource.RLIM_INFINITY else min(value, hard)))
    return found


def _threads_of(user: int) -> int:
    """Counts the threads that an account runs now; on a system without /proc a generous number."""
    if sys.platform != "linux":
        return 4096
    count = 0
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and process.stat().st_uid == user:
                count += len(os.listdir(process / "task"))  # noqa: PTH208 (names are enough)
        except OSError:  # it ended meanwhile
            continue
    return count
