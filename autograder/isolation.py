"""Runs a worker process under limits, in the strongest isolation that this machine offers.

Tiers, probed by trying them, not by looking for files:

- `strong`: bubblewrap. Namespaces of its own (processes, network, IPC, users), no network, the
  system and the packages read-only, one writable folder, an empty home; plus the limits below.
- `none`: limits only. Memory, CPU time, file size, processes; a process group of its own that is
  killed whole. It stops accidents, not attackers: untrusted submissions are refused without a flag.

Both: no GPU device nodes are needed or used, environment variables are not handed on, standard
input is empty, output goes to capped files without a name. What trusted code reads from a worker's
folder or writes to it goes through `read_regular` and `write_new`: a link that a worker left there
must not lead to another file. docs/security.md says what each tier covers.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gpulabs.errors import MissingError

KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "CUDA_HOME", "CUDA_PATH")
"""What a worker inherits: enough to find Python, libraries and CUDA's compiler."""


@dataclass(frozen=True)
class Tier:
    """An isolation tier: `strong` or `none`, and one line on what it covers."""

    name: str
    description: str


@dataclass(frozen=True)
class Limits:
    """Limits of one worker process.

    Attributes:
        wall_s: Seconds from start to kill.
        quiet_s: Seconds without a sign of progress to kill.
        memory_bytes: Address space. Numba and LLVM map much more than they use.
        file_bytes: Size of any file that it writes.
        processes: Processes and threads of the user; a simulated block takes up to 1,024.
    """

    wall_s: float = 120.0
    quiet_s: float = 30.0
    memory_bytes: int = 8 * 2**30
    file_bytes: int = 256 * 2**20
    processes: int = 4096


@dataclass(frozen=True)
class Ending:
    """How a worker ended: `done`, `failed`, `quiet` (no progress), `late` (wall time) and its exit status."""

    how: str
    status: int
    stderr: str


def require_posix() -> None:
    """Refuses to go on where there are no process groups and no limits.

    Raises:
        MissingError: On Windows.
    """
    if os.name == "nt":
        raise MissingError("grading needs Linux or macOS: on Windows work in WSL (wsl --install), where all of it runs")


@functools.cache
def tier() -> Tier:
    """The strongest tier that works here, found by running `true` in it."""
    bwrap = shutil.which("bwrap")
    if bwrap:
        with tempfile.TemporaryDirectory() as folder:
            command = _bubblewrap(bwrap, Path(folder), [sys.executable, "-c", "pass"])
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                if subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0:
                    return Tier(
                        "strong", "bubblewrap: own namespaces, no network, read-only system, one writable folder"
                    )
    return Tier("none", "a plain process with limits: stops accidents, not attackers")


def run(
    module: str,
    folder: Path,
    limits: Limits,
    *,
    signs: Path | None = None,
    tier_name: str | None = None,
    stop: threading.Event | None = None,
) -> Ending:
    """Runs `python -m MODULE FOLDER` and waits for it.

    Args:
        module: The module to run.
        folder: The only folder that it may write; its working directory.
        limits: Limits.
        signs: A file whose growth is a sign of progress.
        tier_name: `strong` or `none`; the strongest that works by default.
        stop: Ends the worker when another thread sets it.

    Returns:
        How it ended. Never raises for what the worker does.
    """
    # -P: nothing that an earlier worker left in the folder may be imported.
    command = [sys.executable, "-s", "-P", "-m", module, str(folder)]
    if (tier_name or tier().name) == "strong":
        command = _bubblewrap(shutil.which("bwrap") or "bwrap", folder, command)
    # No name in the folder: the worker could put a link to any file of this account in its place.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            env=_environment(folder),
            start_new_session=True,
            preexec_fn=functools.partial(_apply, limits),
        )
        how = _wait(process, limits, signs, stop)
        return Ending(how, process.returncode, _tail(err))


def read_regular(path: Path, most: int) -> bytes:
    """Reads a file that a worker may have made; empty for a link, a pipe, a folder, or nothing.

    Args:
        path: Where it should be.
        most: Bytes to read at most.
    """
    try:
        # Without O_NONBLOCK, opening a pipe would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)


def write_new(path: Path, content: bytes) -> None:
    """Writes a file in a worker's folder, in place of whatever a worker may have left under its name."""
    clear(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def clear(path: Path) -> None:
    """Removes what lies under a name, a folder included; a link itself and not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _wait(process: subprocess.Popen[bytes], limits: Limits, signs: Path | None, stop: threading.Event | None) -> str:
    started = last_sign = time.monotonic()
    seen = -1
    try:
        while True:
            try:
                status = process.wait(timeout=0.05)
                return "done" if status == 0 else "failed"
            except subprocess.TimeoutExpired:
                now = time.monotonic()
            size = _size(signs)
            if size != seen:
                seen, last_sign = size, now
            if now - started > limits.wall_s:
                return "late"
            if now - last_sign > limits.quiet_s:
                return "quiet"
            if stop and stop.is_set():
                return "late"
    finally:
        # The whole group, so that nothing a submission started stays behind.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _size(signs: Path | None) -> int:
    try:
        return signs.lstat().st_size if signs else 0
    except OSError:
        return 0


def _apply(limits: Limits) -> None:
    import resource

    for kind, wanted in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_CPU, int(limits.wall_s) * 4 + 1),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, limits.processes),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(kind, (limit, limit))
        except (ValueError, OSError):
            if sys.platform == "linux":
                raise
            # macOS refuses to limit the address space: docs/security.md says so.


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    paths = [path for path in dict.fromkeys(sys.path) if path and Path(path).is_dir()]
    return kept | {
        "PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "CUDA_VISIBLE_DEVICES": "",
        "NUMBA_CACHE_DIR": str(folder / "numba-cache"),
        "OMP_NUM_THREADS": "1",
    }


def _readable() -> list[str]:
    """What Python needs to see: system libraries, its own installation, every folder it imports from."""
    wanted = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/alternatives", "/opt"]
    wanted += [sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent)]
    wanted += [str(Path(path).resolve()) for path in sys.path if path]
    wanted += [str(Path(path)) for path in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if path]
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        wanted += [os.environ[variable]] if os.environ.get(variable) else []
    there = [path for path in dict.fromkeys(wanted) if Path(path).exists()]
    whole = [Path(path) for path in there if not Path(path).is_symlink()]
    # What lies in a folder that is bound already is there with it.
    return [path for path in there if not any(parent in whole for parent in Path(path).parents)]


def _bubblewrap(bwrap: str, folder: Path, command: Sequence[str]) -> list[str]:
    arguments = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for path in _readable():
        if Path(path).is_symlink():
            arguments += ["--symlink", str(Path(path).readlink()), path]
        else:
            arguments += ["--ro-bind", path, path]
    # The writable folder comes last: it may lie below a read-only one.
    return [*arguments, "--bind", str(folder), str(folder), "--chdir", str(folder), "--", *command]


def _tail(file: IO[bytes], size: int = 4000) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - size))
    return file.read().decode("utf-8", "replace")
