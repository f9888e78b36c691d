"""The worker, really started: what host functions and kernels get wrong becomes a fault with a sentence."""

import dataclasses
import json

import numpy as np
import pytest

from autograder import isolation, planning
from autograder.evidence import Case, FaultKind
from autograder.program import program
from autograder.submission import from_cells
from gpulabs.errors import BusyError, GraderError

HEAD = "# task: t\nimport numpy as np\nfrom numba import cuda\n"
KERNEL = """
@cuda.jit
def kernel(x, w, y):
    j, i, n = cuda.grid(3)
    if n < y.shape[0] and i < y.shape[1] and j < y.shape[2]:
        for k in range(y.shape[3]):
            acc = np.float32(0)
            for c in range(w.shape[2]):
                acc += x[n, i, j, c] * w[0, 0, c, k]
            y[n, i, j, k] = acc
"""
ALLOCATE = "    y = cuda.device_array((*x.shape[:3], w.shape[3]), np.float32)\n"
LAUNCH = "    kernel[(1, 1, 1), (8, 8, 1)](x, w, y)\n"
RIGHT = HEAD + KERNEL + "def f(x, w):\n" + ALLOCATE + LAUNCH + "    return y\n"
CASE = Case("t-exact-0", "t", "exact", "f", (1, 3, 4, 2), (1, 1, 2, 3))


def request(source, *, signature="f(x, w)", cases=(CASE,), kind="kernel", trace=()):
    cells = from_cells("lab", {"t": source}).cells
    return planning.TaskRequest(program(cells, "t"), kind, {"f": signature}, tuple(cases), tuple(trace))


def plan_fault(tmp_path, source, **more):
    got = planning.plan([request(source, **more)], tmp_path, (7, 5))["t"]
    assert len(got.faults) == 1, got
    assert "\n" not in got.faults[0].message
    return got.faults[0]


def simulated(tmp_path, source, **more):
    rng = np.random.default_rng(1)
    x, w = (rng.integers(-9, 9, shape).astype(np.float32) for shape in (CASE.x_shape, CASE.w_shape))
    np.save(tmp_path / f"{CASE.id}.x.npy", x)
    np.save(tmp_path / f"{CASE.id}.w.npy", w)
    asked = request(source, **more)
    (tmp_path / "plan").mkdir()
    plans = planning.plan([asked], tmp_path / "plan", (7, 5))
    assert plans["t"].faults == ()
    measurement = planning.simulate([asked], plans, tmp_path)["t"]
    return measurement, np.einsum("nhwc,ck->nhwk", x, w[0, 0])


@pytest.mark.usefixtures("each_tier")
def test_a_plan_holds_launches_arrays_and_compiled_code(tmp_path):
    got = planning.plan([request(RIGHT)], tmp_path, (7, 5))["t"]

    (plan,) = got.plans
    (launch,) = plan.launches
    assert got.faults == ()
    assert (launch.grid, launch.block) == ((1, 1, 1), (8, 8, 1))
    assert [array.role for array in plan.arrays] == ["x", "w", "temporary"]
    assert (plan.result, plan.arrays[2].shape) == (2, (1, 3, 4, 3))
    assert ".target sm_75" in got.kernels[launch.kernel].ptx
    assert (got.kernels[launch.kernel].cell, got.kernels[launch.kernel].line) == ("t", 5)


def test_views_constants_scalars_and_device_functions_are_planned(tmp_path):
    source = HEAD + (
        "@cuda.jit(device=True)\ndef twice(a):\n    return a + a\n"
        "@cuda.jit('void(float32[:], float32[:], int64, float32)')\n"
        "def kernel(x, y, n, s):\n    i = cuda.grid(1)\n    if i < n:\n        y[i] = twice(x[i]) * s\n"
        "def f(x, w):\n    y = cuda.to_device(np.zeros((1, 3, 4, 2), np.float32))\n"
        "    kernel[1, 32](x.reshape(-1), y.ravel(), x.size, np.float32(2))\n    return y\n"
    )

    got = planning.plan([request(source)], tmp_path, (7, 5))["t"]

    assert got.faults == ()
    arrays = got.plans[0].arrays
    assert [(array.role, array.view_of) for array in arrays[2:]] == [("constant", None), ("view", 0), ("view", 2)]
    assert [(a.scalar, a.type) for a in got.plans[0].launches[0].arguments[2:]] == [(24, "int64"), (2.0, "float32")]


