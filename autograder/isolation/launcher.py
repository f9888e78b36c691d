"""Puts walls around itself and then becomes the worker: `python -I -S -c START RECIPE`, see `process.START`.

A program of its own, with the standard library only: restrictions are set on the process that sets them, and
doing so between fork and exec of the grader, which has threads, may hang. It runs before any student code, and
exec leaves nothing of it in the worker. `process` writes the recipe (JSON):

    limits      [[resource, value], ...] for setrlimit
    linux       whether to do more than that
    supervise   stay, as the parent of all that the worker leaves behind, and end it
    spaces      flags of the namespaces to make, 0 for none
    landlock    fields of `landlock.Ruleset`, or null
    filter      a seccomp program in hexadecimal, "" for none
    command     what to become

Source: prctl(2), unshare(2), user_namespaces(7), landlock(7), seccomp(2), capset(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import struct
import sys

TYPE_CHECKING = False  # importing `typing` for the real one takes a tenth of a start
if TYPE_CHECKING:
    from typing import Any, NoReturn

FAILED = 97
"""Exit status when a wall could not be put up: then the worker is never started."""

PDEATHSIG, CAPBSET_DROP, SUBREAPER, NO_NEW_PRIVILEGES, SECCOMP = 1, 24, 36, 38, 22
SECCOMP_FILTER, PATH_BENEATH = 2, 1
CAPSET = {"x86_64": 126, "aarch64": 91}
ADD_RULE, RESTRICT_SELF, CREATE_RULESET = 445, 446, 444
OWN_PID = 0x7FFFFFF1  # as in autograder.isolation.seccomp, which this file can't import
NOBODY = 65534
NEW_USERS = 0x10000000


class _Libc:
    """System calls that Python 3.11 has no function for."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(None, use_errno=True)

    def __call__(self, name: str, *arguments: Any) -> int:
        """Calls a C function; an error is an exception that names it."""
        result: int = getattr(self.library, name)(*arguments)
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")
        return result

    def prctl(self, option: int, value: Any = 0, third: Any = 0) -> None:
        """Calls prctl."""
        self("prctl", option, ctypes.c_ulong(value) if isinstance(value, int) else value, third, 0, 0)

    def syscall(self, number: int, *arguments: Any) -> int:
        """Makes a system call by number."""
        return self("syscall", ctypes.c_long(number), *arguments)


def main(recipe: dict[str, Any]) -> NoReturn:
    """Follows the recipe; does not return."""
    os.closerange(3, 65536)
    if not recipe["linux"]:
        _limit(recipe["limits"], strict=False)
        os.execv(recipe["command"][0], recipe["command"])
    libc = _Libc()
    libc.prctl(PDEATHSIG, signal.SIGKILL)
    if recipe["spaces"]:
        _unshare(libc, recipe["spaces"])
    if not recipe["supervise"]:
        _restrict(libc, recipe)
        os.execv(recipe["command"][0], recipe["command"])
    libc.prctl(SUBREAPER, 1)
    child = os.fork()
    if child:
        os._exit(_supervise(child))
    os.setpgid(0, 0)  # a group without the supervisor, so that one signal ends all of it
    if recipe["spaces"]:
        # The first process of a namespace ignores signals and inherits orphans: no place for a worker.
        _restrict(libc, recipe)
        if child := os.fork():
            os._exit(_wait_for(child))
        libc.prctl(PDEATHSIG, signal.SIGKILL)
    else:
        _restrict(libc, recipe)
    os.execv(recipe["command"][0], recipe["command"])


def _supervise(child: int) -> int:
    """Waits for the worker, then ends whatever it left."""
    status = _wait_for(child)
    while True:
        for left in _children():
            with contextlib.suppress(OSError):
                os.kill(left, signal.SIGKILL)
        try:
            os.wait()
            while os.waitpid(-1, os.WNOHANG)[0]:  # of many, all that ended: looking for them again takes long
                pass
        except ChildProcessError:
            return status


def _wait_for(child: int) -> int:
    """Waits for one child, and buries whatever else ends meanwhile; its status as a shell says it."""
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code


def _children() -> list[int]:
    """Own children, orphans of the worker included."""
    found, own = [], os.getpid()
    for name in os.listdir("/proc"):  # noqa: PTH208 (pathlib takes as long to import as all the rest)
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{int(name)}/stat", "rb") as file:  # noqa: PTH123
                fields = file.read().rpartition(b")")[2].split()
            if int(fields[1]) == own:
                found.append(int(name))
    return found


def _unshare(libc: _Libc, flags: int) -> None:
    user, group = os.getuid(), os.getgid()
    libc("unshare", flags)
    if flags & NEW_USERS:
        # Root is nobody inside: an exec by root would get all its powers back.
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user or NOBODY} {user} 1")
        _write("/proc/self/gid_map", f"{group or NOBODY} {group} 1")


def _restrict(libc: _Libc, recipe: dict[str, Any]) -> None:
    libc.prctl(PDEATHSIG, signal.SIGKILL)
    _limit(recipe["limits"], strict=True)
    _drop_capabilities(libc)
    libc.prctl(NO_NEW_PRIVILEGES, 1)
    if recipe["landlock"]:
        _landlock(libc, recipe["landlock"])
    if recipe["filter"]:
        _filter(libc, with_own_pid(bytes.fromhex(recipe["filter"]), os.getpid()))


def _limit(limits: list[list[int]], *, strict: bool) -> None:
    import resource

    for kind, value in limits:
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):
            if strict:
                raise
            # macOS refuses to limit the address space: docs/security.md says so.


def _drop_capabilities(libc: _Libc) -> None:
    for capability in range(64):
        with contextlib.suppress(OSError):
            libc.prctl(CAPBSET_DROP, capability)
    if number := CAPSET.get(os.uname().machine):
        header, none = struct.pack("=Ii", 0x20080522, 0), bytes(24)  # version 3, this process
        libc.syscall(number, header, none)


def _landlock(libc: _Libc, rules: dict[str, Any]) -> None:
    attributes = struct.pack("=QQQ", rules["files"], rules["network"], rules["scopes"])[: rules["size"]]
    ruleset = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
    for path, rights in rules["rules"]:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:  # bubblewrap does not show it: nothing to grant
            continue
        rule = struct.pack("=Qi", rights, descriptor)
        libc.syscall(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(PATH_BENEATH), rule, ctypes.c_uint(0))
        os.close(descriptor)
    libc.syscall(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    os.close(ruleset)


def _filter(libc: _Libc, program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    libc.prctl(SECCOMP, SECCOMP_FILTER, ctypes.byref(header))


def with_own_pid(program: bytes, pid: int) -> bytes:
    """Fills in the one number of a filter that is not known before."""
    steps = struct.iter_unpack("=HBBI", program)
    return b"".join(struct.pack("=HBBI", *step[:3], pid if step[3] == OWN_PID else step[3]) for step in steps)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)


def start() -> None:
    """Reads the recipe from the command line; what can't be done ends the process before any student code runs."""
    try:
        main(json.loads(sys.argv[1]))
    except OSError as problem:
        print(f"isolation failed: {problem}", file=sys.stderr, flush=True)
        os._exit(FAILED)
