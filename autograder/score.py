"""Evidence + rubric -> points with reasons: a pure function, the last step before a `Result`.

The rules:

- An item is earned only if all its cases are right.
- A fault of the whole task (a syntax error, a missing function) loses all its items, and a stub that
  was never replaced likewise. A task of several functions loses those only that have no answer.
- Speed and structure count only with right answers: they are lost once an exact item of the task is.
- What is trained counts once the network and the plan can be read; see `autograder.training_stage`.
- A curve gives part of its points; everything else all or none.
- Without a GPU speed is pending; a failure of the grader withholds points. Neither counts as zero.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from autograder import judge, questions
from autograder.calibration import review
from autograder.evidence import Case, Fault, FaultKind, Measurement, Outcome, PlanSet, Resources, Structure, Trained
from autograder.judge_speed import Decide, judge_cpu, judge_curve, judge_race
from autograder.judge_structure import judge_structure
from autograder.judge_training import judge_training
from autograder.result import ItemScore, Status
from autograder.rigs import Log
from autograder.rubric import TIMED_KINDS, TRAINED_KINDS, Item, Rubric, Task
from autograder.verdict import Verdict, of_fault, withheld

NEEDS_GPU = "Needs a GPU: this machine judges answers, not speed."
_MAX_REASON = 900
NEEDS_COMPILER = "Needs the CUDA compiler libraries: this machine has none, and the compiled code decides."
_SPEED_KINDS = (*TIMED_KINDS, "cpu_speedup")
_STOPPERS = (FaultKind.KERNEL_TIMEOUT, FaultKind.OUT_OF_MEMORY)


@dataclass(frozen=True)
class TaskEvidence:
    """All that the stages found out about one task.

    Attributes:
        cases: Its cases, as drawn.
        plans: What the plan stage learned.
        measurement: What the GPU, or without one the simulator, said; None for a function task.
        outputs: Student's outputs that belong to `measurement`, by case id.
        simulated: The simulator's measurement where `measurement` is a GPU's: it counts memory traffic.
        simulated_outputs: Outputs that belong to it.
        expected: The oracle's outputs of real-valued cases, by case id.
        resources: What the assembler says of the kernels.
        structures: What the kernels are made of, from their PTX.
        cpu_time_ms: Time of the speed workload on one CPU core.
        faults: Further faults of the submission: from validation, from assembly.
        oracle_failure: Why there is no oracle; withholds what needs it.
        failure: Why a stage of the grader failed; withholds whatever isn't lost already.
        logs: What the rigs of a function task saw, by case id.
        pending: Why a case can't be asked here, by case id.
        yardstick: What is known of this GPU.
        trained: What training gave that the task declares.
    """

    cases: tuple[Case, ...]
    plans: PlanSet
    measurement: Measurement | None = None
    outputs: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    simulated: Measurement | None = None
    simulated_outputs: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    expected: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    resources: tuple[Resources, ...] = ()
    structures: tuple[Structure, ...] = ()
    cpu_time_ms: float | None = None
    faults: tuple[Fault, ...] = ()
    oracle_failure: str = ""
    failure: str = ""
    logs: Mapping[str, Log] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    yardstick: review.Yardstick = review.UNKNOWN
    trained: Trained = field(default_factory=Trained)


def score(rubric: Rubric, task: Task, evidence: TaskEvidence, decide: Decide) -> tuple[ItemScore, ...]:
    """Scores one task.

    Args:
        rubric: The lab's, for the hint command.
        task: The task.
        evidence: What is known of it.
        decide: The sequential test for speed, `autograder.decision.decide`.

    Returns:
        One score for each item, in the rubric's order.
    """
    verdicts: dict[str, Verdict] = {}
    for item in task.items:
        if item.kind in TRAINED_KINDS:
            verdicts[item.id] = _judge_trained(task, item, evidence)
        elif item.kind not in (*_SPEED_KINDS, "structure"):
            verdicts[item.id] = _combine([_judge(task, item, case, evidence) for case in _of(item, evidence)])
    for item in task.items:
        if item.kind == "structure":
            verdicts[item.id] = _judge_structure(task, item, evidence, verdicts)
    speed_items = [item for item in task.items if item.kind in _SPEED_KINDS]
    gate = _speed_gate(task, evidence, verdicts) if speed_items else None
    for item in speed_items:
        verdicts[item.id] = gate or _judge_speed(task, item, evidence, verdicts, decide)
    return tuple(_item_score(rubric, task, item, verdicts[item.id]) for item in task.items)


def _judge(task: Task, item: Item, case: Case, evidence: TaskEvidence) -> Verdict:
    """Judges one case of an item that isn't about speed."""
    plan = next((plan for plan in evidence.plans.plans if plan.case == case.id), None)
    log = evidence.logs.get(case.id, Log())
    if log.failure:  # first of all: what the function then did is not its fault
        return withheld(log.failure)
    fault = _fault_of(task, case, evidence, planned=plan is not None)
    if fault is not None:
        return of_fault(fault)
    if task.kind == "function":
        if case.id in evidence.pending:
            return Verdict(Status.PENDING, evidence.pending[case.id])
        if plan is None:
            return withheld(evidence.failure or f"{case.function} wasn't called for case {case.id}")
        return questions.judge(item, case, plan.value, log)
    simulated = item.kind == "coalescing" and evidence.simulated is not None
    measurement, outputs = (
        (evidence.simulated, evidence.simulated_outputs) if simulated else (evidence.measurement, evidence.outputs)
    )
    outcome = _outcome(measurement, case)
    if outcome is None:
        stopped = _stopped_by(measurement)
        if stopped is not None:
            return of_fault(stopped)
        return withheld(evidence.failure or f"case {case.id} wasn't run")
    if outcome.pending:
        return Verdict(Status.PENDING, outcome.pending)
    verdict = judge.judge_case(item, case, outcome, outputs.get(case.id), evidence.expected)
    if verdict.status is Status.WITHHELD and case.id not in evidence.expected and evidence.oracle_failure:
        return withheld(evidence.oracle_failure)
    if item.kind == "coalescing" and verdict.status is Status.EARNED:
        return judge.judge_traffic(item, case, outcome.coalescing)
    return verdict


