"""What kernels of Lab 2 need of the worker: factories, intrinsics, bounds, shared memory, traffic of wide loads."""

import dataclasses
import time

import numpy as np
import pytest

from autograder import planning
from autograder.evidence import Case, FaultKind
from autograder.structure import analyse
from autograder.worker.cells import TimeIsUpError, time_limit
from autograder.worker.compiling import with_bounds
from tests.autograder.test_planning import HEAD, request, simulated

CASES = tuple(Case(f"t-exact-{side}", "t", "exact", "f", (1, side, 4, 2), (1, 1, 2, 3)) for side in (3, 5))

FACTORY = HEAD + (
    "from gpulabs.intrinsics import load4, store4\n"
    "def make(scale):\n"
    "    scale = np.float32(scale)\n"
    "    @cuda.jit(device=True)\n"
    "    def meet(a):\n"
    "        cuda.syncthreads()\n"
    "        return a\n"
    "    @cuda.jit(max_registers=40)\n"
    "    def kernel(x, w, y):\n"
    "        tile = cuda.shared.array(64, np.float32)\n"
    "        i = cuda.threadIdx.x\n"
    "        if i < x.size // 4:\n"
    "            a, b, c, d = load4(x, 4 * i)\n"
    "            store4(tile, 4 * i, a * scale, b * scale, c * scale, d * scale)\n"
    "        j = meet(i)\n"
    "        if j < y.shape[1] * y.shape[2]:\n"
    "            row, column = j // y.shape[2], j % y.shape[2]\n"
    "            for k in range(y.shape[3]):\n"
    "                total = np.float32(0)\n"
    "                for c in range(x.shape[3]):\n"
    "                    total += tile[(row * x.shape[2] + column) * x.shape[3] + c] * w[0, 0, c, k]\n"
    "                y[0, row, column, k] = total\n"
    "    return kernel\n"
    "def f(x, w):\n"
    "    y = cuda.device_array((*x.shape[:3], w.shape[3]), np.float32)\n"
    "    make(x.shape[1] - 2)[1, 32](x, w, y)\n"
    "    return y\n"
)


def test_kernels_of_a_factory_are_specialised_by_shape(tmp_path):
    got = planning.plan([request(FACTORY, cases=CASES)], tmp_path, (8, 0))["t"]

    assert got.faults == ()
    first, second = (got.kernels[plan.launches[0].kernel].ptx for plan in got.plans)
    assert "0f40400000" in second  # 3.0, which the first has not
    assert "0f40400000" not in first
    assert ".maxnreg 40" in first


def test_lines_are_compiled_for_where_asked(tmp_path):
    asked = dataclasses.replace(request(FACTORY, cases=CASES[:1]), lines=True)
    (kernel,) = planning.plan([asked], tmp_path, (8, 0))["t"].kernels.values()

    assert ".loc" in kernel.lined_ptx
    assert ".loc" not in kernel.ptx
    places = analyse("k", kernel.lined_ptx, "t").lines
    assert "total += tile" in FACTORY.splitlines()[places["product"] - 1]
    assert analyse("k", kernel.lined_ptx, "other").lines == {}


def test_a_factory_s_kernel_meets_at_barriers_in_the_simulator(tmp_path):
    measurement, expected = simulated(tmp_path, FACTORY)

    assert measurement.outcomes[0].fault is None
    assert np.array_equal(np.load(tmp_path / "t-exact-0.npy"), expected)


DYNAMIC = HEAD + (
    "@cuda.jit\ndef kernel(x, w, y):\n"
    "    tile = cuda.shared.array(0, np.float32)\n"
    "    fixed = cuda.shared.array(8, np.float32, alignment=16)\n"
    "    i = cuda.threadIdx.x\n"
    "    tile[i] = np.float32(i)\n"
    "    cuda.syncthreads()\n"
    "    if i < y.size:\n"
    "        y[0, i // 12, i // 3 % 4, i % 3] = FILL\n"
    "def f(x, w):\n"
    "    y = cuda.device_array((*x.shape[:3], w.shape[3]), np.float32)\n"
    "    kernel[1, 64, 0, 256](x, w, y)\n"
    "    return y\n"
)


def test_dynamic_shared_memory_is_simulated_and_planned(tmp_path):
    source = DYNAMIC.replace("FILL", "tile[63 - i]")
    measurement, _ = simulated(tmp_path, source)

    assert measurement.outcomes[0].fault is None
    assert np.array_equal(np.load(tmp_path / "t-exact-0.npy").ravel(), 63 - np.arange(36, dtype=np.float32))
    (plan,) = planning.plan([request(source)], tmp_path / ".." / tmp_path.name, (8, 0))["t"].plans
    assert plan.launches[0].shared_bytes == 256


