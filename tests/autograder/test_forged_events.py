"""What a worker could write instead of honest events: it is read strictly, and nothing of it can crash the grader."""

import dataclasses
import functools
import json
import os

import pytest

from autograder import cases, isolation, planning, questions
from autograder.evidence import ArraySpec, Case, Fault, FaultKind, Kernel, Measurement, Outcome, Plan, encode
from autograder.inspection import inspect
from autograder.isolation import Ending
from autograder.launch.parent import _write_cubins
from autograder.program import Program
from autograder.result import Status
from autograder.rigs import Log
from autograder.rubric import load
from gpulabs.errors import GraderError

CASE = Case("t-exact-0", "t", "exact", "f", (1, 3, 4, 2), (1, 1, 2, 3))
ASKED = planning.TaskRequest(Program("t", (("t", ""),)), "kernel", {"f": "f(x, w)"}, (CASE,))
PLAN = encode(Plan(CASE.id, (ArraySpec("x", (1,), "float32"),), value=[1.5]))
FAULT = encode(Fault(FaultKind.WRONG_TYPE, "wrong", case=CASE.id))
OUTCOME = encode(Outcome(CASE.id))
DEEP = "[" * 100_000 + "]" * 100_000


def event(kind, **more):
    return json.dumps({"event": kind, "task": "t", **more})


def read(tmp_path, *lines):
    """What is found in an honest begin followed by these lines."""
    found = {"t": planning._Found()}
    (tmp_path / "events.jsonl").write_text("\n".join([event("compiler", compiled=True), *lines]) + "\n")
    last, flags = planning._read(tmp_path / "events.jsonl", found, {"t": ASKED})
    assert flags["begun"]
    return found["t"], last, flags


def altered(record, **changes):
    return json.loads(json.dumps(record)) | changes


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "null",
        "[]",
        "7",
        '{"event": "done"}',
        '{"event": ["done"], "task": ["t"]}',
        '{"event": "done", "task": {}}',
        DEEP,
        event("plan", plan="DEEP").replace('"DEEP"', DEEP),
        event("plan", plan=altered(PLAN, value="DEEP")).replace('"DEEP"', "[" * 40 + "]" * 40),
        event("plan", plan=altered(PLAN, value="HUGE")).replace('"HUGE"', "9" * 5000),
        event("plan", plan=altered(PLAN, result="HUGE")).replace('"HUGE"', "9" * 4000),
        event("plan", plan=altered(PLAN, arrays=[altered(PLAN["arrays"][0], shape=[10**30])])),
        event("plan", plan=altered(PLAN, arrays=[altered(PLAN["arrays"][0], values=[10**400])])),
        event("plan", plan=altered(PLAN, arrays=[altered(PLAN["arrays"][0], shape=[1.5])])),
        event("plan", plan=altered(PLAN, arrays=[altered(PLAN["arrays"][0], shape=[True])])),
        event("plan", plan=altered(PLAN, result=float("nan"))),
        event("plan", plan=altered(PLAN, surplus=1)),
        event("plan", plan=altered(PLAN, case="t-exact-1")),
        event("plan", plan=altered(PLAN, case="../oracle/t-exact-0")),
        event("outcome", outcome=altered(OUTCOME, unwritten=10**30)),
        event("outcome", outcome=altered(OUTCOME, case="other-exact-0")),
        event("outcome", outcome=altered(OUTCOME, unwritten=float("-inf"))),
        event("fault", fault=altered(FAULT, kind="earned")),
        event("fault", fault=altered(FAULT, kind=["wrong values"])),
        event("fault", fault=altered(FAULT, case="other-exact-0")),
        event("kernel", key="k", kernel={"name": "k"}),
    ],
    ids=lambda line: line[:60],
)
def test_a_forged_line_is_not_believed_and_ends_the_reading(tmp_path, line):
    got, _, flags = read(tmp_path, line, event("done"), event("end"))

    assert (got.plans, got.outcomes, got.faults, got.kernels) == ([], [], [], {})
    assert not got.over
    assert not flags["ended"]


def test_of_several_plans_for_one_case_one_counts(tmp_path):
    got, _, _ = read(tmp_path, event("plan", plan=altered(PLAN, value=1)), event("plan", plan=altered(PLAN, value=2)))

    assert [plan.value for plan in got.plans] == [2]


@pytest.mark.parametrize("first", [event("outcome", outcome=OUTCOME), event("fault", fault=FAULT)])
def test_a_case_that_is_settled_stays_so(tmp_path, first):
    got, _, _ = read(tmp_path, first, event("outcome", outcome=altered(OUTCOME, unwritten=3)), event("plan", plan=PLAN))

    assert len(got.outcomes) + len(got.faults) == 1
    assert got.plans == []


def test_another_tasks_events_change_nothing(tmp_path):
    got, _, _ = read(tmp_path, event("plan", plan=PLAN).replace('"task": "t"', '"task": "other"'))

    assert got.plans == []