def _judge_trained(task: Task, item: Item, evidence: TaskEvidence) -> Verdict:
    """Judges what is trained: first whether there was anything to train."""
    planned = {plan.case for plan in evidence.plans.plans}
    for case in evidence.cases:
        if case.values in questions.DECLARED and (fault := _fault_of(task, case, evidence, planned=case.id in planned)):
            return of_fault(fault)
    found, name = evidence.trained, TRAINED_KINDS[item.kind]
    if found.refused is not None:
        return of_fault(found.refused)
    if name in found.pending:
        return Verdict(Status.PENDING, found.pending[name])
    if name not in found.trainings:
        return withheld(found.failures.get(name) or evidence.failure or f"{task.id} wasn't trained")
    return judge_training(item, found.trainings[name])


def _stopped_by(measurement: Measurement | None) -> Fault | None:
    """Finds the submission's own fault that kept later cases from running: its process was ended."""
    if measurement is None or measurement.fault is not None:
        return None if measurement is None else measurement.fault
    faults = (outcome.fault for outcome in measurement.outcomes)
    return next((fault for fault in faults if fault is not None and fault.kind in _STOPPERS), None)


def _fault_of(task: Task, case: Case, evidence: TaskEvidence, *, planned: bool) -> Fault | None:
    """Finds the fault that keeps a case from being judged: its own first, then one of the whole task."""
    faults = (*evidence.plans.faults, *evidence.faults)
    own = next((fault for fault in faults if fault.case == case.id), None)
    whole = [fault for fault in faults if fault.case is None]
    if own is not None or not whole:
        return own
    # One of several functions may be missing while the others answered; a function may be a stub for some arguments.
    if planned and (task.kind == "function" or all(fault.kind is FaultKind.NOT_ATTEMPTED for fault in whole)):
        return None
    return next((fault for fault in whole if case.function in fault.message), whole[0])