def body(text):
    return HEAD + KERNEL + "def f(x, w):\n" + ALLOCATE + text


WRONG_HOSTS = [
    (HEAD + "def g(x, w): pass", FaultKind.MISSING_FUNCTION, "no function named f; it defines g. Define f(x, w)"),
    (HEAD + KERNEL + "f = kernel", FaultKind.MISSING_FUNCTION, "f is a kernel, not a Python function"),
    (HEAD + "def f(x): pass", FaultKind.WRONG_SIGNATURE, "f(x) can't be called as f(x, w)"),
    (HEAD + "import no_such_thing\ndef f(x, w): pass", FaultKind.CELL_EXCEPTION, "ModuleNotFoundError"),
    (body("    raise NotImplementedError"), FaultKind.NOT_ATTEMPTED, "not written yet"),
    (body("    1 / 0"), FaultKind.HOST_EXCEPTION, "ZeroDivisionError: division by zero (cell t, line 16)"),
    (body("    while True: pass"), FaultKind.HOST_TIMEOUT, "endless loop on the host"),
    (body(LAUNCH), FaultKind.WRONG_TYPE, "returned nothing"),
    (body(LAUNCH + "    return np.zeros(3)"), FaultKind.WRONG_TYPE, "returned a NumPy array"),
    (body(LAUNCH + "    return y.copy_to_host()"), FaultKind.WRONG_TYPE, "return the device array itself"),
    (body("    return y"), FaultKind.NO_LAUNCH, "launched no kernel"),
    (body("    kernel[1, 64](x[0], w, y)"), FaultKind.REJECTED, "reads or computes with array values on the host"),
    (body("    kernel(x, w, y)"), FaultKind.HOST_EXCEPTION, "without a launch configuration"),
    (body("    kernel[1.5, 64](x, w, y)"), FaultKind.HOST_EXCEPTION, "1.5 is a float, not an integer"),
    (body("    kernel[0, 64](x, w, y)"), FaultKind.HOST_EXCEPTION, "every axis needs at least 1"),
    (body("    kernel[1, 64](x, w, 'y')"), FaultKind.REJECTED, "passes str as argument 3"),
    (body("    for _ in range(99): kernel[1, 64](x, w, y)"), FaultKind.REJECTED, "more than 64 kernels"),
    (body("    cuda.device_array((10**6, 10**6))"), FaultKind.OUT_OF_MEMORY, "more than any GPU has"),
    (body("    a = np.ones(10**12)"), FaultKind.OUT_OF_MEMORY, "out of memory|Unable to allocate|more memory"),
    (RIGHT.replace("np.float32)\n", "np.float32, order='F')\n"), FaultKind.WRONG_LAYOUT, "in Fortran order"),
    (RIGHT.replace("np.float32(0)", "undefined"), FaultKind.DOES_NOT_COMPILE, "NameError: name 'undefined'"),
    (RIGHT.replace("acc +=", "acc = 'a' +"), FaultKind.DOES_NOT_COMPILE, "(cell t, line 12): Numba has no add("),
]


@pytest.fixture(scope="module")
def faults_of_wrong_hosts(tmp_path_factory):
    """All of them as tasks of one worker, which goes on after each: a start costs a second."""
    asked = []
    for number, (source, _, _) in enumerate(WRONG_HOSTS):
        case = dataclasses.replace(CASE, id=f"t{number}-exact-0", task=f"t{number}")
        one = request(source, cases=(case,))
        asked.append(dataclasses.replace(one, program=dataclasses.replace(one.program, task=case.task)))
    got = planning.plan(asked, tmp_path_factory.mktemp("wrong-hosts"), (7, 5))
    return [got[f"t{number}"].faults for number in range(len(WRONG_HOSTS))]


@pytest.mark.parametrize("number", range(len(WRONG_HOSTS)))
def test_what_a_host_function_gets_wrong_is_one_sentence(faults_of_wrong_hosts, number):
    _, kind, sentence = WRONG_HOSTS[number]

    (fault,) = faults_of_wrong_hosts[number]

    assert fault.kind is kind, fault
    assert any(part in fault.message for part in sentence.split("|")), fault.message
    assert "\n" not in fault.message


