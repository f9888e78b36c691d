"""Student functions with a rig behind them, in real workers of every tier; and what hostile ones get for it."""

from __future__ import annotations

import pytest

from autograder import planning
from autograder.evidence import FaultKind
from autograder.program import program
from autograder.submission import from_cells
from tests.autograder.rigs.fakes import case, desk

CASES = tuple(case("add", "fit", "slow", index=index) for index in range(2))
SIGNATURE = "f(add, fit, slow)"
HONEST = "def f(add, fit, slow): return add(1)\n"


def request(task, source, cases=CASES):
    cells = from_cells("lab", {task: f"# task: {task}\n{source}"}).cells
    return planning.TaskRequest(program(cells, task), "function", {"f": SIGNATURE}, tuple(cases))


def run(tmp_path, source, served, **more):
    found = planning.plan([request("t", source)], tmp_path, (7, 5), desk=served, **more)["t"]
    return [plan.value for plan in found.plans], found.faults


@pytest.mark.usefixtures("each_tier")
def test_calls_go_to_the_grader_and_back(tmp_path):
    served = desk(*CASES)
    source = (
        "import numpy as np\nfrom gpulabs.errors import OutOfMemory\nprint('hello')\n"
        "def f(add, fit, slow):\n"
        "    print('not a message')\n"
        "    try: fit(128)\n"
        "    except OutOfMemory as error: told = len(str(error))\n"
        "    try: add(float('nan'))\n"
        "    except TypeError: pass\n"
        "    return [add(np.int64(2)), add(3), told, fit(64)]\n"
    )

    values, faults = run(tmp_path, source, served)

    assert (values, faults) == ([[2, 5, 22, 64]] * 2, ())
    for one in CASES:
        log = served.log(one.id)
        assert [call.name for call in log.calls] == ["fit", "add", "add", "fit"]
        assert (log.closed, log.facts, log.trouble, log.failure) == (True, {"count": 5}, "", "")


def test_what_the_rig_takes_is_not_on_the_functions_clock(tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "HOST_S", 1.0)

    values, faults = run(tmp_path, "def f(add, fit, slow):\n    slow(1.5)\n    return add(1)\n", desk(*CASES))

    assert (values, faults) == ([1, 1], ())


def test_an_endless_loop_of_calls_ends_with_the_functions_time(tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "HOST_S", 0.5)
    source = "def f(add, fit, slow):\n    while True: add(1)\n"

    _, faults = run(tmp_path, source, desk(*CASES, max_calls=10**6))

    assert faults[0].kind is FaultKind.HOST_TIMEOUT


HEAD = "import os, sys, threading, time, json\nfrom autograder.worker.channel import Channel\nimport gc\n"
CHANNEL = "line = next(one for one in gc.get_objects() if isinstance(one, Channel))\n"
HOSTILE = {
    "floods the line": (
        "def f(add, fit, slow):\n    while True: os.write(line._requests, b'x' * 60000)\n",
        "a message that is too long",
    ),
    "floods with calls whose answers it does not read": (
        "def f(add, fit, slow):\n"
        "    text = json.dumps({'do': 'call', 'case': 't-v-0', 'name': 'add', 'arguments': [1]}).encode()\n"
        "    while True: os.write(line._requests, text + b'\\n')\n",
        "",
    ),
    "forges a message": (
        "def f(add, fit, slow):\n    os.write(line._requests, b'{\"value\": 1}\\n')\n    return add(1)\n",
        "what no call of a rig looks like",
    ),
    "asks for what it was not given": (
        "def f(add, fit, slow):\n"
        "    return line._ask({'do': 'call', 'case': 't-v-0', 'name': 'facts', 'arguments': []})\n",
        "which it was not given",
    ),
    "catches every refusal and goes on": (
        "def f(add, fit, slow):\n    while True:\n        try: add(1)\n        except Exception: pass\n",
        "on and on",
    ),
    "closes the line": (
        "def f(add, fit, slow):\n    os.close(line._requests)\n    return add(1)\n",
        "the line to the grader's rig is closed",
    ),
    "takes the answer away": (
        "def f(add, fit, slow):\n"
        "    threading.Thread(target=lambda: os.read(line._answers, 9), daemon=True).start()\n"
        "    time.sleep(0.6)\n    return add(1)\n",
        "",
    ),
    "writes at import": (
        "sent = os.write(line._requests, b'hello\\n')\nslept = time.sleep(9)\n" + HONEST,
        "no call of a rig",
    ),
}


@pytest.mark.slow
def test_hostile_functions_lose_their_own_tasks_with_a_reason(tmp_path, monkeypatch):
    """All in one hand-in, an honest task in the middle and one at the end."""
    monkeypatch.setattr(planning, "HOST_S", 2.0)
    names = list(HOSTILE)
    sources = {name: HEAD + CHANNEL + HOSTILE[name][0] for name in names}
    sources = dict([*list(sources.items())[:4], ("honest", HONEST), *list(sources.items())[4:], ("last", HONEST)])
    cases = {name: case("add", "fit", "slow", index=10 + number) for number, name in enumerate(sources)}
    tasks = [
        request(f"t{number}", sources[name].replace("t-v-0", cases[name].id), [cases[name]])
        for number, name in enumerate(sources)
    ]

    found = planning.plan(tasks, tmp_path, (7, 5), desk=desk(*cases.values()), quiet_s=10.0)

    for number, name in enumerate(sources):
        got = found[f"t{number}"]
        if name in HOSTILE:
            assert got.faults, name
            assert HOSTILE[name][1] in got.faults[0].message, name
        else:
            assert ([plan.value for plan in got.plans], got.faults) == ([1], ()), name


def test_calls_after_the_return_change_no_log(tmp_path):
    source = (
        "import threading, time\n"
        "def f(add, fit, slow):\n"
        "    def later():\n"
        "        time.sleep(0.2)\n"
        "        while True:\n"
        "            try: add(100)\n"
        "            except RuntimeError: time.sleep(0.05)\n"
        "    threading.Thread(target=later, daemon=True).start()\n"
        "    return add(1)\n"
        "time.sleep(0)\n"
    )
    served = desk(*CASES)

    values, faults = run(tmp_path, source, served)

    assert (values, faults) == ([1, 1], ())
    assert [served.log(one.id).facts for one in CASES] == [{"count": 1}] * 2


@pytest.mark.usefixtures("each_tier")
def test_a_function_that_forks_loses_no_more_than_its_own_task(tmp_path):
    other = case("add", "fit", "slow", index=9)
    served = desk(*CASES, other)
    source = (
        "import os, time\ndef f(add, fit, slow):\n    if os.fork() == 0:\n        time.sleep(60)\n    return add(1)\n"
    )

    found = planning.plan(
        [request("t", source), request("u", HONEST, [other])], tmp_path, (7, 5), desk=served, quiet_s=10.0
    )

    assert [plan.value for plan in found["t"].plans] == [1, 1]
    assert [plan.value for plan in found["u"].plans] == [1]