def _speed_gate(task: Task, evidence: TaskEvidence, verdicts: Mapping[str, Verdict]) -> Verdict | None:
    """Says why speed isn't judged at all, or None: answers first, then a GPU, then the timed output itself."""
    lost_answers = _answers_gate(task, verdicts, "Speed")
    if lost_answers and lost_answers.status is Status.LOST:
        return lost_answers
    if evidence.measurement is None or evidence.measurement.where != "gpu":
        return withheld(evidence.failure) if evidence.failure else Verdict(Status.PENDING, NEEDS_GPU)
    if lost_answers:
        return lost_answers
    timed = [case for item in task.items if item.kind in TIMED_KINDS for case in _of(item, evidence)]
    verdict = _combine([_judge(task, task.item(case.item), case, evidence) for case in timed])
    return None if verdict.status is Status.EARNED else verdict


def _answers_gate(task: Task, verdicts: Mapping[str, Verdict], what: str) -> Verdict | None:
    """Says why nothing is judged that counts with right answers only, or None: lost first, then what is unknown.

    Where a task has no item of kind `exact`, rounding being allowed in it, its `close` items are the answers.
    """
    kind = "exact" if any(other.kind == "exact" for other in task.items) else "close"
    answers = [(other, verdicts[other.id]) for other in task.items if other.kind == kind]
    for other, verdict in answers:
        if verdict.status is Status.LOST:
            if verdict.fault is FaultKind.NOT_ATTEMPTED:
                return verdict
            text = f"{what} counts with right answers only, and '{other.title}' is lost."
            return dataclasses.replace(verdict, reason=text, hint=f"First earn '{other.title}'.", evidence={})
    for other, verdict in answers:
        if verdict.status is not Status.EARNED:
            return withheld(f"'{other.title}' couldn't be judged, and {what.lower()} counts with right answers only")
    return None


def _judge_speed(
    task: Task, item: Item, evidence: TaskEvidence, verdicts: Mapping[str, Verdict], decide: Decide
) -> Verdict:
    races = evidence.measurement.races if evidence.measurement is not None else ()
    if item.kind == "cpu_speedup":
        if not any(race.pairs for race in races):
            return withheld(evidence.failure or f"{task.function} wasn't timed")
        if evidence.cpu_time_ms is None:
            return withheld(evidence.oracle_failure or f"{item.baseline} wasn't timed")
        return judge_cpu(item, races, evidence.cpu_time_ms)
    if item.kind == "speed_curve":
        race = next((race for race in races if (race.baseline, race.high) == (item.low, item.high)), None)
        if race is None:
            return withheld(evidence.failure or f"the race against {item.low} and {item.high} wasn't run")
        asked = [verdicts[other.id].status for other in task.items if other.kind == "structure"]
        verdict = judge_curve(item, race, evidence.resources, all(status is Status.EARNED for status in asked))
        return review.told(verdict, race, evidence.yardstick)
    race = next((race for race in races if race.baseline == item.baseline), None)
    if race is None or item.threshold is None:
        return withheld(evidence.failure or f"the race against {item.baseline} wasn't run")
    decision = decide(race.pairs, item.threshold, final=True)
    verdict = judge_race(item, race, decision, evidence.resources)
    return review.reviewed(verdict, item, race, decision.upper, evidence.yardstick)


def _judge_structure(
    task: Task, item: Item, evidence: TaskEvidence, verdicts: Mapping[str, Verdict]
) -> Verdict:  # fmt: skip
    """Judges the kernels that the speed workload launches: the ones that are timed."""
    cases = [case for other in task.items if other.kind in TIMED_KINDS for case in _of(other, evidence)]
    plans = {plan.case: plan for plan in evidence.plans.plans}
    for case in cases:
        fault = _fault_of(task, case, evidence, planned=case.id in plans)
        if fault is not None:
            return of_fault(fault)
    if gate := _answers_gate(task, verdicts, "The compiled code"):
        return gate
    if wrong := _wrong_workload(task, cases, evidence):
        return wrong
    if not evidence.plans.compiled:
        return Verdict(Status.PENDING, NEEDS_COMPILER)
    for case in cases:
        if case.id not in plans:
            return withheld(evidence.failure or f"case {case.id} wasn't planned")
        found = judge_structure(
            item, plans[case.id], evidence.plans.kernels, evidence.resources, evidence.structures
        )  # fmt: skip
        if found.status is not Status.EARNED or case is cases[-1]:
            return found
    return withheld("no workload was drawn")