def test_shared_memory_that_nobody_filled_is_no_number(tmp_path):
    measurement, _ = simulated(tmp_path, DYNAMIC.replace("FILL", "fixed[i % 8]"))

    assert measurement.outcomes[0].fault is None
    assert np.isnan(np.load(tmp_path / "t-exact-0.npy")).all()


def test_two_shared_arrays_of_one_line_are_two(tmp_path):
    line = "    fixed, other = cuda.shared.array(8, np.float32), cuda.shared.array(8, np.float32)\n    other[0] = 1\n"
    source = DYNAMIC.replace("    fixed = cuda.shared.array(8, np.float32, alignment=16)\n", line)
    assert line in source
    measurement, _ = simulated(tmp_path, source.replace("FILL", "fixed[0]"))

    assert measurement.outcomes[0].fault is None
    assert np.isnan(np.load(tmp_path / "t-exact-0.npy")).all()


WIDE = HEAD + (
    "from gpulabs.intrinsics import load4, store4\n"
    "@cuda.jit\ndef kernel(x, w, y):\n"
    "    i = cuda.threadIdx.x\n"
    "    a, b, c, d = load4(x, 4 * i * STEP)\n"
    "    store4(y, 4 * i, a, b, c, d)\n"
    "def f(x, w):\n"
    "    y = cuda.device_array((1, x.shape[1], x.shape[2], 2), np.float32)\n"
    "    kernel[1, 32](x, w, y)\n"
    "    return y\n"
)


@pytest.mark.parametrize(("step", "sectors"), [(1, 4), (2, 8)])
def test_wide_accesses_are_requests_of_8_threads(tmp_path, step, sectors):
    case = Case("t-exact-0", "t", "exact", "f", (1, 16, 16, 2), (1, 1, 2, 2))
    for role, shape in (("x", case.x_shape), ("w", case.w_shape)):
        np.save(tmp_path / f"{case.id}.{role}.npy", np.ones(shape, np.float32))
    asked = request(WIDE.replace("STEP", str(step)), cases=(case,), trace=(case.id,))

    plans = planning.plan([asked], tmp_path, (8, 0))
    (outcome,) = planning.simulate([asked], plans, tmp_path)["t"].outcomes

    (traffic,) = outcome.coalescing
    assert (traffic.load_requests, traffic.load_sectors) == (4, 4 * sectors)
    assert (traffic.store_requests, traffic.store_sectors) == (4, 16)


def test_bounds_are_written_into_the_entry():
    ptx = ".visible .entry k(\n.param .u64 a\n)\n{\nret;\n}"

    assert with_bounds(ptx, {}) == ptx
    assert with_bounds(ptx, {"max_registers": 64}).count(")\n.maxnreg 64\n{") == 1
    assert ".maxntid 256 .minnctapersm 2" in with_bounds(ptx, {"launch_bounds": (256, 2), "max_registers": 9})
    for bad in ({"max_registers": "64"}, {"launch_bounds": (1, 2, 3)}, {"launch_bounds": 0}):
        with pytest.raises(ValueError, match="give"):
            with_bounds(ptx, bad)


def test_odd_bounds_are_the_submission_s_fault(tmp_path):
    got = planning.plan([request(FACTORY.replace("=40", "='a'"), cases=CASES[:1])], tmp_path, (8, 0))["t"]

    assert got.faults[0].kind is FaultKind.DOES_NOT_COMPILE
    assert "max_registers" in got.faults[0].message


def compute(seconds):
    began = time.process_time()
    while time.process_time() < began + seconds:
        pass


def work(inner_s, after_s):
    with time_limit(0.2):
        with time_limit(5):
            compute(inner_s)
        compute(after_s)


def test_compiling_is_not_charged_to_the_host_function():
    work(0.4, 0)
    with pytest.raises(TimeIsUpError):
        work(0, 1)


def test_a_limit_in_the_worker_counts_what_it_computes(monkeypatch):
    """What a busy machine takes, or a rig of the grader's, is not the submission's; a loop is."""
    with time_limit(0.2):
        time.sleep(0.5)
    began = time.process_time()
    monkeypatch.setattr(time, "process_time", lambda: began)
    with time_limit(0.2):
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            pass


def test_several_threads_do_not_use_up_a_limit_faster(monkeypatch):
    real = time.process_time
    monkeypatch.setattr(time, "process_time", lambda: 8 * real())
    end = real() + 0.2
    with time_limit(0.6):
        while real() < end:
            pass
