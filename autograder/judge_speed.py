"""A race's times -> a verdict: a speedup, a place between two rungs of the ladder, a ratio to one CPU core."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any, Protocol

from autograder.curve import MIN_GAP, CurveDecision, Standing, decide_curve
from autograder.evidence import FaultKind, Race, Resources
from autograder.result import Status
from autograder.rubric import Item
from autograder.verdict import Verdict, lost, withheld


class Decision(Protocol):
    """What a sequential test says; `autograder.decision.Decision` is one."""

    @property
    def verdict(self) -> str: ...  # noqa: D102
    @property
    def speedup(self) -> float: ...  # noqa: D102
    @property
    def lower(self) -> float: ...  # noqa: D102
    @property
    def upper(self) -> float: ...  # noqa: D102
    @property
    def pairs(self) -> int: ...  # noqa: D102


class Decide(Protocol):
    """The signature of `autograder.decision.decide`."""

    def __call__(  # noqa: D102
        self, pairs: Sequence[tuple[float, float]], threshold: float, final: bool = False
    ) -> Decision: ...


def judge_race(item: Item, race: Race, decision: Decision, resources: Sequence[Resources]) -> Verdict:
    """Judges a speedup over one rung.

    Args:
        item: Of kind `speedup`.
        race: Its times.
        decision: What the sequential test says of them.
        resources: Of the kernels, for the hint.
    """
    if race.wrong_outputs:
        return _unsteady(race)
    numbers: dict[str, Any] = {
        "workload": race.workload,
        "speedup": round(decision.speedup, 3),
        "lower": round(decision.lower, 3),
        "upper": round(decision.upper, 3),
        "pairs": decision.pairs,
    } | _numbers(race, resources)
    claim = f"{decision.speedup:.2f} times as fast as {race.baseline}, {item.threshold:g} asked for"
    bounds = f"between {decision.lower:.2f} and {decision.upper:.2f} over {decision.pairs} pairs"
    if decision.verdict == "pass":
        return Verdict(Status.EARNED, f"{claim} ({bounds}).", evidence=numbers)
    if decision.verdict == "too close":
        return Verdict(
            Status.EARNED, f"{claim} ({bounds}): too close to call, so the points are yours.", evidence=numbers
        )
    if race.trouble or decision.verdict != "fail":
        return dataclasses.replace(_untrusted(race, len(race.pairs)), evidence=numbers)
    return Verdict(Status.LOST, f"Only {claim} ({bounds}).", hint=_hint(resources), evidence=numbers)


def judge_curve(item: Item, race: Race, resources: Sequence[Resources], structural: bool) -> Verdict:
    """Judges how far up between two rungs a kernel is.

    Args:
        item: Of kind `speed_curve`.
        race: Its rounds.
        resources: Of the kernels, for the hint.
        structural: Whether the task's structural points are earned: they decide where the rungs don't differ.
    """
    if race.wrong_outputs:
        return _unsteady(race)
    if not race.rounds:
        return withheld(", ".join(race.trouble) or f"the race against {item.low} and {item.high} wasn't run")
    decision = decide_curve(race.rounds, item.curve, final=True)
    times = (statistics.median(one[place] for one in race.rounds) for place in range(3))
    mine, low, high = (f"{time:.3g} ms" for time in times)
    numbers = _curve_numbers(race, decision) | _numbers(race, resources)
    rungs = f"{item.low} ({low}) and {item.high} ({high})"
    if decision.standing is Standing.UNDECIDED:
        return dataclasses.replace(_untrusted(race, len(race.rounds)), evidence=numbers)
    if decision.standing is Standing.FLAT:
        text = (
            f"On this GPU {rungs} differ by {decision.gap:.2f}x, less than {MIN_GAP:g}x: speed between them can't be "
            "told, and the compiled code decides"
        )
        if structural:
            return Verdict(Status.EARNED, f"{text}; it has what is asked for.", evidence=numbers)
        return Verdict(Status.LOST, f"{text}; it lacks what is asked for.", hint=_hint(resources), evidence=numbers)
    bounds = f"between {decision.lower:.2f} and {decision.upper:.2f} over {decision.rounds} rounds"
    text = f"Your kernel takes {mine}: position {decision.position:.2f} between {rungs}, {bounds}"
    full = decision.step == len(item.curve)
    if decision.open:
        text += f"; too close to call at {item.curve[decision.open - 1][0]:g}, so the step is yours"
    if not full:
        text += f"; the next step is {item.curve[decision.step][0]:g}, for {item.curve[decision.step][1]:g} points"
        if race.trouble:
            return dataclasses.replace(_untrusted(race, decision.rounds), evidence=numbers)
    if not decision.step:
        return Verdict(Status.LOST, f"{text}.", hint=_hint(resources), evidence=numbers)
    return Verdict(Status.EARNED, f"{text}.", evidence=numbers, points=None if full else decision.points)


def _curve_numbers(race: Race, decision: CurveDecision) -> dict[str, Any]:
    return {
        "workload": race.workload,
        "position": round(decision.position, 3),
        "lower": round(decision.lower, 3),
        "upper": round(decision.upper, 3),
        "rounds": decision.rounds,
        f"{race.baseline} over {race.high}": round(decision.gap, 3),
        f"{race.high}_ms": round(statistics.median(one[2] for one in race.rounds), 4),
    }


def judge_cpu(item: Item, races: Sequence[Race], cpu_time_ms: float) -> Verdict:
    """Judges the ratio to one core of the CPU.

    Args:
        item: Of kind `cpu_speedup`.
        races: Of the task; their candidate's times count.
        cpu_time_ms: The CPU's.
    """
    time_ms = statistics.median(candidate for race in races for candidate, _ in race.pairs)
    speedup = cpu_time_ms / time_ms
    numbers = {
        "time_ms": round(time_ms, 4),
        "cpu_time_ms": round(cpu_time_ms, 3),
        "speedup": round(speedup, 2),
    }
    claim = f"{speedup:.1f} times as fast as {item.baseline}, {item.threshold:g} asked for"
    if speedup >= (item.threshold or 0.0):
        return Verdict(Status.EARNED, f"{claim}.", evidence=numbers)
    hint = "How many threads are there, and how many of them have work to do?"
    return Verdict(Status.LOST, f"Only {claim}.", hint=hint, evidence=numbers)


def _numbers(race: Race, resources: Sequence[Resources]) -> dict[str, Any]:
    time_ms = statistics.median(candidate for candidate, _ in race.pairs)
    numbers: dict[str, Any] = {
        "time_ms": round(time_ms, 4),
        f"{race.baseline}_ms": round(statistics.median(base for _, base in race.pairs), 4),
        "gflop_s": round(race.flops / time_ms / 1e6, 1),
    }
    numbers |= {f"{name}_ms": round(value, 4) for name, value in race.peers.items()}
    if race.peers.get("cudnn"):
        numbers["share_of_cudnn"] = round(race.peers["cudnn"] / time_ms, 3)
    if resources:
        numbers["registers"] = max(one.registers for one in resources)
        numbers["spill_bytes"] = sum(one.spill_load_bytes + one.spill_store_bytes for one in resources)
    if race.trouble:
        numbers["trouble"] = ", ".join(race.trouble)
    return numbers


def _hint(resources: Sequence[Resources]) -> str:
    if any(one.fp64_instructions for one in resources):
        return "The compiled kernel has double-precision instructions: which constant isn't a float32?"
    if any(one.spill_load_bytes + one.spill_store_bytes for one in resources):
        return "The compiled kernel spills registers to memory: what does each thread keep?"
    return "Which array does the kernel read most often, and do neighbouring threads read neighbouring words of it?"


def _untrusted(race: Race, count: int) -> Verdict:
    return withheld(f"the timing can't be trusted: {', '.join(race.trouble) or f'{count} pairs are too few'}")


def _unsteady(race: Race) -> Verdict:
    text = f"{race.wrong_outputs} timed outputs differ from the judged one: the same inputs must give the same output."
    return lost(FaultKind.WRONG_VALUES, text, "Is there a race between threads, or something kept from call to call?")
