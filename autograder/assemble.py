"""Stage 3: PTX -> cubin through nvJitLink, and what the assembler says of each kernel.

Needs neither a GPU nor a driver. PTX is untrusted text: `autograder.validate` has looked at it
before, and what the assembler refuses becomes a fault that quotes its first complaint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autograder.evidence import Fault, FaultKind, Kernel, Resources
from autograder.ptx import count_fp64
from gpulabs.errors import GraderError, MissingPackageError

_REGISTERS = re.compile(r"[Uu]sed (\d+) registers")
_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
_LOCAL = re.compile(r"(\d+) bytes lmem")
_SHARED = re.compile(r"(\d+)(?:\+\d+)? bytes smem")
_COMPLAINT = re.compile(r"line (\d+); error\s*:\s*(.+)")
_ANY_ERROR = re.compile(r"(?:error|fatal)\s*:\s*(.+)", re.IGNORECASE)

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


def assemble(kernels: Mapping[str, Kernel], architecture: str) -> Assembled:
    """Assembles kernels for one architecture.

    Args:
        kernels: By key, as in `PlanSet.kernels`.
        architecture: e.g. `sm_90`; see `gpulabs.devices.architecture`.

    Returns:
        Cubins with their resources, and a fault for each kernel that failed.

    Raises:
        MissingPackageError: nvJitLink or its Python bindings are not installed.
        GraderError: nvJitLink doesn't know the architecture.
    """
    if not re.fullmatch(r"sm_\d{2,3}[a-z]?", architecture):
        raise GraderError(f"assemble: architecture {architecture!r}, expected one like sm_90")
    cubins: dict[str, tuple[bytes, Resources]] = {}
    faults: dict[str, Fault] = {}
    for key, kernel in kernels.items():
        if not kernel.ptx:
            raise GraderError(f"assemble: kernel {kernel.name} has no PTX: it was planned without a CUDA compiler")
        cubin, log = link(kernel.ptx, architecture)
        if cubin is None:
            message = f"{kernel.name} does not compile for {architecture}: {complaint(log)}"
            faults[key] = Fault(FaultKind.DOES_NOT_COMPILE, message, kernel.cell, kernel.line)
        else:
            cubins[key] = cubin, resources(key, kernel.ptx, architecture, log)
    return Assembled(cubins, faults)


def link(ptx: str, architecture: str) -> tuple[bytes | None, str]:
    """Runs nvJitLink on one PTX text; returns the cubin, or None, and the assembler's log."""
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


def resources(key: str, ptx: str, architecture: str, log: str) -> Resources:
    """Reads registers, spills and shared memory from the assembler's log.

    Raises:
        GraderError: The log has another form than this module knows.
    """
    registers, spills, local = _REGISTERS.search(log), _SPILLS.search(log), _LOCAL.search(log)
    if registers is None or (spills is None and local is None):
        raise GraderError(f"assemble: can't read the assembler's log for {key}: {log[:200]!r}")
    return Resources(
        kernel=key,
        architecture=architecture,
        registers=int(registers.group(1)),
        # CUDA 13's nvJitLink names spills for the first kernel of a process only; no local memory, no spills.
        spill_store_bytes=int(spills.group(1)) if spills else int(local.group(1)) if local else 0,
        spill_load_bytes=int(spills.group(2)) if spills else int(local.group(1)) if local else 0,
        shared_bytes=max((int(found) for found in _SHARED.findall(log)), default=0),
        fp64_instructions=count_fp64(ptx),
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
