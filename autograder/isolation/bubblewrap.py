"""The strong tier's walls: a bubblewrap command line.

Namespaces of its own for users, processes, network, IPC, host name and mounts. In the new root there is what
`view` names, read-only; /proc of its own processes; a /dev with null, zero, random and no GPU; and one writable
folder. The root itself and /dev are memory file systems that nobody would limit, so they are read-only as well.
So is /proc: where the grader runs as root, a worker is still root to the files in /proc/sys, whatever namespace it
is in, and bubblewrap 0.8 leaves them writable; kernel.core_pattern alone would give it the machine.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from autograder.isolation.view import SYSTEM


def command(program: str, folder: Path, readable: Sequence[str], inner: Sequence[str]) -> list[str]:
    """Composes the command line.

    Args:
        program: The path of `bwrap`.
        folder: The one writable folder, and the working directory.
        readable: Paths to show read-only.
        inner: What to run inside.
    """
    line = [program, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    line += ["--proc", "/proc", "--dev", "/dev", "--dir", "/tmp"]
    for path in readable:
        if path in SYSTEM and Path(path).is_symlink():
            line += ["--symlink", str(Path(path).readlink()), path]  # /lib -> usr/lib, which is shown
        else:
            line += ["--ro-bind", path, path]
    # The writable folder comes last: it may lie below a read-only one.
    line += ["--bind", str(folder), str(folder), "--remount-ro", "/dev", "--remount-ro", "/proc", "--remount-ro", "/"]
    return [*line, "--chdir", str(folder), "--", *inner]


def has_own_users(program: str) -> bool:
    """Whether it makes a user namespace: one that is set-uid root may do without."""
    return not os.stat(program).st_mode & stat.S_ISUID  # noqa: PTH116
