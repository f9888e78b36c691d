"""Landlock: what a process may do with files, granted by path; no privileges and nothing installed.

A process under Landlock opens what lies below the granted paths and nothing else. It can still learn from
`stat` that a file exists. Rights that an older kernel doesn't know are left out: docs/security.md lists them.

Source: the kernel's Documentation/userspace-api/landlock.rst; constants from linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import functools
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

CREATE_RULESET = 444
"""The same number on every architecture; add_rule and restrict_self follow it."""

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (
    1 << bit for bit in range(4, 13)
)
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

READ = EXECUTE | READ_FILE | READ_DIR
WORK = READ_FILE | READ_DIR | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE
"""In the worker's folder: all but running programs and making devices, sockets and pipes."""

OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""Rights that a file, and not only a folder, can be granted."""


@dataclass(frozen=True)
class Ruleset:
    """What the launcher hands to the kernel.

    Attributes:
        files: Rights on files that are refused unless a rule grants them.
        network: The same for TCP: all of it (bind, connect) where the kernel knows it.
        scopes: Reach outside the sandbox that is cut: abstract sockets and signals.
        size: Bytes of the kernel's structure at this version.
        rules: (path, rights).
    """

    files: int
    network: int
    scopes: int
    size: int
    rules: tuple[tuple[str, int], ...]


@functools.cache
def version() -> int:
    """This kernel's Landlock ABI; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    found = ctypes.CDLL(None, use_errno=True).syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    return max(0, int(found))


def ruleset(abi: int, readable: Sequence[str], devices: Iterable[str], folder: Path) -> Ruleset:
    """Composes the rules of a worker.

    Args:
        abi: From `version`.
        readable: Files and folders to read and run; those that don't exist are left out.
        devices: Device nodes to read and write.
        folder: To work in.
    """
    known = IOCTL_DEV * 2 - 1
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        if abi < since:
            known &= ~right
    wanted = [*((path, READ) for path in readable), *((path, READ_FILE | WRITE_FILE | TRUNCATE) for path in devices)]
    wanted.append((str(folder), WORK))
    rules = []
    for path, rights in wanted:
        try:
            is_folder = stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116 (one look, link or not)
        except OSError:
            continue
        rules.append((path, rights & known if is_folder else rights & known & OF_FILES))
    network, scopes = (3 if abi >= 4 else 0), (3 if abi >= 6 else 0)
    return Ruleset(known, network, scopes, 8 if abi < 4 else 16 if abi < 6 else 24, tuple(rules))
