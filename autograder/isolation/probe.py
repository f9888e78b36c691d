"""Finds the strongest tier that holds here: each is tried with attacks, and claimed only if it stopped all of them.

Looking for files or versions would tell what a machine should be able to do. Containers, AppArmor profiles and
kernels built without a feature make the difference, so `attempts` is run in the tier itself.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from autograder.isolation import attempts, landlock, seccomp, view
from autograder.isolation.limits import Limits
from autograder.isolation.process import run_in
from autograder.isolation.tiers import AUTO, MEDIUM, NAMES, NONE, STRONG, Tier
from gpulabs.errors import BadInputError, MissingError

VARIABLE = "GPULABS_ISOLATION"
"""Forces a tier; set by `--isolation`."""

# Opened only to see whether it is refused; others, a watchdog say, act on being opened.
NODES = ("nvidia*", "nvidia-caps/*", "dri/render*", "kfd", "kvm", "fuse", "net/tun")
PROBE_LIMITS = Limits(own_s=20.0, quiet_s=20.0)

ADVICE = {
    STRONG: "install bubblewrap (Debian, Ubuntu: apt install bubblewrap) where user namespaces are allowed",
    MEDIUM: "it needs Linux 5.13 or later with Landlock enabled, on x86_64 or aarch64",
}
STRONG_TEXT = "bubblewrap and a system call filter: own namespaces, no network, no devices, one folder, limits watched"
MEDIUM_TEXT = "Landlock and a system call filter: no network, no devices, one folder, limits watched"
NONE_TEXT = "a plain process with limits: stops accidents, not attackers"


@dataclass(frozen=True)
class Found:
    """A tier, or why there is none of that name here."""

    tier: Tier | None
    reason: str = ""


def tier(wanted: str | None = None) -> Tier:
    """The tier that workers run in.

    Args:
        wanted: `strong`, `medium`, `none`, or `auto` for the strongest that holds; by default what the
            environment variable GPULABS_ISOLATION says, and `auto` where it is not set.

    Raises:
        BadInputError: There is no such tier.
        MissingError: This machine can't give the one that was asked for.
    """
    name = wanted or os.environ.get(VARIABLE) or AUTO
    if name not in (*NAMES, AUTO):
        raise BadInputError(f"isolation {name!r}: expected one of {', '.join((*NAMES, AUTO))}")
    missed: list[str] = []
    for candidate in NAMES if name == AUTO else (name,):
        found = find(candidate)
        if found.tier:
            missing = "".join(f"; not here: {reason}" for reason in missed)
            return Tier(found.tier.name, found.tier.description + missing, found.tier.spaces)
        missed.append(f"{candidate} ({found.reason})")
    raise MissingError(
        f"isolation {name} is not possible here: {find(name).reason}; {ADVICE[name]}, or say --isolation auto"
    )


def choose(name: str) -> Tier:
    """Forces a tier for this process and those that it starts; the command line's `--isolation`.

    Raises:
        BadInputError: There is no such tier.
        MissingError: This machine can't give it.
    """
    found = tier(name)
    os.environ[VARIABLE] = name
    return found


@functools.cache
def find(name: str) -> Found:
    """Tries a tier once; see `tier`."""
    if name == NONE:
        return Found(Tier(NONE, NONE_TEXT))
    if name == STRONG:
        return _strong()
    return _medium()


def _strong() -> Found:
    if not shutil.which("bwrap"):
        return Found(None, "bwrap is not installed")
    if not seccomp.program(own_processes=True):
        return Found(None, "no system call filter for this processor")
    tried = Tier(STRONG, STRONG_TEXT)
    reason = broken(tried)
    return Found(None, reason) if reason else Found(tried)


def _medium() -> Found:
    abi = landlock.version()
    if not abi:
        return Found(None, "this kernel has no Landlock")
    if not seccomp.program(own_processes=True):
        return Found(None, "no system call filter for this processor")
    refused = broken(Tier(MEDIUM, "", spaces=True))
    if not refused:
        return Found(Tier(MEDIUM, f"{MEDIUM_TEXT}, own namespaces (Landlock {abi})", spaces=True))
    tried = Tier(MEDIUM, f"{MEDIUM_TEXT} (Landlock {abi}); no namespaces here: {refused}")
    reason = broken(tried)
    return Found(None, reason) if reason else Found(tried)


def broken(tried: Tier) -> str:
    """Attacks a tier; empty when it withstood everything, otherwise what went wrong."""
    program = str(Path(attempts.__file__).resolve())
    with tempfile.TemporaryDirectory(prefix="gpulabs-probe-") as name, _service() as server:
        outside, folder = Path(name).resolve(), Path(name).resolve() / "folder"
        folder.mkdir()
        (outside / "secret").write_text("a secret")
        places = {
            "port": server.getsockname()[1] if server else 9,
            "secret": str(outside / "secret"),
            "outside": str(outside),
            "package": program,
            "pid": os.getpid(),
            "variables": sorted(view.environment(folder)),
            "nodes": sorted(str(path) for pattern in NODES for path in Path("/dev").glob(pattern)),
        }
        command = [sys.executable, "-I", "-S", program, json.dumps(places)]
        try:
            ending = run_in(tried, command, folder, PROBE_LIMITS)
        except OSError as error:
            return str(error)[:200]
    try:
        got = json.loads(ending.output)
    except ValueError:
        return (ending.stderr.strip().splitlines() or ["it does not start"])[-1][:200]
    gained = [f"{attempt}: {loot}" for attempt, loot in got.items() if loot]
    return f"it let through {'; '.join(gained)}"[:300] if gained else ""


def _service() -> socket.socket | contextlib.nullcontext[None]:
    """Something to connect to; nothing where the grader itself has no network."""
    try:
        return socket.create_server(("127.0.0.1", 0))
    except OSError:
        return contextlib.nullcontext()
