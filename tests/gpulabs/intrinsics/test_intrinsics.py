"""The intrinsics compiled, assembled, simulated and, where there is a GPU, run."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numba import config, cuda, types

import gpulabs.intrinsics
from autograder.assemble import assemble
from autograder.evidence import Kernel
from gpulabs.intrinsics import device, simulated

ROOT = Path(__file__).parents[3]
FLOATS = [types.Array(types.float32, axes, "C") for axes in range(4)]
SIGNATURES = {
    "vectors": (FLOATS[2], FLOATS[2]),
    "copies": (FLOATS[1], FLOATS[1]),
    "rounding": (FLOATS[1], FLOATS[1]),
    "product": (FLOATS[3],) * 4,
}
EXPECTED = {
    "vectors": {"ld.global.v4.f32": 1, "ld.global.f32": 1, "st.global.v4.f32": 1},
    "copies": {
        "cp.async.cg.shared.global": 2,
        "cp.async.commit_group": 2,
        "cp.async.wait_group 1": 1,
        "cp.async.wait_group 0": 1,
        "ld.shared.v4.f32": 2,
        "st.global.v4.f32": 2,
    },
    "rounding": {"cvt.rna.tf32.f32": 1},
    "product": {"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32": 2},
}
"""What each kernel's PTX for compute capability 8.0 holds, and how often."""

compiles = pytest.mark.skipif(bool(config.ENABLE_CUDASIM), reason="the simulator compiles nothing")


def compiled(name: str, cc: tuple[int, int]) -> str:
    from tests.gpulabs.intrinsics import kernels

    ptx, _ = cuda.compile_ptx(getattr(kernels, name).py_func, SIGNATURES[name], cc=cc)
    return str(ptx)


def assembled(ptx: str, architecture: str) -> None:
    entry = re.search(r"\.visible \.entry (\w+)", ptx)
    assert entry
    result = assemble({"k": Kernel("k", entry.group(1), ptx)}, architecture)
    assert result.faults == {}


@compiles
@pytest.mark.parametrize("name", EXPECTED)
def test_ptx_holds_the_instructions_and_assembles(name: str) -> None:
    ptx = compiled(name, (8, 0))
    assert {text: ptx.count(text) for text in EXPECTED[name]} == EXPECTED[name]
    if name == "copies":  # zeros are copied by a size of 0: without it, a GPU reads where nothing may be
        assert len(re.findall(r"selp\.\w+\s+%\w+, (?:16, 0|0, 16), ", ptx)) == 1
    assembled(ptx, "sm_80")
    assembled(compiled(name, (9, 0)), "sm_90")


@compiles
@pytest.mark.parametrize("name", ["vectors", "copies"])
def test_before_8_0_copies_are_loads_and_stores(name: str) -> None:
    ptx = compiled(name, (7, 5))
    assert "cp.async" not in ptx
    assert ptx.count("ld.global.v4.f32") == (2 if name == "copies" else 1)
    assert ptx.count("st.shared.v4.f32") == (2 if name == "copies" else 0)
    assembled(ptx, "sm_75")


@compiles
@pytest.mark.parametrize("name", ["rounding", "product"])
def test_before_8_0_tensor_cores_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(Exception, match=r"TF32 needs compute capability 8\.0 or later, this GPU has 7\.5"):
        compiled(name, (7, 5))


@compiles
def test_shared_arrays_are_aligned_for_vectors() -> None:
    for cc in [(7, 5), (8, 0)]:
        assert re.findall(r"\.shared \.align (\d+) \.b8 \w+\[(\d+)\]", compiled("copies", cc)) == [
            ("16", "132"),
            ("16", "2048"),
        ]


@compiles
def test_dynamic_shared_memory_is_aligned_too() -> None:
    def kernel(x):  # type: ignore[no-untyped-def]
        tile = cuda.shared.array(0, types.float32)
        a, b, c, d = gpulabs.intrinsics.load4(tile, 4 * cuda.threadIdx.x)
        x[0] = a + b + c + d

    ptx, _ = cuda.compile_ptx(kernel, (FLOATS[1],), cc=(7, 5))
    assert re.findall(r"\.extern \.shared \.align (\d+)", ptx) == ["16"]


