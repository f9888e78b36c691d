"""Stage 3: PTX -> cubin through nvJitLink, and what the assembler says of each kernel.

Needs neither a GPU nor a driver. PTX is untrusted text: `autograder.validate` has looked at it before,
`autograder.linking` gives each kernel a process that may die, and what the assembler refuses becomes
a fault that quotes its first complaint.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import autograder
import gpulabs
from autograder import isolation, temporary
from autograder.evidence import Fault, FaultKind, Kernel, Resources
from autograder.planning import BUSY, PATIENCE
from autograder.ptx import count_fp64, local_bytes
from gpulabs import errors
from gpulabs.errors import BusyError, GraderError

_REGISTERS = re.compile(r"[Uu]sed (\d+) registers")
_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
_STACK = re.compile(r"(\d+) bytes stack frame")
_LOCAL = re.compile(r"(\d+) bytes lmem")
_SHARED = re.compile(r"(\d+)(?:\+\d+)? bytes smem")
_COMPLAINT = re.compile(r"line (\d+); error\s*:\s*(.+)")
_ANY_ERROR = re.compile(r"(?:error|fatal)\s*:\s*(.+)", re.IGNORECASE)

START_UP_S = 60.0
MEMORY_BYTES = 8 * 2**30
"""Of the assembler and of what it writes; as `autograder.linking` limits a kernel."""

SHARED_LIMIT_BYTES = 48 * 1024
"""Static shared memory of a block that every GPU grants (CUDA programming guide, compute capabilities)."""


@dataclass(frozen=True)
class Assembled:
    """What came of a set of kernels.

    Attributes:
        cubins: Key -> (machine code, resources), for those that assembled.
        faults: Key -> fault, for those that did not.
    """

    cubins: dict[str, tuple[bytes, Resources]]
    faults: dict[str, Fault]

    def code(self) -> dict[str, bytes]:
        """Key -> machine code alone, as `autograder.launch.measure` takes it."""
        return {key: cubin for key, (cubin, _) in self.cubins.items()}


def assemble(kernels: Mapping[str, Kernel], architecture: str, seconds: float = 30.0) -> Assembled:
    """Assembles kernels for one architecture.

    Args:
        kernels: By key, as in `PlanSet.kernels`.
        architecture: e.g. `sm_90`; see `gpulabs.devices.architecture`.
        seconds: Longest processor time for one kernel.

    Returns:
        Cubins with their resources, and a fault for each kernel that failed.

    Raises:
        MissingPackageError: nvJitLink or its Python bindings are not installed.
        GraderError: nvJitLink doesn't know the architecture, or its process failed.
    """
    if not re.fullmatch(r"sm_\d{2,3}[a-z]?", architecture):
        raise GraderError(f"assemble: architecture {architecture!r}, expected one like sm_90")
    for kernel in kernels.values():
        if not kernel.ptx:
            raise GraderError(f"assemble: kernel {kernel.name} has no PTX: it was planned without a CUDA compiler")
    cubins: dict[str, tuple[bytes, Resources]] = {}
    faults: dict[str, Fault] = {}
    answers = _answers({key: kernel.ptx for key, kernel in kernels.items()}, architecture, seconds) if kernels else {}
    for key, kernel in kernels.items():
        answer = answers.get(key)
        if answer is None:
            raise GraderError(f"assemble: no answer for {kernel.name}; run it again")
        if answer.get("cubin"):
            found = resources(key, kernel.ptx, architecture, answer["log"])
            cubins[key] = base64.b64decode(answer["cubin"]), found
        else:
            reason = answer.get("ended") or complaint(answer["log"])
            message = f"{kernel.name} does not compile for {architecture}: {reason}"
            faults[key] = Fault(FaultKind.DOES_NOT_COMPILE, message, kernel.cell, kernel.line)
    return Assembled(cubins, faults)


def _answers(ptx: Mapping[str, str], architecture: str, seconds: float) -> dict[str, dict[str, Any]]:
    """Runs `autograder.linking`; its answers by key."""
    request = json.dumps({"architecture": architecture, "seconds": seconds, "ptx": ptx})
    most_s = START_UP_S + seconds * len(ptx)
    limits = isolation.Limits(
        own_s=most_s,
        quiet_s=most_s,
        patience_s=PATIENCE * most_s,
        total_memory_bytes=MEMORY_BYTES,
        file_bytes=MEMORY_BYTES,
    )
    with temporary.folder("link") as folder:
        done = isolation.run("autograder.linking", folder, limits, request=request.encode())
    if done.how in BUSY:
        raise BusyError(f"assemble: {BUSY[done.how]}; close other programs, or grade fewer submissions at a time")
    if done.how in ("late", "quiet", "idle"):
        raise GraderError("assemble: the assembler's process did not end; run it again")
    lines = [json.loads(line) for line in done.output.splitlines()]
    for line in lines:
        if "error" in line:
            raise getattr(errors, line["error"]["type"], GraderError)(line["error"]["message"])
    if done.status:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise GraderError(f"assemble: the assembler's process ended with status {done.status} ({done.how}): {last[0]}")
    return {line["key"]: line for line in lines}


def own_environment() -> dict[str, str]:
    """An environment in which a trusted child finds these packages, whatever the working folder holds."""
    roots = [str(Path(package.__file__ or "").parents[1]) for package in (autograder, gpulabs)]
    path = os.pathsep.join(dict.fromkeys([*roots, *filter(None, [os.environ.get("PYTHONPATH")])]))
    return {**os.environ, "PYTHONPATH": path}


def resources(key: str, ptx: str, architecture: str, log: str) -> Resources:
    """Reads registers, spills and shared memory from the assembler's log.

    Raises:
        GraderError: The log has another form than this module knows.
    """
    # A function that is called and not inlined has properties of its own, and stands before its kernel in the log.
    stack, spills = _STACK.findall(log), _SPILLS.findall(log)
    registers, local = _REGISTERS.search(log), _LOCAL.search(log)
    if registers is None or (not spills and local is None):
        raise GraderError(f"assemble: can't read the assembler's log for {key}: {log[:200]!r}")
    return Resources(
        kernel=key,
        architecture=architecture,
        registers=int(registers.group(1)),
        # Some of CUDA 13's logs name no spills: no local memory, no spills.
        spill_store_bytes=sum(int(stores) for stores, _ in spills) if spills else int(local.group(1)) if local else 0,
        spill_load_bytes=sum(int(loads) for _, loads in spills) if spills else int(local.group(1)) if local else 0,
        shared_bytes=max((int(found) for found in _SHARED.findall(log)), default=0),
        fp64_instructions=count_fp64(ptx),
        # A stack frame holds spills too; arrays are what the PTX declares, unless they ended up in registers.
        stack_bytes=min(max(map(int, stack)), local_bytes(ptx)) if stack else 0,
    )


def complaint(log: str) -> str:
    """The assembler's first complaint, in one line."""
    if found := re.search(r"uses too much shared data \(0x(\w+) bytes", log):
        wanted = int(found.group(1), 16)
        return f"it wants {wanted:,} bytes of shared memory a block, a block gets {SHARED_LIMIT_BYTES:,}"
    if found := _COMPLAINT.search(log):
        return f"{found.group(2).strip()} (line {found.group(1)} of its PTX)"
    found = _ANY_ERROR.search(log)
    return found.group(1).strip() if found else "the assembler gave no reason"