@pytest.mark.usefixtures("each_tier")
def test_a_cell_that_never_ends_does_not_hold_up_the_next_task(tmp_path):
    cells = from_cells(
        "lab",
        {"a": "# task: a\nwhile True:\n    try:\n        while True: pass\n    except BaseException: pass", "t": RIGHT},
    ).cells
    tasks = [
        planning.TaskRequest(program(cells, "a"), "function", {"g": "g()"}, (), ()),
        planning.TaskRequest(program(cells, "t"), "kernel", {"f": "f(x, w)"}, (CASE,), ()),
    ]
    got = planning.plan(tasks, tmp_path, (7, 5), quiet_s=8)

    assert got["a"].faults[0].kind is FaultKind.HOST_TIMEOUT
    assert (got["t"].faults, len(got["t"].plans)) == ((), 1)


@pytest.mark.usefixtures("each_tier")
def test_one_endless_loop_on_the_host_is_waited_for_once(tmp_path):
    cases = [dataclasses.replace(CASE, id=f"t-exact-{number}") for number in range(3)]

    fault = plan_fault(tmp_path, body("    while True: pass"), cases=cases)

    assert (fault.kind, fault.case) == (FaultKind.HOST_TIMEOUT, None)


def test_a_process_that_ends_itself_loses_only_its_task(tmp_path):
    fault = plan_fault(tmp_path, body("    import os; os._exit(0)"))

    assert fault.kind is FaultKind.CELL_EXCEPTION
    assert "ended the grader's process" in fault.message


def test_a_record_that_ends_without_plans_is_the_submissions_fault(tmp_path):
    forge = (
        "if True:\n    import os\n    with open('events.jsonl', 'a') as record:\n"
        '        record.write(\'{"event": "done", "task": "t"}\\n{"event": "end", "task": ""}\\n\')\n'
        "    os._exit(0)\n"
    )

    fault = plan_fault(tmp_path, HEAD + forge + "def f(x, w): pass")

    assert (fault.kind, fault.case) == (FaultKind.CELL_EXCEPTION, CASE.id)
    assert "left no plan" in fault.message


def test_a_wiped_record_is_the_submissions_fault_where_an_idle_worker_starts(tmp_path):
    wipe = "if True:\n    import os\n    os.remove('events.jsonl')\n    os.chmod('.', 0o500)\n    os._exit(0)\n"

    fault = plan_fault(tmp_path, HEAD + wipe + "def f(x, w): pass")

    assert (fault.kind, fault.case) == (FaultKind.CELL_EXCEPTION, None)
    assert "ended the grader's process" in fault.message


def test_that_there_is_no_compiler_is_not_the_submissions_word(tmp_path):
    """Points for the compiled code would wait for a machine with one, in place of being lost."""
    forge = (
        "    with open('events.jsonl', 'a') as record:\n"
        '        record.write(\'{"event": "compiler", "task": "", "compiled": false}\\n\')\n'
    )

    got = planning.plan(
        [request(HEAD + KERNEL + "def f(x, w):\n" + ALLOCATE + LAUNCH + forge + "    return y\n")], tmp_path, (7, 5)
    )["t"]

    assert got.compiled
    assert len(got.plans) == 1


def test_a_forged_blame_of_a_task_that_is_over_ends_nothing_but_itself(tmp_path):
    """Naming another task as the last word once made the grader start workers until it gave up."""
    forge = (
        "if True:\n    import os\n    with open('events.jsonl', 'a') as record:\n"
        '        record.write(\'{"event": "enter", "task": "a", "case": null, "stage": "host"}\\n\')\n'
        "    os._exit(0)\n"
    )
    cells = from_cells("lab", {"a": "# task: a\ndef g(a): return 1", "t": HEAD + forge}).cells
    tasks = [
        planning.TaskRequest(program(cells, "a"), "function", {"g": "g(a)"}, (), ()),
        planning.TaskRequest(program(cells, "t"), "kernel", {"f": "f(x, w)"}, (CASE,), ()),
    ]

    got = planning.plan(tasks, tmp_path, (7, 5))

    assert got["a"].faults == ()
    assert [fault.kind for fault in got["t"].faults] == [FaultKind.CELL_EXCEPTION]


