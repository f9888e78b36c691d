"""What the PTX of real Numba kernels is found to be made of, decorative ones included."""

import re
from pathlib import Path

import numpy as np
import pytest
from numba import cuda, types

from autograder import ladder
from autograder.structure import analyse, split
from gpulabs.intrinsics import commit_copies, copy4_async, load4, mma_tf32, store4, wait_copies

ARRAY = types.Array(types.float32, 1, "C")
ROOT = Path(__file__).parents[2]


def structure(function, arrays=3, cc=(8, 0), **options):
    ptx, _ = cuda.compile(
        function, (ARRAY,) * arrays + (types.int64,), device=False, abi="numba", cc=cc, output="ptx", **options
    )
    return analyse("k", ptx)


def naive(x, w, y, count):
    i = cuda.grid(1)
    total = np.float32(0)
    for c in range(count):
        total += x[i + c] * w[c]
    y[i] = total


def tiled(x, w, y, count):
    tile = cuda.shared.array(64, np.float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    total = np.float32(0)
    for first in range(0, count, 64):
        cuda.syncthreads()
        tile[t] = x[i + first]
        cuda.syncthreads()
        for c in range(min(64, count - first)):
            total += tile[c] * w[first + c]
    y[i] = total


def filled_for_show(x, w, y, count):
    tile = cuda.shared.array(64, np.float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    tile[t] = x[i]
    cuda.syncthreads()
    total = np.float32(0)
    for c in range(count):
        total += x[i + c] * w[c]
    y[i] = total


def added_for_show(x, w, y, count):
    tile = cuda.shared.array(64, np.float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    tile[t] = x[i]
    cuda.syncthreads()
    total = np.float32(0)
    for c in range(count):
        total += x[i + c] * w[c]
    y[i] = total + np.float32(0) * tile[63 - t]


def passed_through_at_the_end(x, w, y, count):
    tile = cuda.shared.array(64, np.float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    total = np.float32(0)
    for c in range(count):
        total += x[i + c] * w[c]
    tile[t] = total
    cuda.syncthreads()
    y[i] = tile[t]


def multiplied_for_show(x, w, y, count):
    tile = cuda.shared.array(64, np.float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    tile[t] = np.float32(0)
    cuda.syncthreads()
    total = np.float32(0)
    for c in range(count):
        total += x[i + c] * w[c]
        total += tile[c % 64] * w[c]
    y[i] = total


def summed_in_vain(x, w, y, count):
    tile = cuda.shared.array(64, np.float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    tile[t] = x[i]
    cuda.syncthreads()
    total, vain = np.float32(0), np.float32(0)
    for c in range(count):
        total += x[i + c] * w[c]
        vain += tile[c % 64] * w[c] * tile[t]
    if vain > count:
        cuda.syncthreads()
    y[i] = total


def test_a_function_that_nothing_calls_counts_for_nothing():
    """In a forged text a fine tile could stand beside the kernel that runs."""
    texts = [
        cuda.compile(f, (ARRAY,) * 3 + (types.int64,), device=False, abi="numba", cc=(8, 0), output="ptx")[0]
        for f in (naive, tiled)
    ]
    decoy = texts[1][texts[1].index(".visible .entry") :].replace(".visible .entry", ".func")
    called = texts[0].replace("ret;", "call decoy, ();\nret;").replace("decoy", re.search(r"\.func (\w+)", decoy)[1])

    assert analyse("k", texts[0] + decoy) == analyse("k", texts[0])
    assert analyse("k", called + decoy).products > analyse("k", texts[0]).products


def test_a_naive_kernel_takes_no_factor_from_shared_memory():
    found = structure(naive)

    assert found.products > 0
    assert (found.products_from_shared, found.shared_stores, found.barriers) == (0, 0, 0)
    assert found.main_loaded_floats == 2 * found.main_products


def test_a_tile_that_is_used_feeds_all_products():
    found = structure(tiled)

    assert found.products_from_shared == found.products > 0
    assert found.shared_stores > 0
    assert found.barriers == 2


@pytest.mark.parametrize("kernel", [filled_for_show, added_for_show, passed_through_at_the_end, summed_in_vain])
def test_a_decorative_tile_feeds_no_product(kernel):
    found = structure(kernel)

    assert found.products > 0
    assert found.products_from_shared == 0


def test_a_decorative_product_beside_each_real_one_is_half():
    found = structure(multiplied_for_show)
    assert found.products_from_shared == found.products / 2


def test_a_device_function_is_followed(monkeypatch):
    import types as python_types

    from numba.cuda import dispatcher

    monkeypatch.setattr(
        dispatcher, "get_current_device", lambda: python_types.SimpleNamespace(compute_capability=(8, 0))
    )

    @cuda.jit(device=True)
    def step(a, b, total):
        return total + a * b

    def kernel(x, w, y, count):
        tile = cuda.shared.array(64, np.float32)
        i, t = cuda.grid(1), cuda.threadIdx.x
        tile[t] = x[i]
        cuda.syncthreads()
        total = np.float32(0)
        for c in range(count):
            total = step(tile[c], w[c], total)
        y[i] = total

    found = structure(kernel)
    assert found.products_from_shared == found.products > 0


CALL = """
.version 7.0
.target sm_75
.address_size 64
.shared .align 4 .b8 tile[256];
.func (.param .b32 func_retval0) product(.param .b32 product_param_0, .param .b64 product_param_1)
{
    ld.param.f32 %f1, [product_param_0];
    ld.param.u64 %rd1, [product_param_1];
    ld.f32 %f2, [%rd1];
    fma.rn.f32 %f3, %f1, %f2, %f1;
    st.param.f32 [func_retval0+0], %f3;
    ret;
}
.visible .entry k(.param .u64 k_param_0)
{
    ld.param.u64 %rd1, [k_param_0];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u64 %rd3, tile;
    cvta.shared.u64 %rd4, %rd3;
$L__BB0_1:
    ld.global.f32 %f1, [%rd2];
    st.f32 [%rd4+4], %f1;
    {
    .param .b32 param0;
    st.param.f32 [param0+0], %f1;
    .param .b64 param1;
    st.param.b64 [param1+0], %rd4;
    .param .b32 retval0;
    call.uni (retval0), product, (param0, param1);
    ld.param.f32 %f2, [retval0+0];
    }
    @%p1 bra $L__BB0_1;
    st.global.f32 [%rd2], %f2;
    ret;
}
"""


def test_a_call_that_was_not_inlined_and_generic_addresses_are_followed():
    found = analyse("k", CALL)

    assert (found.products, found.products_from_shared) == (1, 1)
    assert (found.shared_stores, found.shared_floats, found.global_floats) == (1, 1, 1)


def patch(x, w, y, count):
    pixels = cuda.shared.array(64, np.float32)
    filters = cuda.shared.array(64, np.float32)
    sums = cuda.local.array((4, 4), np.float32)
    a, b = cuda.local.array(4, np.float32), cuda.local.array(4, np.float32)
    t = cuda.threadIdx.x
    for i in range(4):
        for j in range(4):
            sums[i, j] = np.float32(0)
    for first in range(count):
        cuda.syncthreads()
        pixels[t], filters[t] = x[first + t], w[first + t]
        cuda.syncthreads()
        for c in range(16):
            for i in range(4):
                a[i], b[i] = pixels[c + i * 16], filters[c + i * 16]
            for i in range(4):
                for j in range(4):
                    sums[i, j] += a[i] * b[j]
    for i in range(4):
        for j in range(4):
            y[t * 16 + i * 4 + j] = sums[i, j]


def test_a_patch_in_registers_reuses_what_it_loads():
    found = structure(patch)
    assert found.main_products / found.main_loaded_floats == pytest.approx(2, rel=0.1)


def wide(x, w, y, count):
    tile = cuda.shared.array(512, np.float32)
    t = cuda.threadIdx.x
    total = np.float32(0)
    for c in range(count):
        cuda.syncthreads()
        a, b, d, e = load4(x, 4 * (c + t))
        store4(tile, 4 * t, a, b, d, e)
        copy4_async(tile, 256 + 4 * t, w, 4 * (c + t), True)
        commit_copies()
        wait_copies(0)
        cuda.syncthreads()
        f, g, h, i = load4(tile, 4 * (t ^ 1))
        j, k, m, n = load4(tile, 256 + 4 * (t ^ 1))
        total += f * j + g * k + h * m + i * n
    y[t] = total


def test_wide_loads_and_asynchronous_copies_are_counted_in_floats():
    found = structure(wide)

    rounds = found.async_copies  # as often as the compiler unrolled the loop
    assert rounds >= 1
    assert found.global_wide_floats == found.global_floats == 8 * rounds
    assert found.shared_wide_floats == found.shared_floats == 8 * rounds
    assert structure(tiled).global_wide_floats == 0


def tensor(x, w, y, count):
    t = cuda.threadIdx.x
    c0 = c1 = c2 = c3 = np.float32(0)
    for c in range(count):
        a, b = x[c * 32 + t], w[c * 32 + t]
        c0, c1, c2, c3 = mma_tf32(a, a, a, a, b, b, c0, c1, c2, c3)
    y[t], y[t + 32], y[t + 64], y[t + 96] = c0, c1, c2, c3


def test_tensor_cores_are_products_too():
    found = structure(tensor)
    assert found.tensor_instructions >= 1
    assert found.products > 0
    assert found.products % 32 == 0


def doubled(x, w, y, count):
    i = cuda.grid(1)
    y[i] = x[i] * w[i] + 0.1


def test_lines_come_from_the_compiler_where_asked_for():
    first = doubled.__code__.co_firstlineno
    assert structure(doubled, lineinfo=True).lines["fp64"] == first + 2
    assert structure(doubled).lines == {}
    assert structure(tiled, lineinfo=True).lines["product"] == tiled.__code__.co_firstlineno + 9


@pytest.mark.parametrize(
    "text", ["", "ld.global.f32;", "bra;", "call;", "st.shared.f32 [%r1];", "x: bra x;", "cp.async.ca;"]
)
def test_text_that_is_no_ptx_gives_zeros(text):
    assert analyse("k", ".entry k()\n{\n" + text + "\n}").products == 0


def test_many_loops_are_read_in_no_time():
    body = "".join(f"$L{i}:\n fma.rn.f32 %f1, %f2, %f3, %f1;\n bra $L{i // 2};\n" for i in range(4000))
    assert analyse("k", ".entry k()\n{\n" + body + "}").products == 0


def test_operands_are_split_outside_of_braces():
    assert split("{%f1, %f2}, [%rd1+16]") == ["{%f1, %f2}", "[%rd1+16]"]
    assert split("(retval0), name, (a, b)") == ["(retval0)", "name", "(a, b)"]


def test_the_ladder_climbs_as_its_names_say():
    found = {}
    for name in ladder.NAMES:
        for kernel, ptx in ladder.rung(name).ptx.items():
            found[kernel] = analyse(kernel, ptx)
            assert re.search(r"\.entry", ptx)
    assert found["naive"].products_from_shared == found["coalesced"].products_from_shared == 0
    if "tiled" in found:
        assert found["tiled"].products_from_shared == found["tiled"].products
    if "vectorised" in found:
        assert found["vectorised"].shared_wide_floats == found["vectorised"].shared_floats
