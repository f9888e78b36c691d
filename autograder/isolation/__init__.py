"""Runs student Python behind walls, in the strongest tier that holds on this machine.

Tiers, each tried with real attacks (`probe`) before it is claimed:

- `strong`: bubblewrap. Namespaces of its own (users, processes, network, IPC, mounts): it sees Python, the
  packages and one folder, and nothing else exists. Plus a system call filter.
- `medium`: nothing installed. Landlock decides which files open, the filter refuses sockets and signals to
  others; namespaces where the kernel lets an account make them. It can tell that a file exists.
- `none`: limits only. It stops accidents, not attackers: untrusted submissions are refused without a flag.

In all of them: limits for each process, a watch over all of them together, an environment made from nothing,
no open files of the grader, an end for all that was started. A worker starts through `launcher`, a small
program that puts the walls around itself and then becomes the worker. docs/security.md says what each tier
covers, what not, and which test shows it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from autograder.isolation.files import clear, read_regular, write_new
from autograder.isolation.limits import Limits
from autograder.isolation.peer import Peer
from autograder.isolation.probe import VARIABLE, choose, tier
from autograder.isolation.process import Ending, require_posix, run_in
from autograder.isolation.tiers import AUTO, NAMES, Tier

__all__ = [
    "AUTO",
    "NAMES",
    "VARIABLE",
    "Ending",
    "Limits",
    "Peer",
    "Tier",
    "choose",
    "clear",
    "read_regular",
    "require_posix",
    "run",
    "run_in",
    "tier",
    "write_new",
]


def run(
    module: str,
    folder: Path,
    limits: Limits,
    *,
    signs: Path | None = None,
    tier_name: str | None = None,
    stop: threading.Event | None = None,
    request: bytes = b"",
    extra: Sequence[Path] = (),
    peer: Peer | None = None,
) -> Ending:
    """Runs `python -m MODULE FOLDER` and waits for it.

    Args:
        module: The module to run.
        folder: The only folder that it may write; its working directory.
        limits: Limits.
        signs: A file whose growth is a sign of progress.
        tier_name: `strong`, `medium` or `none`; by default what `tier()` says.
        stop: Ends the worker when another thread sets it.
        request: What it finds on standard input.
        extra: Further folders to read and import from.
        peer: What answers it, over its standard input and output.

    Returns:
        How it ended. Never raises for what the worker does.

    Raises:
        MissingError: This machine can't give the tier that was asked for.
    """
    # -P: nothing that an earlier worker left in the folder may be imported.
    command = [sys.executable, "-s", "-P", "-m", module, str(folder.resolve())]
    chosen = tier(tier_name)
    return run_in(chosen, command, folder, limits, signs=signs, stop=stop, request=request, extra=extra, peer=peer)
