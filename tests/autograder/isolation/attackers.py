"""Runs a few lines of hostile Python behind the walls of a tier, without the worker: a start costs 0.05 s."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import psutil

from autograder.isolation import Ending, Limits, Tier, run_in

TIERS = {
    "strong": Tier("strong", ""),
    "old": Tier("strong", ""),  # bubblewrap on a kernel without Landlock
    "medium": Tier("medium", "", spaces=True),
    "bare": Tier("medium", "", spaces=False),  # the medium tier where a kernel makes no namespaces
    "none": Tier("none", ""),
}
WALLS = ("strong", "old", "medium", "bare")

PRELUDE = """
import errno, os, sys
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
def tries(what, act, *arguments):
    try:
        say(what, "GOT", act(*arguments))
    except OSError as error:
        say(what, errno.errorcode.get(error.errno, error.errno))
"""


def attack(tier: str, folder: Path, code: str, /, extra: tuple[Path, ...] = (), **limits: float) -> tuple[Ending, str]:
    """Runs code in a tier; returns how it ended and what it said."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-I", "-S", "-c", PRELUDE + textwrap.dedent(code)]
    bounds = Limits(**({"own_s": 10.0, "quiet_s": 10.0} | limits))  # type: ignore[arg-type]
    ending = run_in(TIERS[tier], command, folder, bounds, extra=extra)
    return ending, ending.output[:2000].decode("utf-8", "replace")


def alive(mark: str) -> list[int]:
    """Processes whose command line holds a mark."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if mark in " ".join(process.info["cmdline"] or ()) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]