def test_messages_are_one_short_line_that_can_be_written(tmp_path):
    got, last, _ = read(
        tmp_path,
        event("enter", case="c" * 10**6, stage=None),
        event("fault", fault=altered(FAULT, message="a\n\ud800" + "b" * 10**6)),
    )

    assert got.faults[0].message.encode()[:3] == b"a ?"
    assert len(got.faults[0].message) <= planning.MAX_MESSAGE
    assert len(last["case"]) <= 80


def test_a_kernels_key_is_no_path(tmp_path):
    key = "../../k\0/\ud800"
    got, _, _ = read(tmp_path, event("kernel", key=key, kernel=encode(Kernel("k", "k", "ptx"))))
    work = tmp_path / "launch"
    work.mkdir()

    files = _write_cubins(got.kernels, dict.fromkeys(got.kernels, b"code"), work)

    assert list(files.values()) == [str(work / "kernel-0.cubin")]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**4000, [[[[1]]]], [[10**400, 1, 1], [1, 1, 1]], None])
def test_odd_values_of_plain_functions_are_wrong_and_no_more(tmp_path, value):
    got, _, _ = read(tmp_path, event("plan", plan=altered(PLAN, value=value)))
    rubric = load("lab1")
    for task, values, arguments in (
        ("launch_config", "launch_covers", (1, 4, 4, 8)),
        ("roofline", "flops", ((1, 3, 3, 1), (1, 1, 1, 1))),
    ):
        case = dataclasses.replace(CASE, task=task, values=values, arguments=arguments)
        verdict = questions.judge(rubric.task(task).items[0], case, got.plans[0].value, Log())
        assert verdict.status is Status.LOST


HUGE = 10**4000
NESTED = functools.reduce(lambda inner, _: [inner], range(28), 0)
ODD = (
    [0] * 20_000, {str(number): number for number in range(5_000)}, NESTED, "a" * 100_000, HUGE, -HUGE, [HUGE] * 4,
    [[HUGE, HUGE]] * 2, [HUGE, 1.5], 1e308, float("nan"), [None] * 5, [], "x\ud800", [1, "a", None, {}],
    [{"layer": "conv", "filters": HUGE}] * 3, [{"layer": "conv", "filters": 32}] * 5_000, {"epochs": HUGE},
)  # fmt: skip


@pytest.mark.parametrize("lab", ["lab1", "lab2", "lab4", "lab6"])
def test_no_question_breaks_over_a_value_that_only_a_forged_record_holds(lab):
    """A worker holds values to a size; what a submission writes into the record itself has none."""
    rubric = load(lab)
    asked = {(case.values, case.function): case for case in cases.draw(rubric, 3, "simulator")}
    for case in asked.values():
        if case.values in questions.ALL:
            item = rubric.task(case.task).item(case.item)
            verdicts = [questions.judge(item, case, value, Log()) for value in ODD]
            assert {verdict.status for verdict in verdicts} == {Status.LOST}, case


def test_a_plan_without_its_arrays_is_refused_and_no_crash(tmp_path):
    got, _, _ = read(tmp_path, event("plan", plan=altered(PLAN, result=-7)))

    found = inspect(planning.PlanSet("t", {}, tuple(got.plans)), (CASE,), "sm_75")

    assert found.faults[0].kind is FaultKind.REJECTED


@pytest.mark.parametrize("trick", ["link", "pipe", "folder", "zero"])
def test_a_file_of_another_kind_in_place_of_the_events_is_not_read(tmp_path, trick):
    events = tmp_path / "events.jsonl"
    secret = tmp_path / "secret"
    secret.write_text(event("compiler", compiled=True))
    {
        "link": lambda: events.symlink_to(secret),
        "pipe": lambda: os.mkfifo(events),
        "folder": events.mkdir,
        "zero": lambda: events.symlink_to("/dev/zero"),
    }[trick]()

    assert planning._read(events, {}, {})[1]["begun"] is False


def test_links_that_a_worker_left_lead_nowhere_when_it_is_started_again(tmp_path, monkeypatch):
    """Its folder's names were once followed: a link there would have overwritten any file of the instructor's."""
    folder, home = tmp_path / "work", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    names = ("request.json", "events.jsonl", "stdout.txt", "stderr.txt")
    for name in names:
        (home / name).write_text("mine")
        (folder / name).symlink_to(home / name)
    (folder / "nothing").symlink_to(home / "new")

    def die(module, folder, limits, **_):
        return Ending("failed", 1, "")

    monkeypatch.setattr(isolation, "run", die)
    with pytest.raises(GraderError, match="did not start"):
        planning.plan([ASKED], folder, (7, 5))

    assert {(home / name).read_text() for name in names} == {"mine"}
    assert not (folder / "request.json").is_symlink()


def test_an_honest_record_is_read(tmp_path):
    got, _, flags = read(
        tmp_path,
        event("kernel", key="k", kernel=encode(Kernel("k", "k", "ptx"))),
        event("plan", plan=PLAN),
        event("outcome", outcome=OUTCOME),
        event("done"),
        event("end"),
    )

    assert (len(got.plans), len(got.outcomes), list(got.kernels), got.over, flags["ended"]) == (1, 1, ["k"], True, True)
    assert Measurement("t", "simulator", tuple(got.outcomes)).outcomes[0].fault is None
