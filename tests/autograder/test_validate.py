import math
import re
from dataclasses import replace
from typing import Any

import pytest
from numba import cuda, float32, types

from autograder import ladder
from autograder.assemble import assemble
from autograder.evidence import ArraySpec, Case, FaultKind, Kernel, Launch, Plan
from autograder.validate import check_plan, check_ptx, check_size, shared_limit
from autograder.worker.compiling import with_bounds
from gpulabs.intrinsics import commit_copies, copy4_async, load4, mma_tf32, store4, to_tf32, wait_copies

CASE = Case("c", "t", "exact", "conv_first", (1, 4, 5, 2), (2, 3, 2, 3))
PLAN, KERNELS = ladder.plan_for(ladder.rung("naive"), CASE)
KERNEL = KERNELS["ladder:naive"]


def launch_with(**changes: Any) -> Plan:
    return replace(PLAN, launches=(replace(PLAN.launches[0], **changes),))


def argument_with(position: int, **changes: Any) -> Plan:
    arguments = list(PLAN.launches[0].arguments)
    arguments[position] = replace(arguments[position], **changes)
    return launch_with(arguments=tuple(arguments))


def array_with(index: int, **changes: Any) -> Plan:
    arrays = list(PLAN.arrays)
    arrays[index] = replace(arrays[index], **changes)
    return replace(PLAN, arrays=tuple(arrays))


def with_array(spec: ArraySpec, **changes: Any) -> Plan:
    return replace(PLAN, arrays=(*PLAN.arrays, spec), **changes)


def test_ordinary_plan_passes() -> None:
    assert check_plan(PLAN, CASE, KERNELS) is None
    assert check_plan(with_array(ArraySpec("view", (27,), "float32", view_of=2)), CASE, KERNELS) is None
    assert check_plan(with_array(ArraySpec("constant", (9,), "float32", (0.0,))), CASE, KERNELS) is None
    assert check_plan(Plan("c", value=3), Case("c", "t", "i", "launch_config")) is None


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (launch_with(grid=(0, 1, 1)), "grid (0, 1, 1): x must lie between 1 and 2147483647"),
        (launch_with(grid=(1, 65536, 1)), "y must lie between 1 and 65535"),
        (launch_with(block=(32, 33, 1)), "1056 threads"),
        (launch_with(block=(1, 1, 65)), "z must lie between 1 and 64"),
        (launch_with(shared_bytes=49153), "49153 bytes of dynamic shared memory"),
        (launch_with(shared_bytes=-1), "dynamic shared memory"),
        (launch_with(kernel="nowhere"), "its kernel is not there"),
        (launch_with(arguments=PLAN.launches[0].arguments[:-1]), "takes other arguments than are passed"),
        (argument_with(0, array=3), "argument 1 is no array of the plan"),
        (argument_with(0, array=-1), "argument 1 is no array of the plan"),
        (argument_with(2, type="array(float64, 4d, C)"), "argument 3 is passed as array(float64, 4d, C)"),
        (argument_with(2, type="array(float32, 4d, F)"), "argument 3 is passed as"),
        (argument_with(3, scalar=2**31), "argument 4 is 2147483648, which is no int32"),
        (argument_with(3, scalar=None), "argument 4 is None"),
        (argument_with(3, type="unicode_type"), "argument 4"),
        (replace(PLAN, launches=PLAN.launches * 65), "65 launches, at most 64"),
        (replace(PLAN, result=0), "it returns x itself"),
        (replace(PLAN, result=3), "it returns no array of its plan"),
        (replace(PLAN, result=None), "it returns no array of its plan"),
        (with_array(ArraySpec("view", (24,), "float32", view_of=1), result=3), "of another size"),
        (with_array(ArraySpec("view", (36,), "float32", view_of=1), result=3), "it returns w itself"),
        (with_array(ArraySpec("view", (36,), "float32", view_of=5)), "is a view of an array that is not there"),
        (with_array(ArraySpec("temporary", (36,), "float32", view_of=1)), "is a view of nothing"),
        (with_array(ArraySpec("x", (36,), "float32")), "array 3 has the role 'x'"),
        (with_array(ArraySpec("temporary", (36,), "complex64")), "array 3 has the dtype complex64"),
        (with_array(ArraySpec("temporary", (-1,), "float32")), "array 3 has the shape (-1,)"),
        (with_array(ArraySpec("temporary", (2, 2), "float32", (1.0,))), "1 values for 4 elements"),
        (with_array(ArraySpec("constant", (4,), "float32", (1.0, 2.0))), "2 values for 4 elements"),
        (with_array(ArraySpec("constant", (4,), "float32")), "is a constant without values"),
        (with_array(ArraySpec("temporary", (1 << 32,), "float32")), "16.0 GiB together"),
        (array_with(0, shape=(1, 4, 5, 3)), "array 0 is not x as the case has it"),
        (replace(PLAN, arrays=PLAN.arrays[:1]), "1 arrays"),
    ],
)
def test_plan_beyond_its_limits_is_refused(plan: Plan, says: str) -> None:
    fault = check_plan(plan, CASE, KERNELS)
    assert fault is not None
    assert says in fault.message
    assert (fault.kind, fault.case, fault.cell) == (FaultKind.REJECTED, "c", "t")
    assert fault.message.startswith("conv_first: ")


