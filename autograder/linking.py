"""nvJitLink itself, as a program that may die: `python -m autograder.linking < request > answers`.

The assembler is a large C library fed with untrusted text, so every kernel gets a process of its own,
with a limit of time and memory: a text that makes it crash, hang or eat memory loses that kernel and
nothing else. `assemble` runs all of it in the sandbox of student code, where a text that took it over would
stay. (And CUDA 13's nvJitLink reports spills for the first kernel of a process only.)

    request    {"architecture": "sm_90", "seconds": 30, "ptx": {KEY: TEXT, ...}}
    answers    one line a kernel: {"key": KEY, "cubin": BASE64 or null, "log": TEXT}
               or {"key": KEY, "ended": WHY} when its process did not live to say so
               or {"error": {"type": NAME, "message": TEXT}}: the grader's own failure
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TextIO

from gpulabs.errors import GpulabsError, GraderError, MissingPackageError

MEMORY_BYTES = 8 << 30

Link = Callable[[str, str], tuple[bytes | None, str]]


def link(ptx: str, architecture: str) -> tuple[bytes | None, str]:
    """Runs nvJitLink on one PTX text; returns the cubin, or None, and the assembler's log.

    Raises:
        MissingPackageError: nvJitLink or its Python bindings are not installed.
        GraderError: nvJitLink doesn't know the architecture.
    """
    nvjitlink = _nvjitlink()
    try:
        handle = nvjitlink.create(3, [f"-arch={architecture}", "-verbose", "-Xptxas=-v"])
    except nvjitlink.nvJitLinkError as error:
        raise GraderError(f"assemble: nvJitLink does not know {architecture} ({error}); update CUDA") from error
    try:
        data = ptx.encode()
        try:
            nvjitlink.add_data(handle, nvjitlink.InputType.PTX, data, len(data), "kernel.ptx")
            nvjitlink.complete(handle)
        except nvjitlink.nvJitLinkError:
            return None, _logs(nvjitlink, handle)
        cubin = bytearray(nvjitlink.get_linked_cubin_size(handle))
        nvjitlink.get_linked_cubin(handle, cubin)
        return bytes(cubin), _logs(nvjitlink, handle)
    finally:
        nvjitlink.destroy(handle)


def main(source: TextIO, answers: TextIO, linker: Link = link) -> int:
    """Answers a request; returns the exit status."""
    request = json.load(source)
    for key, ptx in request["ptx"].items():
        if hasattr(os, "fork"):
            _in_own_process(key, ptx, request, answers, linker)
        else:
            _answer(key, ptx, request["architecture"], answers, linker)
    return 0


def _in_own_process(key: str, ptx: str, request: dict[str, Any], answers: TextIO, linker: Link) -> None:
    answers.flush()
    child = os.fork()
    if child == 0:
        try:
            # The kernel ends it, even in the middle of the library; no right to send signals is needed. Processor
            # time: a busy machine must not make a right kernel one that doesn't compile.
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, request["seconds"])
            _limit_memory()
            _answer(key, ptx, request["architecture"], answers, linker)
            os._exit(0)
        finally:  # whatever happened, never on into the parent's code
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        _say(answers, {"key": key, "ended": f"the assembler is not done with it after {request['seconds']:g} s"})
    elif status:
        _say(answers, {"key": key, "ended": "the assembler crashed on it or ran out of memory"})


def _answer(key: str, ptx: str, architecture: str, answers: TextIO, linker: Link) -> None:
    try:
        cubin, log = linker(ptx, architecture)
    except GpulabsError as error:
        _say(answers, {"error": {"type": type(error).__name__, "message": str(error)}})
        return
    _say(answers, {"key": key, "cubin": base64.b64encode(cubin).decode() if cubin else None, "log": log})


def _say(answers: TextIO, line: dict[str, Any]) -> None:
    answers.write(json.dumps(line) + "\n")
    answers.flush()


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _nvjitlink() -> Any:
    try:
        from cuda.bindings import nvjitlink

        nvjitlink.version()  # finds the library itself, not only its bindings
    except Exception as error:
        raise MissingPackageError(
            f'assembling kernels needs nvJitLink: pip install "numba-cuda[cu12]" ({error})'
        ) from error
    return nvjitlink


def _logs(nvjitlink: Any, handle: Any) -> str:
    logs = []
    for size, read in (
        (nvjitlink.get_error_log_size, nvjitlink.get_error_log),
        (nvjitlink.get_info_log_size, nvjitlink.get_info_log),
    ):
        if length := size(handle):
            buffer = bytearray(length)
            read(handle, buffer)
            logs.append(buffer.rstrip(b"\0").decode(errors="replace"))
    return "\n".join(logs)


if __name__ == "__main__":
    # The library may print: it gets stderr for stdout.
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with contextlib.suppress(MissingPackageError):
        _nvjitlink()  # once, before the forks, so that each need not search for the library
    sys.exit(main(sys.stdin, stream))
