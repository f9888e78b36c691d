"""Stage 2: looks at what the worker handed over, which is untrusted, before anything of it runs.

Plans are held to limits. PTX is held to an allow-list: what numba-cuda writes for ordinary kernels
passes (shared memory, barriers, atomics, warp shuffles, vector loads, `cp.async`, `mma`), everything
else is refused with a sentence in the student's terms. Text only: nothing here runs a kernel.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

import numpy as np

from autograder.evidence import ArraySpec, Case, Fault, FaultKind, Kernel, Launch, Plan
from autograder.numba_abi import SCALARS, array_type, parameter_kinds
from autograder.ptx import Statement, entry_parameters, most_threads, statements, without_comments

MAX_LAUNCHES = 64
MAX_ARRAYS = 128
MAX_CONSTANTS = 4096
MAX_BYTES = 8 << 30
"""Of all arrays of a plan together."""
MAX_THREADS = 1024
MAX_BLOCK = (1024, 1024, 64)
MAX_GRID = (2**31 - 1, 65535, 65535)
MAX_SHARED_BYTES = 48 << 10
"""Of a block, on every GPU and without asking."""
SHARED_KIB = {70: 96, 72: 96, 75: 64, 80: 163, 86: 99, 87: 163, 89: 99, 90: 227, 100: 227, 103: 227, 110: 227, 120: 99}
"""Compute capability -> KiB of shared memory that a block gets when its launch asks for it (`opt-in`), static and
dynamic together. Source: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability"."""
MAX_PTX_CHARACTERS = 2_000_000
MAX_ALL_PTX_CHARACTERS = 16_000_000
"""Of all kernels of a task, with and without line numbers: reading them takes the grader some ten seconds."""
MAX_KERNELS = 128
"""Of a task: a few for each of its cases, where a factory makes one for each shape."""
MAX_STATEMENT = 400_000
"""Characters up to a semicolon; constant memory, 64 KiB of numbers in one statement, fits."""
MAX_QUOTES, MAX_COLONS = 5_000, 20_000
"""A compiler writes two quotes a loop and a colon a label; reading millions of them takes minutes."""
MAX_GLOBAL_BYTES = 4096
"""Of global variables: the tables of sin and cos (24 to 144 bytes) fit, remembered results don't."""

LONGEST_NUMBER, MAX_AXES = 18, 8
"""Digits of a size, sizes of a variable: Python refuses to read numbers of thousands of digits."""

LIBDEVICE_TABLES = ("__cudart_i2opi_f", "__cudart_i2opi_d", "__cudart_sin_cos_coeffs")