HEAD = ".version 7.0\n.target sm_80\n.address_size 64\n"


def kernel(body: str, head: str = "", parameters: str = ".param .u64 p") -> Kernel:
    text = f"{HEAD}{head}\n.visible .entry k({parameters})\n{{\n.reg .b32 %r<9>;\n.reg .b64 %rd<9>;\n{body}\nret;\n}}\n"
    return Kernel("k", "k", text, "cell", 4)


GOOD = {
    "vector loads": ".reg .f32 %f<5>; ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1];",
    "asynchronous copies": "cp.async.cg.shared.global [%r1], [%rd1], 16; cp.async.commit_group; cp.async.wait_group 0;",
    "tensor cores": "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
    "{%r1,%r2,%r3,%r4}, {%r5,%r6,%r7,%r8}, {%r1,%r2}, {%r3,%r4,%r5,%r6};",
    "barriers and atomics": "bar.sync 0; atom.global.add.f32 %r1, [%rd1], %r2; red.global.add.u32 [%rd1], 1;",
    "shuffles": ".reg .pred %p<2>; shfl.sync.down.b32 %r1|%p1, %r2, 1, 31, -1;",
    "inline assembly's own registers": "{ .reg .b32 tmp; mov.b32 tmp, %r1; }",
    "thread indices": "mov.u32 %r1, %tid.x; mov.u32 %r2, %lanemask_lt; mov.u32 %r3, %dynamic_smem_size;",
}


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_ordinary_instructions_pass(body: str) -> None:
    assert check_ptx(kernel(body)) is None


