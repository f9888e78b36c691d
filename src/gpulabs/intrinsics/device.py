"""The device functions themselves: LLVM vector accesses and inline PTX.

Before compute capability 8.0 there is no `cp.async`: `copy4_async` is then a plain load and store, and the two
functions that group and wait do nothing. Kernels stay right; nothing overlaps. Tensor cores with TF32 need 8.0.

Shared arrays: Numba aligns them to 4 bytes, so that an array of odd size would push the next one off the 16 that a
vector needs. Each function here raises the alignment of the shared arrays that its caller has declared so far. A
caller is what becomes one function: a kernel with all its device functions of `inline="always"`. The rule that is
left: where only device functions that are not inlined touch a kernel's shared array, the kernel declares it first.

Source: PTX ISA, "cp.async", "mma.sync.aligned.m16n8k8" and "cvt.rna.tf32.f32".
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.cuda import types
from numba.cuda.core import targetconfig
from numba.cuda.errors import CudaLoweringError
from numba.cuda.extending import intrinsic

FLOAT = ir.FloatType()
INT32 = ir.IntType(32)
FOUR = ir.VectorType(FLOAT, 4)
SHARED = 3
"""LLVM's number for the address space of shared memory."""
VECTOR_BYTES = 16
"""Numba aligns a shared array of floats to 4 bytes, vectors need 16."""


@intrinsic
def load1(_context: Any, array: Any, index: Any) -> Any:
    """Loads one float at a flat index, without the arithmetic of several dimensions.

    Args:
        array: float32, C order, global or shared memory.
        index: Flat index of the float.

    Returns:
        The float.
    """
    if not (_is_floats(array) and isinstance(index, types.Integer)):
        return None

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_address(context, builder, signature.args, values))

    return types.float32(array, index), lower


@intrinsic
def load4(_context: Any, array: Any, index: Any) -> Any:
    """Loads 16 bytes: four neighbouring floats in one instruction.

    Args:
        array: float32, C order, global or shared memory.
        index: Flat index of the first float, a multiple of 4.

    Returns:
        The four floats.

    Example:
        a, b, c, d = load4(x, 4 * i)
    """
    if not (_is_floats(array) and isinstance(index, types.Integer)):
        return None

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        loaded = builder.load(_four(context, builder, signature.args, values))
        loaded.align = 16
        floats = [builder.extract_element(loaded, INT32(lane)) for lane in range(4)]
        return context.make_tuple(builder, signature.return_type, floats)

    return types.UniTuple(types.float32, 4)(array, index), lower


