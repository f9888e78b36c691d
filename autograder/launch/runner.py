"""Runs one case on the GPU: its launches on poisoned arrays between guards, and what they left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autograder.evidence import Fault, Kernel, Outcome, Plan
from autograder.launch.arena import Arena, count_poison
from autograder.launch.gpu import Gpu, GpuFault
from autograder.numba_abi import pack

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Loaded:
    """A kernel in the GPU, with what messages say of it (its PTX is left behind)."""

    kernel: Kernel
    handle: Any


class KernelFault(Exception):
    """A fault that the GPU reported, whether this process can go on after it, and in a race whose it was."""

    def __init__(self, fault: Fault, sticky: bool, who: str = "") -> None:
        """Takes the fault as the student will read it."""
        super().__init__(fault.message)
        self.fault, self.sticky, self.who = fault, sticky, who


@dataclass(frozen=True)
class Prepared:
    """A launch with its arguments packed, so that a timed run spends no time on that."""

    kernel: Loaded
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    values: tuple[Any, ...]


def prepare(plan: Plan, kernels: Mapping[str, Loaded], addresses: Sequence[int]) -> tuple[Prepared, ...]:
    """Packs a plan's launches for arrays at these addresses."""
    return tuple(
        Prepared(kernels[each.kernel], each.grid, each.block, each.shared_bytes, pack(each, plan.arrays, addresses))
        for each in plan.launches
    )


def launch_all(gpu: Gpu, launches: Sequence[Prepared], case: str, careful: bool = False) -> None:
    """Launches in order.

    Args:
        gpu: Where.
        launches: What.
        case: Named in faults.
        careful: Wait after each launch, so that a fault is blamed on the kernel it came from.

    Raises:
        KernelFault: A launch was refused, or, with `careful`, its kernel failed.
    """
    for launch in launches:
        try:
            gpu.launch(launch.kernel.handle, launch.grid, launch.block, launch.shared_bytes, launch.values)
            if careful:
                gpu.synchronize()
        except GpuFault as error:
            raise KernelFault(explain(error, launch.kernel.kernel, case), error.sticky) from error


def run_case(gpu: Gpu, plan: Plan, kernels: Mapping[str, Loaded], x: Array, w: Array, output: Path) -> Outcome:
    """Runs a case once and saves what it returned.

    Args:
        gpu: Where to run.
        plan: The case's plan; validated.
        kernels: Loaded kernels by key.
        x: Input, as the plan's array 0 says.
        w: Filter, as array 1 says.
        output: File to save the result in.

    Returns:
        The outcome; broken guards, changed inputs and unwritten elements are counted, not judged.

    Raises:
        KernelFault: The GPU refused or aborted it.
    """
    try:
        arena = Arena(gpu, plan.arrays)
    except GpuFault as error:
        raise KernelFault(explain(error, None, plan.case), error.sticky) from error
    try:
        return _run(arena, plan, kernels, x, w, output)
    except GpuFault as error:
        raise KernelFault(explain(error, None, plan.case), error.sticky) from error
    finally:
        arena.close()


def _run(arena: Arena, plan: Plan, kernels: Mapping[str, Loaded], x: Array, w: Array, output: Path) -> Outcome:
    fill(arena, plan, x, w)
    addresses = [arena.address(i) for i in range(len(plan.arrays))]
    launch_all(arena.gpu, prepare(plan, kernels, addresses), plan.case, careful=True)
    unwritten = 0
    if plan.result is not None:
        y = arena.download(plan.result)
        np.save(output, y, allow_pickle=False)
        unwritten = count_poison(y)
    # Bytes are compared, not values: an input may hold NaN, and a NaN rewritten with another payload is a change.
    intact = all(arena.download(i).tobytes() == np.ascontiguousarray(v).tobytes() for i, v in ((0, x), (1, w)))
    return Outcome(plan.case, None, unwritten, arena.guards_intact(), intact)


def fill(arena: Arena, plan: Plan, x: Array, w: Array) -> None:
    """Uploads inputs and constants; everything else stays poisoned."""
    for index, spec in enumerate(plan.arrays):
        if spec.role == "constant":
            arena.set_constant(index, spec)
    arena.upload(0, x)
    arena.upload(1, w)


def explain(error: GpuFault, kernel: Kernel | None, case: str) -> Fault:
    """Turns CUDA's error into a fault with one sentence for the student."""
    who = kernel.name if kernel else "this case"
    cell, line = (kernel.cell, kernel.line) if kernel else (None, None)
    return Fault(error.kind, f"{who}: {error.sentence} (case {case})", cell, line, case)
