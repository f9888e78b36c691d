"""What the compiled code is made of -> a verdict: shared memory that is used, width of loads, spills, FP64.

A rubric asks by these keys; each complaint names the kernel, the number and what it should be.

    must_use_shared         factors of the multiply-adds come from shared memory that the kernel has filled
    min_barriers            barriers of the block
    min_products_per_load   multiply-adds for each float that the main loop loads
    min_load_bits_global    128: floats come from global memory 16 bytes a load
    min_load_bits_shared    128: from shared memory likewise
    max_spill_bytes         register spills, stores and loads
    max_stack_bytes         arrays of a thread that lie in local memory instead of registers
    max_fp64                double-precision instructions

Most are asked of the kernels that multiply and add; no kernel of the plan may spill or compute in double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autograder.evidence import Kernel, Plan, Resources, Structure
from autograder.result import Status
from autograder.rubric import Item
from autograder.verdict import Verdict

SHARED_SHARE = 2 / 3
"""Of the multiply-adds that have a factor from shared memory. A kernel whose tile is real has all of them, a
few border cases aside; one product with a decorative array beside each real one has half."""

WIDE_SHARE = 1 / 3
"""Of the floats that come by wide loads. A kernel with a narrow path for odd channel counts beside its wide one has
half of them, as text; one wide load that is for show has a few percent."""


@dataclass(frozen=True)
class _Found:
    """One kernel of the plan, and what is known of it."""

    kernel: Kernel
    resources: Resources | None
    structure: Structure


@dataclass(frozen=True)
class _Complaint:
    """What is wrong with a kernel: a sentence, a hint, and which finding's line it points at."""

    text: str
    hint: str
    place: str = ""


def judge_structure(
    item: Item,
    plan: Plan,
    kernels: Mapping[str, Kernel],
    resources: Sequence[Resources],
    structures: Sequence[Structure],
) -> Verdict:
    """Judges the kernels that the speed workload launches.

    Args:
        item: Of kind `structure`.
        plan: Of the workload.
        kernels: By key.
        resources: From the assembler.
        structures: From `autograder.structure`.

    Returns:
        Earned, or lost with the first complaint, the worst kernel's; pending where the assembler has to be
        asked and is not installed.
    """
    keys = list(dict.fromkeys(launch.kernel for launch in plan.launches))
    of = {one.kernel: one for one in structures}, {one.kernel: one for one in resources}
    found = [_Found(kernels[key], of[1].get(key), of[0][key]) for key in keys if key in of[0]]
    if not found:
        return Verdict(Status.PENDING, "Needs the CUDA compiler: this machine has none, and the compiled code decides.")
    if any(key.startswith("max_") for key in item.limits) and any(one.resources is None for one in found):
        return Verdict(Status.PENDING, "Needs CUDA's assembler: this machine has none, and it counts registers.")
    working = [one for one in found if one.structure.products] or found
    evidence = _evidence(found, working)
    for key, limit in item.limits.items():
        for one in found if key.startswith("max_") else working:
            complaint = _CHECKS[key](one, limit)
            if complaint is None:
                continue
            line = one.structure.lines.get(complaint.place, one.kernel.line)
            at = f", line {line}" if complaint.place in one.structure.lines else ""
            text = f"kernel {one.kernel.name}{at}: {complaint.text}."
            return Verdict(Status.LOST, text, None, complaint.hint, one.kernel.cell, line, evidence)
    return Verdict(Status.EARNED, _praise(item, working), evidence=evidence)


def _praise(item: Item, working: Sequence[_Found]) -> str:
    names = ", ".join(one.kernel.name for one in working)
    return f"The compiled code of {names} has what is asked for."


def _evidence(found: Sequence[_Found], working: Sequence[_Found]) -> dict[str, Any]:
    main = max(working, key=lambda one: one.structure.products)
    numbers: dict[str, Any] = {"kernel": main.kernel.name}
    if all(one.resources for one in found):
        known = [one.resources for one in found if one.resources]
        numbers["registers"] = max(one.registers for one in known)
        numbers["spill_bytes"] = sum(one.spill_load_bytes + one.spill_store_bytes for one in known)
        numbers["stack_bytes"] = max(one.stack_bytes for one in known)
        numbers["double-precision instructions"] = sum(one.fp64_instructions for one in known)
    made = main.structure
    numbers["multiply-adds with a shared factor"] = f"{made.products_from_shared} of {made.products}"
    if made.main_loaded_floats:
        numbers["multiply-adds per float loaded"] = round(made.main_products / made.main_loaded_floats, 2)
    numbers["barriers"] = made.barriers
    for name, wide, floats in _widths(made):
        numbers[f"floats loaded 16 bytes at a time, {name}"] = f"{wide} of {floats}"
    if made.async_copies:
        numbers["asynchronous copies"] = made.async_copies
    if made.tensor_instructions:
        numbers["tensor core instructions"] = made.tensor_instructions
    return numbers