DTYPES = frozenset(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"))
ROLES = ("x", "w", "temporary", "constant", "view")

FAMILIES = frozenset(
    re.findall(
        r"\w+",
        """
        abs add addc and bfe bfi bfind bmsk brev clz cnot copysign cos cvt cvta div dp2a dp4a ex2 fma fns
        isspacep lg2 lop3 mad mad24 madc max min mov mul mul24 neg not or popc prmt rcp rem rsqrt sad selp
        set setp shf shl shr sin slct sqrt sub subc szext tanh testp xor
        cp ld ldmatrix ldu mma movmatrix st stmatrix wmma
        activemask atom bar barrier fence match membar red redux shfl vote
        bra brx call exit ret
        """,
    )
)
"""First parts of the opcodes that pass: arithmetic, memory, cooperation, control."""

SPECIAL_REGISTERS = frozenset(("tid", "ntid", "ctaid", "nctaid", "laneid", "dynamic_smem_size", "total_smem_size")) | {
    f"lanemask_{name}" for name in ("eq", "le", "lt", "ge", "gt")
}

VARIABLES = frozenset(("reg", "param", "local", "shared", "const", "global", "align", "pred", "b", "u", "s", "f", "v"))
"""Words of a variable's declaration, digits left off."""

TUNING = frozenset(("maxnreg", "maxntid", "reqntid", "minnctapersm"))
"""What max_registers and launch_bounds of @cuda.jit become."""

REGISTERS = re.compile(r"(?:p|r|rs|rd|rq|f|fd|h|hh|b|temp|tmp|SP|SPL)\d*")
"""Names that a register may have after its %, so that none can pose as one of the GPU's own."""

FOREIGN_CHARACTER = re.compile(r"[^\w$%.,;:{}()\[\]<>+\-*/@!=&|~^?\s]", re.ASCII)
RESERVED = re.compile(r"vprintf|malloc|free|__assert\w*|cuda\w+|__cuda\w+|cnp\w*|memcpy|memset")
"""Functions that the linker would find elsewhere."""

REASONS: Mapping[str, str] = {
    "clock": "reads the GPU's clock: the grader times kernels itself",
    "nanosleep": "sleeps (cuda.nanosleep): a kernel that waits on purpose is not run",
    "trap": "stops the GPU on purpose (trap): return from the kernel instead",
    "brkpt": "holds a breakpoint: compile without debug=True",
    "printf": "prints: take print() out of the kernel",
    "debug": "is compiled with debug=True: take that out of @cuda.jit",
    "cache": "sets cache policies (eviction hints, prefetches): the grader flushes caches between runs",
    "pmevent": "triggers profiler events",
    "foreign": "calls code that is not its own: write the kernel in Python, without link=",
    "grid": "synchronises the whole grid (cuda.cg.this_grid): launch two kernels instead",
}
_REFUSED_FAMILIES = {
    "nanosleep": "nanosleep",
    "trap": "trap",
    "brkpt": "brkpt",
    "pmevent": "pmevent",
    "prefetch": "cache",
    "prefetchu": "cache",
    "createpolicy": "cache",
    "applypriority": "cache",
    "discard": "cache",
}
_CACHE_POLICY = re.compile(r"\.L[12]::(?:evict|cache_hint)|\.level::")
_ENTRY = re.compile(r"(?:\.\w+ )*?\.entry\b")
_SPECIAL = re.compile(r"%([A-Za-z_]\w*)")
_DECLARED = re.compile(r"%(\w+)")
_VARIABLE = re.compile(r"\.(b|s|u|f)(8|16|32|64)\s+([\w$]+)((?:\[\d*\])*)")
_TABLE = re.compile(r"= ?\{[\d, ]+\}$")
_WORD = re.compile(r"[\w$]+")


def shared_limit(architecture: str | None) -> int:
    """Most bytes of shared memory that a block gets on an architecture, e.g. `sm_90`; None for the largest of any."""
    if architecture is None:
        return max(SHARED_KIB.values()) << 10
    return SHARED_KIB.get(int(re.sub(r"\D", "", architecture)), MAX_SHARED_BYTES >> 10) << 10


def check_plan(
    plan: Plan, case: Case, kernels: Mapping[str, Kernel] | None = None, most_shared: int = MAX_SHARED_BYTES
) -> Fault | None:
    """Holds a plan to its limits.

    Args:
        plan: As the worker wrote it; already decoded, so its types are right.
        case: What it should be a plan for.
        kernels: By key; when given, each launch must name one and pass what its PTX expects.
        most_shared: Most bytes of dynamic shared memory that a block gets.

    Returns:
        The first fault, or None. Plans of plain functions, without arrays, pass.
    """
    problem = _arrays_problem(plan, case) if case.x_shape else None
    if problem is None:
        for number, launch in enumerate(plan.launches, start=1):
            problem = _launch_problem(launch, plan, kernels, most_shared)
            if problem:
                problem = f"launch {number}: {problem}"
                break
    if problem is None and len(plan.launches) > MAX_LAUNCHES:
        problem = f"{len(plan.launches)} launches, at most {MAX_LAUNCHES} are run"
    if problem is None:
        return None
    return Fault(FaultKind.REJECTED, f"{case.function}: {problem} (case {case.id}).", case.task, None, case.id)


def _arrays_problem(plan: Plan, case: Case) -> str | None:
    arrays = plan.arrays
    if len(arrays) < 2 or len(arrays) > MAX_ARRAYS:
        return f"{len(arrays)} arrays, expected x, w and at most {MAX_ARRAYS - 2} more"
    for index, (role, shape) in enumerate((("x", case.x_shape), ("w", case.w_shape))):
        if arrays[index] != ArraySpec(role, shape, "float32"):
            return f"array {index} is not {role} as the case has it"
    for index, spec in enumerate(arrays):
        if problem := _array_problem(index, spec, arrays):
            return f"array {index} {problem}"
    total = sum(_bytes(spec) for spec in arrays if spec.view_of is None)
    if total > MAX_BYTES:
        return f"its arrays take {total / 2**30:.1f} GiB together, at most {MAX_BYTES / 2**30:.0f} GiB are given"
    if plan.result is None or not 0 <= plan.result < len(arrays):
        return "it returns no array of its plan"
    result = arrays[plan.result]
    origin = plan.result if result.view_of is None else result.view_of
    if origin < 2:
        return f"it returns {'xw'[origin]} itself: make an output with cuda.device_array"
    return None


def _array_problem(index: int, spec: ArraySpec, arrays: tuple[ArraySpec, ...]) -> str | None:
    if spec.role not in ROLES or (spec.role in ("x", "w")) != (index < 2):
        return f"has the role {spec.role!r}"
    if spec.dtype not in DTYPES:
        return f"has the dtype {spec.dtype}, which the grader does not plan"
    if any(size < 0 for size in spec.shape) or len(spec.shape) > 32:
        return f"has the shape {spec.shape}"
    if (spec.role == "view") != (spec.view_of is not None):
        return "is a view of nothing"
    if spec.view_of is not None:
        if not 0 <= spec.view_of < index or arrays[spec.view_of].view_of is not None:
            return "is a view of an array that is not there"
        origin = arrays[spec.view_of]
        if (_bytes(origin), origin.dtype) != (_bytes(spec), spec.dtype):
            return "is a view of another size than its array"
    items = math.prod(spec.shape)
    if spec.values and (
        spec.role != "constant" or len(spec.values) not in (1, items) or len(spec.values) > MAX_CONSTANTS
    ):
        return f"has {len(spec.values)} values for {items} elements"
    if spec.role == "constant" and not spec.values and items:
        return "is a constant without values"
    return None


def _launch_problem(launch: Launch, plan: Plan, kernels: Mapping[str, Kernel] | None, most_shared: int) -> str | None:
    for name, size, limit in (("grid", launch.grid, MAX_GRID), ("block", launch.block, MAX_BLOCK)):
        for axis, given, most in zip("xyz", size, limit, strict=True):
            if not 1 <= given <= most:
                return f"{name} {size}: {axis} must lie between 1 and {most}"
    threads = math.prod(launch.block)
    if threads > MAX_THREADS:
        return f"block {launch.block} has {threads} threads, a block holds at most {MAX_THREADS}"
    if not 0 <= launch.shared_bytes <= most_shared:
        return f"{launch.shared_bytes} bytes of dynamic shared memory, a block gets at most {most_shared}"
    for position, argument in enumerate(launch.arguments, start=1):
        if argument.array is None:
            if argument.type not in SCALARS or not _fits(argument.scalar, argument.type):
                return f"argument {position} is {argument.scalar!r}, which is no {argument.type}"
            continue
        if argument.scalar is not None or not 0 <= argument.array < len(plan.arrays):
            return f"argument {position} is no array of the plan"
        spec = plan.arrays[argument.array]
        if array_type(argument.type) != (spec.dtype, len(spec.shape)):
            return f"argument {position} is passed as {argument.type}, but is {spec.dtype} with shape {spec.shape}"
    if kernels is None:
        return None
    kernel = kernels.get(launch.kernel)
    if kernel is None:
        return "its kernel is not there"
    expected = parameter_kinds([argument.type for argument in launch.arguments])
    if kernel.ptx and entry_parameters(kernel.ptx, kernel.entry) != expected:
        return f"the compiled {kernel.name} takes other arguments than are passed"
    bound = most_threads(kernel.ptx, kernel.entry)
    if bound is not None and threads > bound:
        return (
            f"block {launch.block} has {threads} threads, launch_bounds of {kernel.name} allows {bound}: "
            "a GPU would not start it"
        )
    return None


def _fits(value: float | int | bool | None, kind: str) -> bool:
    if kind in ("bool", "boolean"):
        return type(value) is bool
    if kind.startswith("float"):
        return type(value) in (int, float)
    info = np.iinfo(kind)
    return type(value) is int and info.min <= value <= info.max


def _bytes(spec: ArraySpec) -> int:
    return math.prod(spec.shape) * np.dtype(spec.dtype).itemsize


def check_ptx(kernel: Kernel) -> Fault | None:
    """Holds a kernel's PTX to the allow-list.

    Returns:
        The first thing that does not pass, as a fault, or None.
    """
    problem = _ptx_problem(kernel)
    if problem is None:
        return None
    return Fault(FaultKind.REJECTED, f"kernel {kernel.name} {problem}.", kernel.cell, kernel.line)


def check_size(task: str, kernels: Mapping[str, Kernel]) -> Fault | None:
    """Holds all kernels of a task to what is read and assembled for one submission."""
    total = sum(len(kernel.ptx) + len(kernel.lined_ptx) for kernel in kernels.values())
    if len(kernels) > MAX_KERNELS:
        text = f"{len(kernels)} kernels are compiled, at most {MAX_KERNELS} are read"
    elif total > MAX_ALL_PTX_CHARACTERS:
        text = f"its kernels compile to {total:,} characters of PTX, at most {MAX_ALL_PTX_CHARACTERS:,} are read"
    else:
        return None
    return Fault(FaultKind.REJECTED, f"{task}: {text}: launch fewer variants.", task)


def _ptx_problem(kernel: Kernel) -> str | None:
    ptx = kernel.ptx
    if len(ptx) > MAX_PTX_CHARACTERS:
        return f"compiles to {len(ptx):,} characters of PTX, at most {MAX_PTX_CHARACTERS:,} are assembled"
    if any(_is_endless(text) for text in (ptx, kernel.lined_ptx)):
        return "compiles to text that no compiler writes: a statement without end, or labels and quotes by the thousand"
    if not ptx.isascii() or FOREIGN_CHARACTER.search(re.sub(r'"[^"\n]*"', "", without_comments(ptx))):
        return "holds characters that PTX does not have"
    found = list(statements(ptx))
    functions = {name for each in found if each.ends == "{" and (name := _function(each))}
    if foreign := {name for each in found if (name := _function(each))} - functions:
        return REASONS["printf"] if "vprintf" in foreign else REASONS["grid" if _grid(foreign) else "foreign"]
    if (count := sum(bool(_ENTRY.match(each.text)) for each in found)) > 1:
        return f"holds {count} kernels in one text: the assembler is asked about one at a time"
    if any(RESERVED.fullmatch(name) for name in functions):
        return REASONS["foreign"]
    registers = {name for each in found if each.text.startswith(".reg") for name in _DECLARED.findall(each.text)}
    if odd := sorted(name for name in registers if not REGISTERS.fullmatch(name)):
        return f"declares the register %{odd[0]}, which no compiler names so"
    global_bytes = 0
    for each in found:
        problem = _directive_problem(each) if each.is_directive else _instruction_problem(each, functions)
        if problem is None:
            problem = _register_problem(each, registers)
        if problem:
            return problem
        if re.search(r"\.global\b", each.text) and each.is_directive:
            global_bytes += _variable_bytes(each)
    if global_bytes > MAX_GLOBAL_BYTES:
        return f"keeps {global_bytes:,} bytes in global variables: results must not outlive a launch"
    if name := _kept_variable(found):
        return f"keeps the variable {name[:60]} in GPU memory from launch to launch: every launch starts anew"
    if entry_parameters(ptx, kernel.entry) is None:
        return "has no entry point of its name"
    return None


def _kept_variable(found: list[Statement]) -> str | None:
    """A global variable that something names: libdevice's tables pass, and Numba's own, which nothing names."""
    words = Counter(word for each in found for word in _WORD.findall(each.text))
    for each in found:
        match = _VARIABLE.search(each.text) if each.is_directive and re.search(r"\.global\b", each.text) else None
        name = match.group(3) if match else ""
        if words[name] > 1 and not (name in LIBDEVICE_TABLES and _TABLE.search(each.text)):
            return name
    return None


def _is_endless(text: str) -> bool:
    """Whether reading a text would take minutes; with line numbers it has a quote and a colon more here and there."""
    longest = max(map(len, re.split("[;{}]", text)))
    over = len(text) > 2 * MAX_PTX_CHARACTERS or longest > MAX_STATEMENT
    return over or text.count('"') > MAX_QUOTES or text.count(":") > MAX_COLONS


def _directive_problem(each: Statement) -> str | None:
    names = re.findall(r"\.([a-z_]+)", each.text.split("(")[0].split("=")[0])
    if each.text.startswith((".section", ".debug")) or re.match(r"\.target \w+, debug", each.text):
        return REASONS["debug"]
    while names and names[0] in ("visible", "weak", "common", "extern"):
        names.pop(0)
    if names and names[0] in ("entry", "func"):
        return None
    if each.text.startswith(".extern"):
        return None if set(names) <= VARIABLES and "shared" in names else "uses a variable that is defined elsewhere"
    if names == ["pragma"]:
        return None if each.text == '.pragma "nounroll"' else "holds a pragma that the grader does not know"
    if names and (set(names) <= TUNING or names == ["branchtargets"] or set(names) <= VARIABLES):
        return None
    return f"holds a declaration that the grader does not know: {each.text[:40]}"


def _grid(names: set[str]) -> bool:
    return any("cudaCG" in name for name in names)


def _instruction_problem(each: Statement, functions: set[str]) -> str | None:
    family = each.opcode.split(".")[0]
    if family in _REFUSED_FAMILIES:
        return REASONS[_REFUSED_FAMILIES[family]]
    if family not in FAMILIES:
        return f"holds the instruction {(each.opcode or each.text)[:40]}, which the grader does not run"
    if _CACHE_POLICY.search(each.opcode):
        return REASONS["cache"]
    if family == "cp" and not re.match(r"cp\.async\.(?:c[ag]\.|commit_group|wait_group|wait_all)", each.opcode):
        return f"holds the instruction {each.opcode[:40]}, which the grader does not run"
    if family == "call":
        target = re.match(r"(?:\([^)]*\)\s*,\s*)?([\w$%]+)", each.operands)
        if target is None or target.group(1) not in functions:
            return REASONS["foreign"]
    return None


def _register_problem(each: Statement, registers: set[str]) -> str | None:
    if each.text.startswith(".reg"):
        return None
    for name in _SPECIAL.findall(re.sub(r'"[^"]*"', "", each.text)):
        if name in registers or name.rstrip("0123456789") in registers or name in SPECIAL_REGISTERS:
            continue
        if name.startswith(("clock", "globaltimer")):
            return REASONS["clock"]
        return f"reads %{name}, which the grader does not allow"
    return None


def _function(each: Statement) -> str | None:
    """The function that a `.func` statement declares or defines."""
    match = re.match(r"(?:\.\w+ )*?\.func\s*(?:\([^)]*\)\s*)?([\w$]+)", each.text)
    return match.group(1) if match else None


def _variable_bytes(each: Statement) -> int:
    match = _VARIABLE.search(each.text)
    if match is None:
        return MAX_GLOBAL_BYTES + 1  # a form that compilers don't write: refused
    sizes = re.findall(r"\[(\d*)\]", match.group(4))
    if any(len(size) > LONGEST_NUMBER for size in sizes) or len(sizes) > MAX_AXES:
        return MAX_GLOBAL_BYTES + 1
    return int(match.group(2)) // 8 * math.prod(int(size or MAX_GLOBAL_BYTES) for size in sizes)