@intrinsic
def store4(_context: Any, array: Any, index: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Stores 16 bytes: four neighbouring floats in one instruction.

    Args:
        array: float32, C order, global or shared memory.
        index: Flat index of the first float, a multiple of 4.
        a: The float at index.
        b: The float at index + 1.
        c: The float at index + 2.
        d: The float at index + 3.
    """
    if not (_is_floats(array) and isinstance(index, types.Integer)):
        return None

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector = FOUR(ir.Undefined)
        for lane in range(4):
            vector = builder.insert_element(vector, values[2 + lane], INT32(lane))
        builder.store(vector, _four(context, builder, signature.args, values)).align = 16
        return context.get_dummy_value()

    return types.void(array, index, *[types.float32] * 4), lower


@intrinsic
def copy4_async(_context: Any, shared: Any, i: Any, source: Any, j: Any, valid: Any) -> Any:
    """Starts a copy of 16 bytes from global to shared memory and goes on without waiting for it.

    Args:
        shared: float32 array in shared memory.
        i: Flat index of the first float there, a multiple of 4.
        source: float32 array in global memory, C order.
        j: Flat index of the first float there, a multiple of 4; any number where not valid.
        valid: Where false, four zeros arrive instead and nothing is read.

    The floats may be read after `commit_copies`, `wait_copies` and a barrier.
    """
    kinds = all(isinstance(index, types.Integer) for index in (i, j))
    if not (_is_floats(shared) and _is_floats(source) and kinds and isinstance(valid, types.Boolean)):
        return None

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        target = _four(context, builder, signature.args[:2], values[:2])
        flag = builder.trunc(values[4], ir.IntType(1)) if values[4].type.width > 1 else values[4]
        if not _has_async_copies():
            index = builder.select(flag, values[3], values[3].type(0))  # a plain load has to be in bounds
            loaded = builder.load(_four(context, builder, signature.args[2:4], [values[2], index]))
            loaded.align = 16
            builder.store(builder.select(flag, loaded, FOUR([0.0] * 4)), target).align = 16
            return context.get_dummy_value()
        origin = _four(context, builder, signature.args[2:4], values[2:4])
        there = builder.ptrtoint(builder.addrspacecast(target, FOUR.as_pointer(SHARED)), INT32)
        size = builder.select(flag, INT32(16), INT32(0))
        kind = ir.FunctionType(ir.VoidType(), [INT32, origin.type, INT32])
        text = "cp.async.cg.shared.global [$0], [$1], 16, $2;"
        builder.call(ir.InlineAsm(kind, text, "r,l,r,~{memory}", side_effect=True), [there, origin, size])
        return context.get_dummy_value()

    return types.void(shared, i, source, j, valid), lower


@intrinsic
def commit_copies(_context: Any) -> Any:
    """Closes a group: the thread's asynchronous copies since the last group."""

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if _has_async_copies():
            _say(builder, "cp.async.commit_group;")
        return context.get_dummy_value()

    return types.void(), lower


@intrinsic
def wait_copies(_context: Any, pending: Any) -> Any:
    """Waits until at most so many of the thread's newest groups are still under way.

    Args:
        pending: A literal, 0 to 7: 0 waits for all.

    Other threads' copies are seen after a barrier that follows.
    """
    if not isinstance(pending, types.IntegerLiteral):
        return None
    number = pending.literal_value

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if _has_async_copies():
            _say(builder, f"cp.async.wait_group {number};")
        return context.get_dummy_value()

    return types.void(pending), lower


@intrinsic
def to_tf32(_context: Any, value: Any) -> Any:
    """Rounds a float32 to TF32, 10 bits of mantissa, to nearest with ties away from zero.

    Args:
        value: float32.

    Returns:
        The rounded value, a float32 whose low 13 bits are zero.
    """

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _need_tensor_cores("to_tf32")
        assembly = ir.InlineAsm(ir.FunctionType(INT32, [FLOAT]), "cvt.rna.tf32.f32 $0, $1;", "=r,f")
        return builder.bitcast(builder.call(assembly, values), FLOAT)

    return types.float32(types.float32), lower


@intrinsic
def mma_tf32(
    _context: Any, a0: Any, a1: Any, a2: Any, a3: Any, b0: Any, b1: Any, c0: Any, c1: Any, c2: Any, c3: Any
) -> Any:
    """One warp's D = A B + C on tensor cores: A is 16x8, B 8x8, C and D 16x8, A and B read as TF32.

    All 32 lanes call it together. Lane l holds, with g = l // 4 and t = l % 4:

        a0, a1, a2, a3   A[g, t], A[g + 8, t], A[g, t + 4], A[g + 8, t + 4]
        b0, b1           B[t, g], B[t + 4, g]
        c0, c1, c2, c3   C[g, 2 t], C[g, 2 t + 1], C[g + 8, 2 t], C[g + 8, 2 t + 1]

    Returns:
        The lane's four elements of D, placed like C's.
    """

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _need_tensor_cores("mma_tf32")
        bits = [builder.bitcast(value, INT32) for value in values[:6]]
        result = ir.LiteralStructType([FLOAT] * 4)
        kind = ir.FunctionType(result, [INT32] * 6 + [FLOAT] * 4)
        text = (
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
            "{$0, $1, $2, $3}, {$4, $5, $6, $7}, {$8, $9}, {$10, $11, $12, $13};"
        )
        constraints = ",".join(["=f"] * 4 + ["r"] * 6 + ["f"] * 4)
        # Convergent in fact: marked as having side effects, so that it is neither moved nor merged.
        found = builder.call(ir.InlineAsm(kind, text, constraints, side_effect=True), [*bits, *values[6:]])
        floats = [builder.extract_value(found, number) for number in range(4)]
        return context.make_tuple(builder, signature.return_type, floats)

    return types.UniTuple(types.float32, 4)(*[types.float32] * 10), lower


def _is_floats(kind: Any) -> bool:
    return isinstance(kind, types.Array) and kind.dtype == types.float32 and kind.layout == "C"


def _four(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
    """A pointer to the vector of four at (array, index)."""
    _align_shared(builder)
    return builder.bitcast(_address(context, builder, kinds, values), FOUR.as_pointer())


def _address(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
    """A pointer to the float at (array, index)."""
    array = context.make_array(kinds[0])(context, builder, values[0])
    index = values[1]
    if not kinds[1].signed and index.type.width < 64:
        index = builder.zext(index, ir.IntType(64))  # an address takes its index as signed
    return builder.gep(array.data, [index])


def _align_shared(builder: Any) -> None:
    """Aligns the caller's shared arrays for vectors."""
    for variable in builder.module.global_values:
        if isinstance(variable, ir.GlobalVariable) and variable.type.addrspace == SHARED:
            variable.align = max(variable.align or 0, VECTOR_BYTES)


def _compute_capability() -> tuple[int, int]:
    major, minor = targetconfig.ConfigStack().top().compute_capability[:2]
    return major, minor


def _has_async_copies() -> bool:
    return _compute_capability() >= (8, 0)


def _need_tensor_cores(name: str) -> None:
    if _compute_capability() < (8, 0):
        found = "{}.{}".format(*_compute_capability())
        raise CudaLoweringError(f"{name}: TF32 needs compute capability 8.0 or later, this GPU has {found}")


def _say(builder: Any, text: str) -> None:
    _align_shared(builder)
    kind = ir.FunctionType(ir.VoidType(), [])
    builder.call(ir.InlineAsm(kind, text, "~{memory}", side_effect=True), [])