@compiles
@pytest.mark.parametrize(
    "kind", [types.Array(types.float64, 1, "C"), types.Array(types.float32, 1, "A"), types.Array(types.int32, 1, "C")]
)
def test_other_arrays_are_refused(kind: Any) -> None:
    def kernel(x):  # type: ignore[no-untyped-def]
        gpulabs.intrinsics.load4(x, 0)

    with pytest.raises(Exception, match=r"load4"):
        cuda.compile_ptx(kernel, (kind,), cc=(8, 0))


@pytest.mark.parametrize("program", [("kernels", "numba"), ("kernels", "turns"), ("page",)], ids=" ".join)
def test_simulator_agrees_with_numpy(program: tuple[str, ...]) -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-m", f"tests.gpulabs.intrinsics.{program[0]}", *program[1:]]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("all agree\n", 0), done.stderr[-2000:]


@pytest.mark.gpu
def test_gpu_agrees_with_numpy() -> None:
    from tests.gpulabs.intrinsics import kernels, page

    kernels.check_all()
    page.check_all()


@pytest.mark.parametrize("index", [-4, 5, 8])
def test_simulator_names_a_vector_that_a_gpu_would_fault_on(index: int) -> None:
    array = np.zeros((2, 4), np.float32)
    problem = "no multiple of 4" if index == 5 else "an array of 8 floats"
    with pytest.raises(IndexError, match=rf"load4: index {index} .*{problem}"):
        simulated.load4(array, index)
    with pytest.raises(IndexError, match=rf"store4: index {index} .*{problem}"):
        simulated.store4(array, index, 1, 2, 3, 4)
    assert not array.any()


def test_simulator_names_a_float_out_of_bounds() -> None:
    assert simulated.load1(np.arange(6, dtype=np.float32).reshape(2, 3), 4) == 4
    with pytest.raises(IndexError, match="load1: index 6, in an array of 6 floats"):
        simulated.load1(np.zeros(6, np.float32), 6)


def in_a_thread(function: Any) -> None:
    """Runs a function as the only thread of a simulated block."""
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread: Any = threading.Thread(target=guarded)
    thread.thread_id, thread._manager = 0, SimpleNamespace()
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def test_copies_arrive_as_late_as_a_gpu_may_bring_them() -> None:
    tile, x = np.full(8, np.nan, np.float32), np.arange(8, dtype=np.float32)

    def thread() -> None:
        simulated.copy4_async(tile, 0, x, 4, True)
        simulated.commit_copies()
        simulated.copy4_async(tile, 4, x, -99, False)
        simulated.commit_copies()
        assert np.isnan(tile).all()
        simulated.wait_copies(1)
        assert tile[:4].tolist() == [4, 5, 6, 7]
        assert np.isnan(tile[4:]).all()
        simulated.wait_copies(0)
        assert tile[4:].tolist() == [0, 0, 0, 0]

    in_a_thread(thread)


def test_copies_check_both_ends() -> None:
    tile, x = np.zeros(8, np.float32), np.zeros(4, np.float32)
    for i, j in [(8, 0), (0, 4), (2, 0)]:
        with pytest.raises(IndexError, match="copy4_async: index"):
            in_a_thread(lambda i=i, j=j: simulated.copy4_async(tile, i, x, j, True))


def test_simulator_has_every_intrinsic_with_the_same_arguments() -> None:
    lowered = {
        node.name: node for node in ast.parse(inspect.getsource(device)).body if isinstance(node, ast.FunctionDef)
    }
    assert list(gpulabs.intrinsics.__all__) == sorted(gpulabs.intrinsics.__all__)
    for name in gpulabs.intrinsics.__all__:
        own, *arguments = [argument.arg for argument in lowered[name].args.args]
        assert own == "_context"
        assert arguments == list(inspect.signature(getattr(simulated, name)).parameters)
        assert ast.get_docstring(lowered[name])