BAD = {
    "clock": (kernel("mov.u32 %r1, %clock;"), "reads the GPU's clock"),
    "clock64": (kernel("mov.u64 %rd1, %clock64;"), "reads the GPU's clock"),
    "global timer": (kernel("mov.u64 %rd1, %globaltimer;"), "reads the GPU's clock"),
    "clock after a comment sign in a string": (
        kernel('.pragma "nounroll//"; mov.u32 %r1, %clock;'),
        "pragma",
    ),
    "clock behind .file": (kernel('.file 1 "a//b" mov.u32 %r1, %clock;'), "declaration"),
    "clock in the guise of a register": (kernel(".reg .b32 %clock<2>; mov.u32 %r1, %clock;"), "%clock"),
    "clock behind a label": (kernel("L: mov.u32 %r1, %clock_hi;"), "reads the GPU's clock"),
    "clock behind a guard": (kernel("@%r1 mov.u32 %r1, %clock;"), "reads the GPU's clock"),
    "which multiprocessor": (kernel("mov.u32 %r1, %smid;"), "reads %smid"),
    "sleep": (kernel("nanosleep.u32 100;"), "sleeps"),
    "trap": (kernel("trap;"), "trap"),
    "prefetch": (kernel("prefetch.global.L2 [%rd1];"), "cache policies"),
    "eviction": (kernel("ld.global.L1::evict_last.f32 %r1, [%rd1];"), "cache policies"),
    "cache hint": (kernel("ld.global.L2::cache_hint.f32 %r1, [%rd1], %rd2;"), "cache policies"),
    "persisting": (kernel("createpolicy.fractional.L2::evict_last.b64 %rd1;"), "cache policies"),
    "bulk copies": (kernel("cp.async.bulk.shared.global [%r1], [%rd1], 16, [%r2];"), "cp.async.bulk"),
    "unknown instruction": (kernel("tcgen05.alloc.b32 %r1;"), "the instruction tcgen05"),
    "printf": (kernel("", ".extern .func (.param .b32 r) vprintf (.param .b64 a, .param .b64 b);"), "prints"),
    "linked code": (kernel("", ".extern .func (.param .b32 r) mine (.param .b64 a);"), "code that is not its own"),
    "prototype": (kernel("", ".func (.param .b32 r) mine (.param .b64 a);"), "code that is not its own"),
    "own malloc": (kernel("", ".func malloc () { ret; }"), "code that is not its own"),
    "indirect call": (kernel("call (%r1), %rd1, (%r2), proto;"), "code that is not its own"),
    "foreign variable": (kernel("", ".extern .global .b32 theirs;"), "defined elsewhere"),
    "remembered results": (kernel("", ".global .align 4 .b8 cache[5000];"), "5,000 bytes in global variables"),
    "remembered in two axes": (kernel("", ".global .align 4 .b32 cache[100][100];"), "global variables"),
    "a counter of launches": (
        kernel("ld.global.u32 %r1, [count]; st.global.u32 [count], %r1;", ".global .align 4 .u32 count;"),
        "keeps the variable count",
    ),
    "a counter behind a pointer": (
        kernel("ld.const.u64 %rd1, [p];", ".global .align 4 .u32 count;\n.const .align 8 .u64 p = count;"),
        "keeps the variable count",
    ),
    "a counter named like a table": (
        kernel("st.global.u32 [__cudart_i2opi_f], 1;", ".global .align 4 .b8 __cudart_i2opi_f[24];"),
        "keeps the variable __cudart_i2opi_f",
    ),
    "labels by the thousand": (kernel("a:" * 20_001), "no compiler writes"),
    "quotes by the thousand": (kernel('"' * 5_001), "no compiler writes"),
    "a statement without end": (kernel("add.f32 " + "%f1, " * 80_001), "no compiler writes"),
    "managed memory": (kernel("", ".global .attribute(.managed) .align 4 .b32 cache;"), "declaration"),
    "debug": (kernel("", ".section .debug_info { .b8 0 }"), "debug=True"),
    "preprocessor": (kernel("#define ret trap\n"), "characters"),
    "other script": (kernel("mov.u32 %r1, \u0455;"), "characters"),
    "another entry": (replace(kernel(""), entry="other"), "no entry point"),
    "a kernel for the assembler's report beside the one that runs": (
        kernel("", ".visible .entry small() { ret; }"),
        "holds 2 kernels in one text",
    ),
    "huge": (kernel("add.s32 %r1, %r2, %r3;\n" * 90_000), "characters of PTX"),
}


@pytest.mark.parametrize(("bad", "says"), BAD.values(), ids=BAD)
def test_what_is_not_allowed_is_refused(bad: Kernel, says: str) -> None:
    fault = check_ptx(bad)
    assert fault is not None
    assert says in fault.message
    assert fault.kind is FaultKind.REJECTED
    assert (fault.cell, fault.line) == ("cell", 4)


def shared(a, b):
    tile = cuda.shared.array((8, 8), float32)
    i, j = cuda.threadIdx.x, cuda.threadIdx.y
    tile[i, j] = a[i * 8 + j]
    cuda.syncthreads()
    cuda.atomic.add(b, 0, tile[j, i])


def functions(a, b):
    i = cuda.grid(1)
    if i >= a.size:
        raise ValueError("outside")
    b[i] = math.sin(a[i]) * math.exp(a[i]) + math.sqrt(a[i]) ** 3 + i // 3 + a[i] * 0.5


def strided(a, b):
    local = cuda.local.array(4, float32)
    for i in range(cuda.grid(1), a.size, cuda.gridsize(1)):
        local[i % 4] = cuda.shfl_down_sync(0xFFFFFFFF, a[i], 1)
        b[i] = local[int(a[i]) & 3]


def printing(a, b):
    print(a[0])


def sleeping(a, b):
    cuda.nanosleep(1000)