def _wrong_workload(task: Task, cases: Sequence[Case], evidence: TaskEvidence) -> Verdict | None:
    """Says that the very kernels that are looked at give wrong answers, where a GPU has run them."""
    if evidence.measurement is None or evidence.measurement.where != "gpu":
        return None
    verdict = _combine([_judge(task, task.item(case.item), case, evidence) for case in cases])
    if not cases or verdict.status is not Status.LOST:
        return None
    text = (
        f"The compiled code counts with right answers only, and those of the timed workload are not: {verdict.reason}"
    )
    return dataclasses.replace(verdict, reason=text, evidence={})


def _combine(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict of many: the worst of them, and how many there were."""
    for status in (Status.LOST, Status.WITHHELD, Status.PENDING):
        those = [verdict for verdict in verdicts if verdict.status is status]
        if those:
            told = _most_telling(those)
            counted = {"cases": len(verdicts), f"cases {status.value}": len(those)}
            # One fault of the whole task has the same reason in every case: counting adds nothing.
            several = status is Status.LOST and len({verdict.reason for verdict in those}) > 1
            more = f" ({len(those)} of {len(verdicts)} cases fail.)" if several else ""
            return dataclasses.replace(told, reason=told.reason + more, evidence=counted | told.evidence)
    if not verdicts:
        return withheld("no case was drawn")
    first = verdicts[0]
    text = "The case is right." if len(verdicts) == 1 else f"All {len(verdicts)} cases are right."
    return Verdict(Status.EARNED, first.reason or text, evidence={"cases": len(verdicts)} | first.evidence)


def _most_telling(verdicts: Sequence[Verdict]) -> Verdict:
    """Picks the verdict to show of several: one with a diagnosis, and of these where the fewest outputs are wrong.

    A 1x1 output that is wrong tells less than a picture of which only the last column is.
    """
    if verdicts[0].fault not in (FaultKind.WRONG_VALUES, FaultKind.NOT_WRITTEN):
        return verdicts[0]
    return min(
        verdicts, key=lambda verdict: (not verdict.evidence.get("diagnosis"), verdict.evidence.get("share wrong", 1))
    )


def _item_score(rubric: Rubric, task: Task, item: Item, verdict: Verdict) -> ItemScore:
    hint = ""
    if verdict.status is Status.LOST:
        more = f"`gpulabs hint {rubric.short} {task.id}` shows the first of {len(task.hints)} hints."
        hint = f"{verdict.hint} {more}".strip()
    return ItemScore(
        task=task.id,
        item=item.id,
        title=item.title,
        points=_points(item, verdict),
        max_points=float(item.points),
        status=verdict.status,
        reason=_plain(verdict.reason),
        hint=_plain(hint),
        fault="" if verdict.fault is None else verdict.fault.value,
        cell=verdict.cell,
        line=verdict.line,
        evidence=verdict.evidence,
    )


def _points(item: Item, verdict: Verdict) -> float:
    if verdict.status is not Status.EARNED:
        return 0.0
    return float(item.points) if verdict.points is None else min(float(verdict.points), float(item.points))


def _plain(text: str) -> str:
    """Strips what a student's error message could do to a terminal, and its length."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return clean if len(clean) <= _MAX_REASON else f"{clean[: _MAX_REASON - 3]}..."


def _of(item: Item, evidence: TaskEvidence) -> list[Case]:
    return [case for case in evidence.cases if case.item == item.id]


def _outcome(measurement: Measurement | None, case: Case) -> Outcome | None:
    outcomes = measurement.outcomes if measurement is not None else ()
    return next((outcome for outcome in outcomes if outcome.case == case.id), None)