def test_plain_functions_return_plain_numbers(tmp_path):
    cases = [Case(f"t-v-{i}", "t", "v", "f", arguments=(i, 2)) for i in range(2)]
    source = "# task: t\nimport numpy as np\ndef f(a, b): return (np.int64(a), [b * 0.5]), 3"

    got = planning.plan([request(source, signature="f(a, b)", cases=cases, kind="function")], tmp_path, (7, 5))["t"]

    assert [plan.value for plan in got.plans] == [[[0, [1.0]], 3], [[1, [1.0]], 3]]


def test_a_plain_function_that_returns_an_object_is_named(tmp_path):
    cases = [Case("t-v-0", "t", "v", "f", arguments=(1, 2))]

    fault = plan_fault(
        tmp_path, "# task: t\ndef f(a, b): return object()", signature="f(a, b)", cases=cases, kind="function"
    )

    assert (fault.kind, "f returned object" in fault.message) == (FaultKind.WRONG_TYPE, True)


@pytest.mark.usefixtures("each_tier")
def test_the_simulator_runs_the_recorded_launches(tmp_path):
    measurement, expected = simulated(tmp_path, RIGHT)

    assert measurement.outcomes[0].fault is None
    assert np.array_equal(np.load(tmp_path / f"{CASE.id}.npy"), expected)


def test_the_simulator_counts_sectors_by_warp(tmp_path):
    measurement, _ = simulated(tmp_path, RIGHT, trace=[CASE.id])

    (traffic,) = measurement.outcomes[0].coalescing
    # 12 threads of one warp each store 3 channels: 3 requests over 36 floats, 5 sectors each.
    assert (traffic.store_requests, traffic.store_sectors) == (3, 15)
    # For each channel out and in: x is 24 floats, 3 sectors; w is one word, 1 sector.
    assert (traffic.load_requests, traffic.load_sectors) == (12, 6 * 3 + 6 * 1)


