"""The desk alone, over real pipes: what it answers, what it logs, what it takes for a breach."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import threading
import time

import pytest

from autograder import questions, timing_stage, turns, wire
from autograder.evidence import FaultKind
from autograder.questions.question import Question
from autograder.result import Status
from autograder.rigs import Call, Desk, Log, Place
from autograder.rigs import desk as desk_module
from autograder.rubric import Item
from autograder.verdict import EARNED
from gpulabs import devices
from gpulabs.errors import GraderError
from tests.autograder.rigs.fakes import Counter, case, desk

ONE, TWO = case("add", index=0), case("add", index=1)
OPEN, CLOSE = {"do": "open", "case": ONE.id}, {"do": "close", "case": ONE.id}


def call(name, *arguments, of=ONE):
    return {"do": "call", "case": of.id, "name": name, "arguments": list(arguments)}


def talk(served, *messages, fill=0):
    """What a worker is answered that sends these messages, or bytes as they are, and ends."""
    (requests, to_desk), (from_desk, answers) = os.pipe(), os.pipe()
    os.write(answers, b" " * fill)
    for message in messages:
        os.write(to_desk, message if isinstance(message, bytes) else wire.line(message))
    os.close(to_desk)
    served.serve(requests, answers, threading.Event())
    os.close(answers)
    os.close(requests)
    with os.fdopen(from_desk, "rb") as replies:
        return [json.loads(text) for text in replies] if not fill else []


def test_calls_are_answered_and_logged_in_order():
    served = desk(ONE)

    answers = talk(served, OPEN, call("add", 2), call("add", 3), CLOSE)

    assert answers == [{"value": None}, {"value": 2}, {"value": 5}, {"value": None}]
    assert served.log(ONE.id) == Log((Call("add", (2,), 2), Call("add", (3,), 5)), {"count": 5}, closed=True)


def test_exceptions_of_the_rig_travel_and_are_logged():
    served = desk(ONE)

    answers = talk(served, OPEN, call("fit", 64), call("fit", 128), call("fit"), CLOSE)

    assert answers[2] == {"raise": "OutOfMemory", "message": "batch 128 does not fit"}
    assert answers[3] == {"raise": "TypeError", "message": "fit: missing a required argument: 'batch'"}
    assert [one.raised for one in served.log(ONE.id).calls] == ["", "OutOfMemory", "TypeError"]


def test_what_happens_after_the_return_is_refused_and_not_logged():
    served = desk(ONE, TWO)

    answers = talk(served, OPEN, call("add", 2), CLOSE, call("add", 9), {"do": "open", "case": TWO.id}, call("add", 9))

    assert "has returned" in answers[3]["refuse"]
    assert "has returned" in answers[5]["refuse"]
    assert served.log(ONE.id).facts == {"count": 2}
    assert served.log(TWO.id).calls == ()


def test_a_case_is_opened_once_even_for_another_worker():
    served = desk(ONE)
    talk(served, OPEN, call("add", 2))

    answers = talk(served, OPEN, call("add", 3))

    assert "called before" in answers[0]["refuse"]
    assert [one.value for one in served.log(ONE.id).calls] == [2]


def test_more_calls_than_any_honest_function_makes_lose_the_case():
    served = desk(ONE, max_calls=2)

    answers = talk(served, OPEN, *[call("add", 1)] * 3, CLOSE)

    assert answers[3] == {"refuse": "more than 2 calls"}
    assert "more than 2 calls" in served.log(ONE.id).trouble


def test_a_rig_that_fails_is_the_graders_failure():
    served = desk(ONE)
    answers = talk(served, OPEN, call("broken"), call("add", 1), CLOSE)
    assert [list(one) for one in answers] == [["value"], ["refuse"], ["refuse"], ["value"]]
    assert "KeyError" in served.log(ONE.id).failure

    def build(setting):
        raise OSError("no GPU")

    served = desk(ONE, build=build)
    assert talk(served, OPEN) == [{"refuse": "the grader's rig failed"}]
    assert "OSError: no GPU" in served.log(ONE.id).failure

    served = desk(ONE)
    assert talk(served, OPEN, call("big"))[1] == {"refuse": "the grader's rig failed"}


@pytest.mark.parametrize(
    "forged",
    [
        b"hello\n",
        b"\n",
        b"7\n",
        b"[]\n",
        b"\xff\xfe\n",
        b"[" * 10_000 + b"]" * 5000 + b"\n",
        b'{"do": "open"}\n',
        b'{"do": "open", "case": "../etc"}\n',
        b'{"do": ["open"], "case": "t-v-0"}\n',
        b'{"do": "shut", "case": "t-v-0"}\n',
        b'{"do": "open", "case": "t-v-0", "more": 1}\n',
        b'{"do": "call", "case": "t-v-0", "name": "add", "arguments": {}}\n',
        b'{"do": "call", "case": "t-v-0", "name": "add", "arguments": [NaN]}\n',
        b'{"do": "call", "case": "t-v-0", "name": "add", "arguments": [1e999]}\n',
        b'{"do": "call", "case": "t-v-0", "name": "facts", "arguments": []}\n',
        b'{"do": "call", "case": "t-v-0", "name": "__class__", "arguments": []}\n',
        b'{"do": "call", "case": "t-v-0", "name": "add", "arguments": [' + b"9" * 5000 + b"]}\n",
        b'{"do": "call", "case": "t-v-0", "name": "add", "arguments": [[[[[[1]]]]]]}\n',
        b"x" * (wire.MAX_LINE + 2),
        b'{"do": "call", "case": "t-v-0", "name": "add", "arguments": [1' + b" " * wire.MAX_LINE + b"]}\n",
    ],
    ids=lambda text: text[:60].decode("latin-1"),
)
def test_what_no_proxy_sends_ends_the_worker(forged):
    served = desk(ONE, TWO)

    talk(served, OPEN, call("add", 2), forged, call("add", 3))

    assert served.broken
    assert served.log(ONE.id).facts == {"count": 2}
    # A fresh worker goes on with the rest.
    assert talk(served, {"do": "open", "case": TWO.id}, call("add", 4, of=TWO))[1] == {"value": 4}


def test_calling_on_after_many_refusals_ends_the_worker(monkeypatch):
    monkeypatch.setattr(desk_module, "MAX_REFUSALS", 5)
    served = desk(ONE)

    answers = talk(served, OPEN, CLOSE, *[call("add", 1)] * 9)

    assert (len(answers), "on and on" in served.broken) == (2 + 5, True)


def test_a_worker_that_reads_no_answers_is_ended(monkeypatch):
    monkeypatch.setattr(desk_module, "PATIENCE_S", 0.1)
    served = desk(ONE)

    talk(served, OPEN, fill=65536)

    assert "does not read" in served.broken


def test_a_rigs_work_is_not_on_the_workers_clock():
    served = desk(ONE)
    talk(served, OPEN, call("slow", 0.2), call("add", 1), CLOSE)
    assert 0.2 <= served.taken_s() < 0.4


def test_a_rig_that_measures_has_the_gpu_from_the_opening_to_the_end():
    told = []

    @contextlib.contextmanager
    def turn(stop):
        told.append("turn")
        time.sleep(0.2)
        yield
        told.append("given back")

    def build(setting):
        told.append(f"rig on {setting.gpu}")
        return Counter()

    places = {ONE.id: Place(build, measures=True), TWO.id: Place(build)}
    served = Desk(places, "gpu", gpu=3, turn=turn)
    talk(served, OPEN, call("add", 1), {"do": "open", "case": TWO.id})
    assert told == ["turn", "rig on 3", "given back", "rig on 3"]
    assert served.taken_s() >= 0.2  # waiting is not on the worker's clock

    served = Desk({ONE.id: Place(build, measures=True)}, "gpu", turn=turn)
    talk(served, OPEN)
    assert told[-1] == "given back"  # of a worker that ended in the middle


def test_a_turn_that_does_not_come_withholds():
    def turn(stop):
        raise GraderError("another grading held the GPU")

    served = Desk({ONE.id: Place(lambda setting: Counter(), measures=True)}, "gpu", turn=turn)
    assert talk(served, OPEN, call("add", 1))[1] == {"refuse": "the grader's rig failed"}
    assert "another grading held the GPU" in served.log(ONE.id).failure


def test_live_measurements_of_two_gradings_take_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(turns.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(devices, "identity", lambda gpu=0: f"fake-{gpu}")
    beside, most, lock = [0], [0], threading.Lock()

    class Measuring(Counter):
        def slow(self, seconds):
            with lock:
                beside[0] += 1
                most[0] = max(most[0], beside[0])
            time.sleep(seconds)
            with lock:
                beside[0] -= 1

    said = []
    live = Question("counter", None, None, rig=lambda case, setting: Measuring(), needs_gpu=True, max_calls=9)
    monkeypatch.setattr(questions, "ALL", {"counter": live})
    turn = functools.partial(timing_stage.alone_on, 0, lambda stage, text: said.append(text))
    desks = [questions.desk([ONE], "gpu", 0, turn) for _ in range(2)]
    threads = [threading.Thread(target=talk, args=(served, OPEN, call("slow", 0.3), CLOSE)) for served in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert said == ["waiting for another grading's turn on the GPU"]
    assert [len(served.log(ONE.id).calls) for served in desks] == [1, 1]


def test_nor_is_what_it_takes_to_tell_its_facts():
    class Slow(Counter):
        def facts(self):
            time.sleep(0.2)
            return {}

    served = desk(ONE, build=lambda setting: Slow())
    talk(served, OPEN, CLOSE)
    assert 0.2 <= served.taken_s() < 0.4


def test_no_rig_no_log():
    assert desk(ONE).log(ONE.id) == Log()


class TestQuestions:
    """What the registry makes of a rig's log."""

    ITEM = Item("v", "title", "values", 1)

    @pytest.fixture(autouse=True)
    def _asked(self, monkeypatch):
        asked = Question(
            "counter",
            lambda rng, index, spec: (wire.call("add"),),
            lambda item, case, value, log: EARNED,
            rig=lambda case, setting: Counter(case.seed),
            max_calls=3,
            needs_gpu=True,
        )
        monkeypatch.setattr(questions, "ALL", {"counter": asked})

    def judged(self, log):
        return questions.judge(self.ITEM, ONE, 1, log)

    def test_an_honest_log_goes_to_the_judge(self):
        assert self.judged(Log(closed=True)).status is Status.EARNED

    def test_trouble_loses_the_case_with_its_reason(self):
        found = self.judged(Log(closed=True, trouble="made more than 3 calls"))
        assert (found.status, found.fault) == (Status.LOST, FaultKind.REJECTED)
        assert found.reason == "f(add) made more than 3 calls."

    def test_a_plan_for_a_function_whose_end_nobody_saw_is_forged(self):
        assert self.judged(Log()).status is Status.LOST

    def test_rigs_are_built_from_the_cases_seed_where_they_are_asked(self):
        served = questions.desk([ONE], "gpu")
        assert talk(served, OPEN, call("add", 1))[1] == {"value": 8}
        assert talk(served, *[call("add", 1)] * 1)[0]["refuse"]
        assert questions.desk([ONE], "simulator") is None
        assert questions.pending(ONE, "simulator") == questions.NEEDS_GPU
        assert questions.pending(ONE, "gpu") == ""


def test_a_desk_of_no_case_serves_nobody():
    served = Desk({"other": Place(lambda setting: Counter())})
    talk(served, OPEN)
    assert "was not given" in served.broken