@pytest.mark.parametrize(
    ("function", "says"),
    [(shared, None), (functions, None), (strided, None), (printing, "prints"), (sleeping, "sleeps")],
)
def test_what_numba_compiles(function: Any, says: str | None) -> None:
    array = types.Array(types.float32, 1, "C")
    ptx, _ = cuda.compile_ptx(function, (array, array), cc=(7, 5))
    entry = re.search(r"\.visible \.entry (\w+)", ptx)
    assert entry is not None
    fault = check_ptx(Kernel(function.__name__, entry.group(1), ptx))
    assert (fault is None) if says is None else (fault is not None and says in fault.message)


def test_dynamic_shared_memory_is_limited_by_the_device() -> None:
    plan = launch_with(shared_bytes=64 << 10)
    assert check_plan(plan, CASE, KERNELS, shared_limit("sm_75")) is None
    assert check_plan(launch_with(shared_bytes=(64 << 10) + 1), CASE, KERNELS, shared_limit("sm_75")) is not None
    assert check_plan(launch_with(shared_bytes=227 << 10), CASE, KERNELS, shared_limit("sm_90")) is None
    assert shared_limit(None) == shared_limit("sm_90") > shared_limit("sm_89") > shared_limit("sm_20") == 48 << 10


def wide(x, w):
    tile = cuda.shared.array(0, float32)
    t = cuda.threadIdx.x
    a, b, c, d = load4(x, 4 * t)
    store4(tile, 4 * t, a, b, c, d)
    copy4_async(tile, 4 * t + 512, w, 4 * t, t > 3)
    commit_copies()
    wait_copies(0)
    cuda.syncthreads()
    a, b, c, d = mma_tf32(a, b, c, d, to_tf32(tile[t]), b, a, b, c, d)
    store4(w, 4 * t, a, b, c, d)


def test_the_intrinsics_and_bounds_pass() -> None:
    array = types.Array(types.float32, 1, "C")
    ptx, _ = cuda.compile_ptx(wide, (array, array), cc=(8, 0))
    for word in ("ld.global.v4.f32", "st.shared.v4.f32", "cp.async.cg", "mma.sync", "cvt.rna.tf32"):
        assert word in ptx
    entry = re.search(r"\.visible \.entry (\w+)", ptx)
    assert entry is not None
    for options in ({}, {"max_registers": 64}, {"launch_bounds": (256, 2)}, {"launch_bounds": 128}):
        bounded = with_bounds(ptx, options)
        assert (bounded != ptx) == bool(options)
        kernel = Kernel("wide", entry.group(1), bounded)
        assert check_ptx(kernel) is None
        assert assemble({"k": kernel}, "sm_80").faults == {}


@pytest.mark.parametrize(
    ("bounds", "refused"),
    [("", False), (".maxntid 256", False), (".maxntid 16, 16, 1", False), (".maxntid 8, 16", True),
     (".maxntid 255 .minnctapersm 2", True), (".reqntid 64", True), (".maxnreg 32", False)],
)  # fmt: skip
def test_a_block_of_more_threads_than_launch_bounds_allow_is_refused(bounds: str, refused: bool) -> None:
    plan = launch_with(block=(16, 16, 1))
    ptx = re.sub(r"\)\s*\.maxntid[^{]*\{", f")\n{bounds}\n{{", KERNEL.ptx, count=1)
    assert bounds in ptx

    fault = check_plan(plan, CASE, {"ladder:naive": replace(KERNEL, ptx=ptx)})

    assert (fault is not None) == refused
    assert fault is None or "launch_bounds of naive allows" in fault.message


def test_a_launch_without_kernels_at_hand_is_still_limited() -> None:
    bare = Launch("k", (1, 1, 1), (2048, 1, 1), 0, ())
    assert check_plan(replace(PLAN, launches=(bare,)), CASE) is not None


def test_all_kernels_of_a_task_are_held_to_a_size() -> None:
    large = {f"k{number}": Kernel("k", "k", "x" * 1_000_000) for number in range(17)}
    many = dict.fromkeys(map(str, range(129)), Kernel("k", "k", ""))
    assert "129 kernels" in check_size("t", many).message  # type: ignore[union-attr]
    assert "17,000,000 characters" in check_size("t", large).message  # type: ignore[union-attr]
    large.popitem()
    assert check_size("t", large) is None
