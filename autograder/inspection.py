"""Stage 2 and 3: is what was planned allowed, of the right form, and does it assemble?

Reads text and records only; no GPU is needed. Every complaint is a `Fault` for the student.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autograder import assemble, validate
from autograder.evidence import Case, Fault, FaultKind, Kernel, Plan, PlanSet, Resources, Structure
from autograder.ladder import likeness
from autograder.ptx import statements
from autograder.structure import analyse
from gpulabs.convolution import output_shape
from gpulabs.errors import MissingPackageError


@dataclass(frozen=True)
class Inspection:
    """What inspecting a task's plans and kernels gave.

    Attributes:
        faults: For single cases, or for the task where a kernel is refused.
        cubins: Kernel key -> machine code.
        resources: Of every kernel that assembled.
        note: Why nothing was assembled, or empty.
        structures: Of every kernel that passed, where asked for.
    """

    faults: tuple[Fault, ...] = ()
    cubins: Mapping[str, bytes] = field(default_factory=dict)
    resources: tuple[Resources, ...] = ()
    note: str = ""
    structures: tuple[Structure, ...] = ()


@dataclass(frozen=True)
class Checked:
    """A task's plans and kernels as far as reading them tells.

    Attributes:
        inspection: Faults, note and structures; nothing is assembled yet.
        allowed: Kernels that may be assembled.
    """

    inspection: Inspection
    allowed: Mapping[str, Kernel] = field(default_factory=dict)


def inspect(
    plans: PlanSet, cases: Sequence[Case], architecture: str, *, on_gpu: bool = True, structures: bool = False
) -> Inspection:
    """Checks a task's plans, results and kernels.

    Args:
        plans: What the worker planned; untrusted.
        cases: The task's cases.
        architecture: To assemble for, e.g. `sm_75`.
        on_gpu: Whether that is the GPU that runs them: its limit of shared memory holds then, else the largest of any.
        structures: Whether to read what the kernels are made of.
    """
    return inspect_all([plans], cases, architecture, on_gpu=on_gpu, structures={plans.task} if structures else ())[
        plans.task
    ]


def inspect_all(
    plan_sets: Iterable[PlanSet],
    cases: Sequence[Case],
    architecture: str,
    *,
    on_gpu: bool = True,
    structures: Collection[str] = (),
) -> dict[str, Inspection]:
    """Checks the tasks of one submission; their kernels go through the assembler's process together.

    Args:
        plan_sets: What the worker planned for each task; untrusted.
        cases: Of all tasks.
        architecture: As in `inspect`.
        on_gpu: As in `inspect`.
        structures: Tasks of which to read what the kernels are made of.
    """
    shared_limit = validate.shared_limit(architecture if on_gpu else None)
    checked = {plans.task: check(plans, cases, shared_limit, plans.task in structures) for plans in plan_sets}
    together = {
        f"{task} {key}": kernel  # tasks may give the same key to different kernels
        for task, found in checked.items()
        for key, kernel in found.allowed.items()
    }
    try:
        assembled = assemble.assemble(together, architecture)
    except MissingPackageError as error:
        note = f"kernels were not assembled: {error}"
        return {
            task: replace(found.inspection, note=note) if found.allowed else found.inspection
            for task, found in checked.items()
        }
    return {task: _with_code(task, found, assembled) for task, found in checked.items()}


def _with_code(task: str, found: Checked, assembled: assemble.Assembled) -> Inspection:
    own = {key: f"{task} {key}" for key in found.allowed}
    refused = [assembled.faults[name] for name in own.values() if name in assembled.faults]
    made = {key: assembled.cubins[name] for key, name in own.items() if name in assembled.cubins}
    return replace(
        found.inspection,
        faults=(*found.inspection.faults, *refused),
        cubins={key: code for key, (code, _) in made.items()},
        resources=tuple(replace(resources, kernel=key) for key, (_, resources) in made.items()),
    )


def check(plans: PlanSet, cases: Sequence[Case], shared_limit: int, structures: bool) -> Checked:
    """Reads a task's plans and kernels; assembles nothing.

    Args:
        plans: What the worker planned; untrusted.
        cases: The task's, perhaps among others.
        shared_limit: Most bytes of shared memory a block.
        structures: Whether to read what the kernels are made of.
    """
    if oversized := validate.check_size(plans.task, plans.kernels):  # first: nothing reads what is too long to be read
        return Checked(Inspection((oversized,)))
    by_id = {case.id: case for case in cases}
    faults: list[Fault] = []
    for plan in plans.plans:
        case = by_id.get(plan.case)
        if case is None or not case.x_shape:
            continue
        fault = validate.check_plan(plan, case, plans.kernels, shared_limit) or check_result(plan, case)
        faults += [fault] if fault else []
    if not plans.compiled:
        note = "kernels were not compiled: no CUDA compiler is installed here"
        return Checked(Inspection(tuple(faults), note=note))
    allowed: dict[str, Kernel] = {}
    for key, kernel in plans.kernels.items():
        refused = validate.check_ptx(kernel) or copied(kernel)
        if refused:
            faults.append(refused)
        else:
            allowed[key] = kernel
    made = tuple(_structure(key, kernel) for key, kernel in allowed.items()) if structures else ()
    return Checked(Inspection(tuple(faults), structures=made), allowed)


def copied(kernel: Kernel) -> Fault | None:
    """Refuses what is one of the ladder's kernels, whatever its name and registers are called."""
    opcodes = [each.opcode for each in statements(kernel.ptx) if each.opcode]
    name, share = likeness.most_alike(opcodes)
    if share < likeness.COPIED:
        return None
    text = (
        f"kernel {kernel.name} is the ladder's own {name} ({share:.0%} of its instructions in order): write your own."
    )
    return Fault(FaultKind.REJECTED, text, kernel.cell, kernel.line)


def _structure(key: str, kernel: Kernel) -> Structure:
    """What a kernel is made of; where in the source from its second compilation, which nothing else is read from."""
    found = analyse(key, kernel.ptx)
    if not 0 < len(kernel.lined_ptx) <= validate.MAX_PTX_CHARACTERS:
        return found
    return replace(found, lines=analyse(key, kernel.lined_ptx, kernel.cell).lines)


def check_result(plan: Plan, case: Case) -> Fault | None:
    """Checks the shape and dtype of the array that the host function returns."""
    expected = output_shape(case.x_shape, case.w_shape, case.stride, case.padding)
    result = plan.arrays[plan.result] if plan.result is not None else None
    if result is None:
        return None
    call = f"{case.function} for x {case.x_shape}, w {case.w_shape}, stride {case.stride}, {case.padding}"
    if result.shape != expected:
        message = f"{call}: output shape {result.shape}, expected {expected}."
        return Fault(FaultKind.WRONG_SHAPE, message, case.task, None, case.id)
    if result.dtype != "float32":
        message = f"{call}: output is {result.dtype}, expected float32: cuda.device_array(shape, np.float32)."
        return Fault(FaultKind.WRONG_DTYPE, message, case.task, None, case.id)
    return None
