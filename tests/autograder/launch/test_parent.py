"""The launcher from its request to the Measurement, with a child whose GPU is plain Python."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder import ladder
from autograder.evidence import Case, FaultKind, Kernel, Measurement, Plan, PlanSet, decode
from autograder.launch import RaceSpec, measure, parent
from autograder.launch.parent import Command
from gpulabs.errors import BusyError, GraderError

CHILD = Path(__file__).with_name("fake_gpu.py")
CASE = Case("t-exact-0", "t", "exact", "f", (2, 4, 5, 2), (2, 3, 2, 3))


def command(request: Path) -> list[str]:
    return [sys.executable, str(CHILD), str(request)]


def run(
    tmp_path: Path, kernels: list[str], race: RaceSpec | None = None, timeout_s: float = 20.0, **more: Any
) -> Measurement:
    """Runs one case for each kernel name, the case named by its number."""
    random = np.random.default_rng(0)
    cases, plans, table, code = [], [], {}, {"ladder:naive": b"naive", "ladder:coalesced": b"coalesced"}
    for number, name in enumerate(kernels):
        case = replace(CASE, id=f"case-{number}")
        plan, _ = ladder.plan_for(ladder.rung("naive"), case)
        key = f"k{number}"
        plans.append(replace(plan, launches=(replace(plan.launches[0], kernel=key),)))
        table[key], code[key] = Kernel(name, "naive", "", "cell", 3), name.encode()
        np.save(tmp_path / f"{case.id}.x.npy", random.integers(-9, 9, case.x_shape).astype(np.float32))
        np.save(tmp_path / f"{case.id}.w.npy", random.integers(-3, 3, case.w_shape).astype(np.float32))
        cases.append(case)
    plan_set = PlanSet("t", table, tuple(plans), compiled=True)
    run_command: Command = command
    return measure(
        plan_set,
        code,
        cases,
        tmp_path,
        tmp_path / "work",
        race=race,
        ladder_cubins=code,
        timeout_s=timeout_s,
        command=run_command,
        **more,
    )


def test_a_race_between_two_rungs_comes_back_in_rounds(tmp_path: Path) -> None:
    steps = ((0.5, 1.0),)
    race = RaceSpec("case-0", "naive", 0.0, cudnn=False, high="coalesced", curve=steps)
    (found,) = run(tmp_path, ["naive"], race).races
    assert (found.baseline, found.high, found.wrong_outputs) == ("naive", "coalesced", 0)
    assert len(found.rounds) == len(found.pairs) >= 15
    assert len(found.rounds[0]) == 3


def test_right_kernel_writes_its_output_and_nothing_else(tmp_path: Path) -> None:
    measured = run(tmp_path, ["naive"])
    (outcome,) = measured.outcomes
    x, w = (np.load(tmp_path / f"case-0.{name}.npy") for name in "xw")
    by_hand = np.tensordot(x[0, 1:3, 2:5], w, axes=3)  # output (0, 1, 2)
    y = np.load(tmp_path / "work" / "case-0.npy")
    assert y.shape == (2, 3, 3, 3)
    assert np.array_equal(y[0, 1, 2], by_hand)
    assert (outcome.fault, outcome.unwritten, outcome.guards_intact, outcome.inputs_intact) == (None, 0, True, True)


@pytest.mark.parametrize(
    ("kernel", "field", "value"),
    [
        ("nothing", "unwritten", 2 * 3 * 3 * 3),
        ("skips_last", "unwritten", 1),
        ("spills_over", "guards_intact", False),
        ("changes_input", "inputs_intact", False),
    ],
)
def test_what_a_kernel_leaves_behind_is_seen(tmp_path: Path, kernel: str, field: str, value: object) -> None:
    (outcome,) = run(tmp_path, [kernel]).outcomes
    assert outcome.fault is None
    assert getattr(outcome, field) == value


def test_a_fault_loses_only_its_own_case(tmp_path: Path) -> None:
    measured = run(tmp_path, ["naive", "wild", "naive", "refused", "endless", "naive"], timeout_s=1.5)
    kinds = {outcome.case: outcome.fault and outcome.fault.kind for outcome in measured.outcomes}
    assert kinds == {
        "case-0": None,
        "case-1": FaultKind.OUT_OF_BOUNDS,
        "case-2": None,
        "case-3": FaultKind.KERNEL_EXCEPTION,
        "case-4": FaultKind.KERNEL_TIMEOUT,  # which ends the task: case-5 would wait for the same
    }
    wild = measured.outcomes[1].fault
    assert wild is not None
    assert (wild.cell, wild.line, wild.case) == ("cell", 3, "case-1")
    assert "wild: it reads or writes outside" in wild.message


def test_measurement_on_disk_is_the_one_returned(tmp_path: Path) -> None:
    measured = run(tmp_path, ["naive", "wild"])
    saved = json.loads((tmp_path / "work" / "measurement.json").read_text())
    assert decode(Measurement, saved) == measured


def test_the_child_starts_without_a_turn_and_races_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[str] = []

    @contextlib.contextmanager
    def turn(alone: bool) -> Iterator[None]:
        held.append("alone" if alone else "shared")
        yield
        held.append("back")

    monkeypatch.setattr(parent, "busy", lambda device: ("a stranger",) if held[-1] == "alone" else ("asked too early",))
    race = RaceSpec("case-0", "naive", 1.5, cudnn=False)
    measured = run(tmp_path, ["naive", "naive"], race, turn=turn)
    assert held == ["shared", "back", "alone", "back"]
    assert measured.races[0].trouble == ("a stranger",)


def test_crash_of_the_child_is_the_graders_own_failure(tmp_path: Path) -> None:
    with pytest.raises(GraderError, match="status 3 while it ran case-0"):
        run(tmp_path, ["crash"])


def test_race_measures_pairs_and_peers(tmp_path: Path) -> None:
    race = RaceSpec("case-0", "naive", 1.5, "tiny", flops=10.0, peers=("coalesced",), cudnn=True)
    (found,) = run(tmp_path, ["naive"], race).races
    assert len(found.pairs) == 16  # the first look, at 15, sees ratios of exactly 1: fail, and the pair is completed
    assert found.wrong_outputs == 0
    assert set(found.peers) == {"naive", "coalesced"}
    assert (found.baseline, found.workload, found.flops) == ("naive", "tiny", 10.0)


def test_race_compares_every_timed_output(tmp_path: Path) -> None:
    (found,) = run(tmp_path, ["wrong_later"], RaceSpec("case-0", "naive", 1.0)).races
    assert found.wrong_outputs > 5


def test_no_race_when_its_case_failed(tmp_path: Path) -> None:
    measured = run(tmp_path, ["refused", "naive"], RaceSpec("case-0", "naive", 1.0))
    assert measured.races == ()
    assert [outcome.fault is None for outcome in measured.outcomes] == [False, True]


def test_hang_in_a_timed_run_is_a_fault_of_the_raced_case(tmp_path: Path) -> None:
    measured = run(tmp_path, ["endless_after_4"], RaceSpec("case-0", "naive", 1.0), timeout_s=1.5)
    (outcome,) = measured.outcomes
    assert outcome.fault is not None
    assert outcome.fault.kind is FaultKind.KERNEL_TIMEOUT
    assert "in a timed run" in outcome.fault.message
    assert measured.races == ()


def test_kernel_that_was_not_assembled_is_a_fault(tmp_path: Path) -> None:
    plan, kernels = ladder.plan_for(ladder.rung("naive"), CASE)
    plans: tuple[Plan, ...] = (plan,)
    measured = measure(PlanSet("t", kernels, plans), {}, [CASE], tmp_path, tmp_path, command=command)
    assert [outcome.fault and outcome.fault.kind for outcome in measured.outcomes] == [FaultKind.DOES_NOT_COMPILE]


def test_a_child_that_a_busy_machine_keeps_waiting_is_no_endless_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "PATIENCE_S", 1.0)
    monkeypatch.setattr(parent.watch, "effort_of", lambda pid: (0.0, True))

    with pytest.raises(BusyError, match="so busy"):
        run(tmp_path, ["endless"], timeout_s=0.3)