def _widths(made: Structure) -> list[tuple[str, int, int]]:
    widths = [
        ("global", made.global_wide_floats, made.global_floats),
        ("shared", made.shared_wide_floats, made.shared_floats),
    ]
    return [width for width in widths if width[2]]


def _shared(one: _Found, limit: float) -> _Complaint | None:
    made = one.structure
    if not limit:
        return None
    if not made.shared_stores:
        return _Complaint(
            "nothing is stored in shared memory",
            "cuda.shared.array makes a tile; the block's threads fill it together.",
        )
    if made.products and made.products_from_shared >= SHARED_SHARE * made.products:
        return None
    if not made.products:
        return _Complaint(
            "no multiply-add of two loaded numbers reaches the output",
            "The grader follows what is loaded, multiplied and stored: which loop sums up the taps?",
        )
    return _Complaint(
        f"{made.products_from_shared} of {made.products} multiply-adds take a factor from shared memory, all should: "
        "the tile is filled, and the sum reads global memory",
        "Which array does the line with the multiply-add read, the tile or x?",
        "product",
    )


def _barriers(one: _Found, limit: float) -> _Complaint | None:
    if one.structure.barriers >= limit:
        return None
    return _Complaint(
        f"{one.structure.barriers} barriers in the compiled code, at least {limit:g} are needed",
        "Nobody may read the tile before all have written, nor write the next one before all have read: "
        "cuda.syncthreads() for each.",
    )


def _reuse(one: _Found, limit: float) -> _Complaint | None:
    made = one.structure
    if not made.main_loaded_floats or made.main_products >= limit * made.main_loaded_floats:
        return None
    found = made.main_products / made.main_loaded_floats
    return _Complaint(
        f"the inner loop does {found:.2f} multiply-adds for each float that it loads, at least {limit:g} are asked for",
        "A patch of a x b outputs a thread needs a + b loads for a * b multiply-adds: which a and b do you have?",
        "product",
    )


def _width(space: str) -> Callable[[_Found, float], _Complaint | None]:
    def check(one: _Found, limit: float) -> _Complaint | None:
        for name, wide, floats in _widths(one.structure):
            if name == space and limit >= 128 and wide < WIDE_SHARE * floats:
                return _Complaint(
                    f"{wide} of {floats} floats come from {space} memory 16 bytes a load, the others one by one",
                    "load4 (or copy4_async) moves four neighbouring floats: which index has to be a multiple of 4?",
                    f"narrow {space} load",
                )
        return None

    return check


def _spills(one: _Found, limit: float) -> _Complaint | None:
    assert one.resources is not None
    spilled = one.resources.spill_store_bytes + one.resources.spill_load_bytes
    if spilled <= limit:
        return None
    return _Complaint(
        f"spills {spilled} bytes a thread from its {one.resources.registers} registers to memory, "
        f"at most {limit:g} are allowed",
        "How many values does a thread keep at once? Fewer outputs a thread, or fewer threads a block, free registers.",
    )


def _stack(one: _Found, limit: float) -> _Complaint | None:
    assert one.resources is not None
    if one.resources.stack_bytes <= limit:
        return None
    return _Complaint(
        f"{one.resources.stack_bytes} bytes a thread lie in local memory, which is global memory in disguise, "
        f"at most {limit:g} are allowed",
        "An array of a thread lives in registers only if every index into it is known when it is compiled: loops over "
        "it need constant bounds, and must be short enough to be unrolled.",
    )


def _fp64(one: _Found, limit: float) -> _Complaint | None:
    assert one.resources is not None
    if one.resources.fp64_instructions <= limit:
        return None
    return _Complaint(
        f"{one.resources.fp64_instructions} double-precision instructions, at most {limit:g} are allowed",
        "0.0 is a float64 to Numba, np.float32(0) is not; a float32 with an int64 gives a float64 too.",
        "fp64",
    )


_CHECKS: Mapping[str, Callable[[_Found, float], _Complaint | None]] = {
    "must_use_shared": _shared,
    "min_barriers": _barriers,
    "min_products_per_load": _reuse,
    "min_load_bits_global": _width("global"),
    "min_load_bits_shared": _width("shared"),
    "max_spill_bytes": _spills,
    "max_stack_bytes": _stack,
    "max_fp64": _fp64,
}
