"""Attacks that a tier must withstand before it is claimed: `python -I -S attempts.py PLACES`.

Runs inside a tier, started by `probe`, and really tries; nothing that succeeds does harm. Prints a JSON
object: attempt -> "" where it was refused, or what it got hold of.

    places    {"port": N, "secret": FILE, "outside": FOLDER, "package": FILE, "pid": N, "nodes": [FILE, ...],
               "variables": [NAME, ...]}
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import socket
import sys
from typing import Any

PTRACE = {"x86_64": 101, "aarch64": 117}
CALLS = {
    # Arguments are such that a kernel which lets the call through complains of them: nothing happens either way.
    "mount": {"x86_64": 165, "aarch64": 40},
    "bpf": {"x86_64": 321, "aarch64": 280},
    "userfaultfd": {"x86_64": 323, "aarch64": 282},
    "io_uring_setup": {"x86_64": 425, "aarch64": 425},
    "perf_event_open": {"x86_64": 298, "aarch64": 241},
    "keyctl": {"x86_64": 250, "aarch64": 219},
    "ptrace": PTRACE,
}
REFUSED = (errno.EPERM, errno.ENOSYS)
OF_THE_START = ("LC_CTYPE", "PWD")  # Python and bubblewrap set these themselves


def main(places: dict[str, Any]) -> dict[str, str]:
    """Makes all attempts; returns what each got."""
    attempts = {
        "network": lambda: _connect(places["port"]),
        "files of others": lambda: _read(places["secret"]),
        "writing outside its folder": lambda: _write(places["outside"] + "/written"),
        "writing to the grader": lambda: _append(places["package"]),
        "signals to others": lambda: _signal(places["pid"]),
        "GPU and other devices": lambda: _open_nodes(places["nodes"]),
        "settings of the kernel": lambda: _append("/proc/sys/kernel/core_pattern"),
        "system calls": _calls,
        "open files of the grader": _descriptors,
        "environment of the grader": lambda: ", ".join(sorted({*os.environ} - {*places["variables"], *OF_THE_START})),
    }
    return {name: _try(attempt) for name, attempt in attempts.items()}


def _try(attempt: Any) -> str:
    with contextlib.suppress(OSError):
        return str(attempt())
    return ""


def _connect(port: int) -> str:
    socket.create_connection(("127.0.0.1", port), 1).close()
    return "connected to this machine"


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 (no pathlib: it starts faster without)
        return f"read {file.read()}"


def _write(path: str) -> str:
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write("here")
    return f"wrote {path}"


def _append(path: str) -> str:
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
    return f"may write {path}"


def _signal(pid: int) -> str:
    os.kill(pid, 0)  # only asks whether it may
    return f"may signal {pid}"


def _open_nodes(nodes: list[str]) -> str:
    opened = []
    for node in nodes:
        with contextlib.suppress(OSError):
            os.close(os.open(node, os.O_RDWR | os.O_NONBLOCK))
            opened.append(node)
    return ", ".join(opened)


def _calls() -> str:
    library, machine = ctypes.CDLL(None, use_errno=True), os.uname().machine
    passed = []
    for name, numbers in CALLS.items():
        wrong = ctypes.c_long(-1)
        if library.syscall(ctypes.c_long(numbers[machine]), wrong, wrong, wrong, wrong, wrong) >= 0:
            passed.append(name)
        elif ctypes.get_errno() not in REFUSED:
            passed.append(f"{name} (error {ctypes.get_errno()})")
    return ", ".join(passed)


def _descriptors() -> str:
    found = []
    for descriptor in range(3, 256):
        with contextlib.suppress(OSError):
            os.fstat(descriptor)
            found.append(descriptor)
    return ", ".join(map(str, found))


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