def test_a_package_that_the_grader_lacks_costs_no_points(tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    (broken / "broken-1.dist-info").mkdir(parents=True)  # a worker sees installations, not any folder
    (broken / "greenlet.py").write_text("raise ModuleNotFoundError(\"No module named 'greenlet'\")")
    monkeypatch.syspath_prepend(str(broken))

    with pytest.raises(GraderError, match=r"did not start .*greenlet"):
        simulated(tmp_path, RIGHT)


def test_student_python_is_not_where_kernels_run(tmp_path):
    """Code of a cell that patches the simulator changes nothing: the replay never runs the cell."""
    patch = (
        "if True:\n    import sys\n    from autograder.worker import __main__ as worker\n"
        "    for module in list(sys.modules.values()):\n"
        "        if hasattr(module, 'run_plan'): module.run_plan = None\n"
        "    with open('events.jsonl', 'a') as record: record.write('')\n"
    )
    measurement, expected = simulated(tmp_path, HEAD + patch + RIGHT.removeprefix(HEAD))

    assert measurement.outcomes[0].fault is None
    assert np.array_equal(np.load(tmp_path / f"{CASE.id}.npy"), expected)


def test_a_kernel_that_is_no_plain_kernel_code_waits_for_a_gpu(tmp_path):
    source = RIGHT.replace("j, i, n = cuda.grid(3)", "j, i, n = cuda.grid(3)\n    assert n >= 0")

    measurement, _ = simulated(tmp_path, source)

    assert "Needs a GPU: kernel kernel uses Assert (cell t, line 8)" in measurement.outcomes[0].pending


def test_barriers_make_threads_wait(tmp_path):
    source = HEAD + (
        "@cuda.jit\ndef kernel(x, w, y):\n    tile = cuda.shared.array(24, np.float32)\n    i = cuda.threadIdx.x\n"
        "    tile[i] = i\n    cuda.syncthreads()\n    y[0, 0, 0, i] = tile[23 - i]\n"
        "def f(x, w):\n    y = cuda.device_array((1, 1, 1, 24), np.float32)\n    kernel[1, 24](x, w, y)\n    return y\n"
    )
    simulated(tmp_path, source)

    assert np.load(tmp_path / f"{CASE.id}.npy").ravel().tolist() == list(range(23, -1, -1))


def test_threads_that_ended_hold_up_no_barrier_and_votes_count(tmp_path):
    source = HEAD + (
        "@cuda.jit\ndef kernel(x, w, y):\n    i = cuda.threadIdx.x\n    if i >= 24:\n        return\n"
        "    many = cuda.syncthreads_count(1 if i % 3 == 0 else 0)\n    y[0, 0, 0, i] = many\n"
        "def f(x, w):\n    y = cuda.device_array((1, 1, 1, 24), np.float32)\n    kernel[1, 32](x, w, y)\n    return y\n"
    )
    simulated(tmp_path, source)

    assert np.load(tmp_path / f"{CASE.id}.npy").ravel().tolist() == [8.0] * 24


@pytest.mark.parametrize(
    ("old", "new", "kind", "sentence"),
    [
        (
            "x[n, i, j, c]",
            "x[n, i + 2, j, c]",
            FaultKind.OUT_OF_BOUNDS,
            "an array (cell t, line 12): thread (0, 1, 0)",
        ),
        ("y[n, i, j, k] = acc", "1 // (j - j)", FaultKind.KERNEL_EXCEPTION, "ZeroDivisionError"),
        (
            "y[n, i, j, k] = acc",
            "while y[n, i, j, k] != 7: acc += 0",
            FaultKind.KERNEL_TIMEOUT,
            "a loop in the kernel never ends",
        ),
    ],
)
def test_what_a_kernel_gets_wrong_is_one_sentence(tmp_path, monkeypatch, old, new, kind, sentence):
    monkeypatch.setattr(planning, "KERNEL_S", 2.0)

    measurement, _ = simulated(tmp_path, RIGHT.replace(old, new))

    fault = measurement.outcomes[0].fault
    assert fault.kind is kind
    assert sentence in fault.message


def test_unwritten_outputs_are_counted_and_inputs_compared(tmp_path):
    lazy = RIGHT.replace("y[n, i, j, k] = acc", "if k > 0: y[n, i, j, k] = acc\n            x[n, i, j, 0] = 5")

    measurement, _ = simulated(tmp_path, lazy)

    assert (measurement.outcomes[0].unwritten, measurement.outcomes[0].inputs_intact) == (12, False)


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("memory", FaultKind.OUT_OF_MEMORY, "used more memory than"),
        ("processes", FaultKind.REJECTED, "started more processes or threads than"),
        ("disk", FaultKind.REJECTED, "wrote more to the disk than"),
    ],
)
def test_what_a_worker_took_too_much_of_is_told(tmp_path, monkeypatch, how, kind, words):
    def stopped(module, folder, limits, **_):
        compiler = {"event": "compiler", "task": "", "compiled": True}
        enter = {"event": "enter", "task": "t", "case": CASE.id, "stage": "host"}
        (folder / "events.jsonl").write_text(f"{json.dumps(compiler)}\n{json.dumps(enter)}\n")
        return isolation.Ending(how, 137, "")

    monkeypatch.setattr(isolation, "run", stopped)

    fault = plan_fault(tmp_path, RIGHT)

    assert fault.kind is kind
    assert fault.message.startswith(f"t: the host function {words}")
    assert fault.message.endswith(f"was stopped (case {CASE.id}).")


@pytest.mark.parametrize("how", ["starved", "oom"])
def test_a_busy_machine_takes_no_points(tmp_path, monkeypatch, how):
    monkeypatch.setattr(isolation, "run", lambda *_, **__: isolation.Ending(how, 137, ""))

    with pytest.raises(BusyError, match="grade fewer submissions at a time"):
        planning.plan([request(RIGHT)], tmp_path, (7, 5))


def test_a_host_function_that_sleeps_for_ever_loses(tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "QUIET_S", 3.0)

    fault = plan_fault(tmp_path, body("    import time\n    time.sleep(10**6)"))

    assert fault.kind is FaultKind.HOST_TIMEOUT
    assert "neither worked nor ended (case t-exact-0)" in fault.message
