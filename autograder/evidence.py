"""What the stages of grading hand to each other: plain frozen records, all JSON.

    submission -> plan -> resources -> measurement -> judgement -> score

Untrusted processes write these records as JSON; trusted code reads them back with
`decode`, which checks every type, so that a forged file is a fault and never a crash.
Arrays travel beside them as .npy files named by case.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from autograder.records import decode as decode
from autograder.records import encode as encode


class FaultKind(enum.StrEnum):
    """What went wrong with a submission, in the words that reports use."""

    MISSING_FUNCTION = "missing function"
    SYNTAX_ERROR = "syntax error"
    CELL_EXCEPTION = "exception in a cell"
    WRONG_SIGNATURE = "wrong signature"
    HOST_EXCEPTION = "exception in the host function"
    HOST_TIMEOUT = "endless loop in the host function"
    OUT_OF_MEMORY = "out of memory"
    NO_LAUNCH = "no kernel was launched"
    DOES_NOT_COMPILE = "kernel does not compile"
    REJECTED = "code that the grader does not run"
    WRONG_TYPE = "wrong return type"
    WRONG_SHAPE = "wrong output shape"
    WRONG_DTYPE = "wrong output dtype"
    WRONG_LAYOUT = "wrong output layout"
    KERNEL_EXCEPTION = "exception in the kernel"
    KERNEL_TIMEOUT = "endless loop in the kernel"
    OUT_OF_BOUNDS = "access outside an array"
    NOT_WRITTEN = "outputs never written"
    INPUT_CHANGED = "inputs were changed"
    WRONG_VALUES = "wrong values"
    NOT_ATTEMPTED = "still the stub"


@dataclass(frozen=True)
class Fault:
    """One thing that went wrong, where, in a sentence for the student.

    Attributes:
        kind: The class of fault.
        message: One sentence: what, where, what to do.
        cell: The notebook cell it points at, e.g. `conv_first`, or None.
        line: Line in that cell, from 1, or None.
        case: The case's id, or None when it concerns the whole task.
    """

    kind: FaultKind
    message: str
    cell: str | None = None
    line: int | None = None
    case: str | None = None


@dataclass(frozen=True)
class Case:
    """One call of a student's function with drawn inputs; never holds the inputs themselves.

    Attributes:
        id: Unique in a run, also a file name: `conv_first-exact-3`.
        task: The task's id, e.g. `conv_first`.
        item: The rubric item that this case decides, e.g. `exact`.
        function: The student's function to call.
        x_shape: Input, NHWC; empty for cases that pass no arrays.
        w_shape: Filter, HWIO; empty likewise.
        stride: Stride of both axes.
        padding: `same` or `valid`, TensorFlow's meaning.
        values: How inputs are drawn: `integers`, `normals`, `impulse`, `photo`, `special`.
        seed: Seed of the inputs; known to the trusted side only (0 in what the worker sees).
        arguments: Further arguments, after x and w, or all of them for a plain function.
    """

    id: str
    task: str
    item: str
    function: str
    x_shape: tuple[int, ...] = ()
    w_shape: tuple[int, ...] = ()
    stride: int = 1
    padding: str = "valid"
    values: str = "integers"
    seed: int = 0
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class ArraySpec:
    """An array that a plan uses: role `x`, `w`, `temporary`, `constant` or `view`; C order.

    Attributes:
        role: What it is; the plan's `result` says which one is returned.
        shape: Its shape.
        dtype: NumPy's name of the dtype.
        values: For a constant, its flat values, or a single value that fills it; empty otherwise.
        view_of: For a view, the array whose memory it shows in another shape; None otherwise.
    """

    role: str
    shape: tuple[int, ...]
    dtype: str
    values: tuple[float, ...] = ()
    view_of: int | None = None


@dataclass(frozen=True)
class Argument:
    """One kernel argument: an array of the plan, or a scalar with its Numba type.

    Attributes:
        array: Index into `Plan.arrays`, or None for a scalar.
        scalar: The value of a scalar.
        type: Numba's type name: `int64`, `float32`, `array(float32, 4d, C)`.
    """

    array: int | None
    scalar: float | int | bool | None
    type: str


@dataclass(frozen=True)
class Launch:
    """One kernel launch as the host function asked for it.

    Attributes:
        kernel: Key into `PlanSet.kernels`.
        grid: Blocks in x, y, z.
        block: Threads in x, y, z.
        shared_bytes: Dynamic shared memory.
        arguments: In the kernel's order.
    """

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Plan:
    """What a host function does for one case: launches over symbolic arrays.

    Attributes:
        case: The case's id.
        arrays: All arrays; 0 is x and 1 is w.
        launches: In order.
        result: Index of the returned array.
        value: For a plain function, what it returned (numbers, lists), else None.
    """

    case: str
    arrays: tuple[ArraySpec, ...] = ()
    launches: tuple[Launch, ...] = ()
    result: int | None = None
    value: Any = None


@dataclass(frozen=True)
class Function:
    """A kernel or device function as text and data, to be built anew in another process.

    Attributes:
        name: The Python function's name.
        text: Its source.
        cell: The notebook cell that defines it.
        line: Line of its first line (a decorator's, if it has one) in that cell, from 1.
        names: What its global names stand for; see `autograder.worker.portable`.
    """

    name: str
    text: str
    cell: str | None = None
    line: int = 1
    names: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kernel:
    """A compiled kernel: one Python function at one signature.

    Attributes:
        name: The Python function's name.
        entry: The PTX entry point.
        ptx: The PTX text; empty where this machine has no CUDA compiler.
        cell: The notebook cell that defines it.
        line: Line in that cell, from 1.
        lined_ptx: Compiled again with line numbers, for messages only: they change the code a little. May be empty.
        source: The kernel, then its device functions, for the simulator; empty where there is no text.
    """

    name: str
    entry: str
    ptx: str
    cell: str | None = None
    line: int | None = None
    lined_ptx: str = ""
    source: tuple[Function, ...] = ()


@dataclass(frozen=True)
class PlanSet:
    """Everything that the plan stage learned of one task.

    Attributes:
        task: The task's id.
        kernels: By key.
        plans: One for each case that could be planned.
        faults: For the task (case None) or single cases.
        compiled: Whether kernels were compiled; False where no CUDA compiler is installed.
    """

    task: str
    kernels: dict[str, Kernel] = field(default_factory=dict)
    plans: tuple[Plan, ...] = ()
    faults: tuple[Fault, ...] = ()
    compiled: bool = False


@dataclass(frozen=True)
class Resources:
    """What the assembler says of one kernel (stage 3).

    Attributes:
        kernel: Key into `PlanSet.kernels`.
        architecture: e.g. `sm_90`.
        registers: Per thread.
        spill_store_bytes: Register spills, stores.
        spill_load_bytes: Register spills, loads.
        shared_bytes: Static shared memory of a block.
        fp64_instructions: Double-precision instructions in the PTX.
        stack_bytes: Local memory of a thread that is no spill: arrays that did not fit into registers.
    """

    kernel: str
    architecture: str
    registers: int
    spill_store_bytes: int
    spill_load_bytes: int
    shared_bytes: int
    fp64_instructions: int
    stack_bytes: int = 0


@dataclass(frozen=True)
class Structure:
    """What a kernel is made of, from its PTX; only what reaches a global store is counted (`autograder.structure`).

    Attributes:
        kernel: Key into `PlanSet.kernels`.
        products: Multiply-adds of two loaded factors, as written, in loops where there are loops.
        products_from_shared: Those with a factor that comes from shared memory.
        main_products: Those of the innermost loop that has the most.
        main_loaded_floats: Floats that this loop loads, from shared and global memory.
        shared_stores: Instructions that store to shared memory, asynchronous copies included.
        shared_floats: Floats that used loads from shared memory bring.
        shared_wide_floats: Those that come 16 bytes a load.
        global_floats: Floats that used loads and asynchronous copies from global memory bring.
        global_wide_floats: Those that come 16 bytes a load.
        barriers: Barriers of the block.
        async_copies: Asynchronous copies.
        tensor_instructions: Matrix multiply-adds on tensor cores.
        lines: Name of a finding -> line of the source, where the compiler wrote lines down.
    """

    kernel: str
    products: int = 0
    products_from_shared: int = 0
    main_products: int = 0
    main_loaded_floats: int = 0
    shared_stores: int = 0
    shared_floats: int = 0
    shared_wide_floats: int = 0
    global_floats: int = 0
    global_wide_floats: int = 0
    barriers: int = 0
    async_copies: int = 0
    tensor_instructions: int = 0
    lines: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Coalescing:
    """Global memory traffic of one launch, counted by warp in the simulator.

    A request is one load or store executed by a warp; a sector is an aligned run of 32 bytes,
    the unit in which a GPU moves data. Ideal is 4 sectors for 32 neighbouring floats, 1 for a
    broadcast.

    Attributes:
        kernel: The kernel's Python name.
        load_requests: Warp-wide loads.
        load_sectors: Sectors they touch.
        store_requests: Warp-wide stores.
        store_sectors: Sectors they touch.
    """

    kernel: str
    load_requests: int
    load_sectors: int
    store_requests: int
    store_sectors: int


@dataclass(frozen=True)
class Outcome:
    """What running one case gave; the output itself lies beside it as `<case>.npy`.

    Attributes:
        case: The case's id.
        fault: What stopped it, or None.
        unwritten: Outputs that still hold the poison.
        guards_intact: Nothing was written around the arrays.
        inputs_intact: x and w are as they were.
        coalescing: Memory traffic, from the simulator only.
        pending: Why it can't be run without a GPU, or empty.
    """

    case: str
    fault: Fault | None = None
    unwritten: int = 0
    guards_intact: bool = True
    inputs_intact: bool = True
    coalescing: tuple[Coalescing, ...] = ()
    pending: str = ""


@dataclass(frozen=True)
class Race:
    """A timed comparison in one run: a submission's function against a named baseline.

    Attributes:
        task: The task's id.
        workload: Human-readable shapes, e.g. `64x58x58x64 * 3x3x64->64`.
        baseline: Name of the rung of the ladder.
        pairs: (candidate_ms, baseline_ms), in the order measured.
        wrong_outputs: Timed outputs that differed from the judged one.
        peers: Other medians of the same run, ms: `cudnn`, other rungs.
        flops: Floating-point operations of the workload.
        bytes: Fewest bytes that it must move.
        trouble: Trusted signs of trouble: throttling, another process on the GPU, a ladder off its calibration.
        discarded: Why each earlier measurement of this race does not count; empty when the first one does.
        high: Of a race between two rungs, the upper one; the baseline is the lower.
        rounds: Its rounds, (candidate_ms, baseline_ms, high_ms); `pairs` holds their first two.
    """

    task: str
    workload: str
    baseline: str
    pairs: tuple[tuple[float, float], ...]
    wrong_outputs: int = 0
    peers: dict[str, float] = field(default_factory=dict)
    flops: float = 0.0
    bytes: float = 0.0
    trouble: tuple[str, ...] = ()
    discarded: tuple[str, ...] = ()
    high: str = ""
    rounds: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class Measurement:
    """All that stage 4, a GPU or the simulator, says of one task.

    Attributes:
        task: The task's id.
        where: `gpu` or `simulator`.
        outcomes: One for each case that ran.
        races: Timed comparisons; empty in the simulator.
        fault: What stopped the whole stage, or None.
    """

    task: str
    where: str
    outcomes: tuple[Outcome, ...] = ()
    races: tuple[Race, ...] = ()
    fault: Fault | None = None


@dataclass(frozen=True)
class Run:
    """One training of a declared network, and what it knows of images that it never saw.

    Attributes:
        seed: Of its weights, the order of images, augmentation.
        accuracy: Share of the test images that it gets right.
        train_accuracy: Share of as many training images, shown plainly.
        losses: Mean training loss of each epoch.
        epoch_s: How long each took, seconds.
    """

    seed: int
    accuracy: float
    train_accuracy: float
    losses: tuple[float, ...]
    epoch_s: tuple[float, ...]


@dataclass(frozen=True)
class Training:
    """What training a submission's network and plan on one data set gave.

    Attributes:
        data: `digits` or `cifar10`.
        description: The set in words, and which bytes of it.
        images: How many test images the accuracies are shares of.
        runs: The submission's, a seed each.
        baseline: The lab's network trained by the plan as given, in the same run; empty where nothing is compared.
        fault: Why the submission's was not trained to the end, or None.
    """

    data: str
    description: str
    images: int
    runs: tuple[Run, ...] = ()
    baseline: tuple[Run, ...] = ()
    fault: Fault | None = None


@dataclass(frozen=True)
class Trained:
    """All that training said of one task.

    Attributes:
        trainings: By data set.
        refused: What is wrong with the declaration, so that nothing is trained, or None.
        pending: Why a data set can't be trained on here.
        failures: Why training failed that was not the submission's fault.
    """

    trainings: dict[str, Training] = field(default_factory=dict)
    refused: Fault | None = None
    pending: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
