"""What was planned is held to its form before anything runs."""

from dataclasses import replace

import pytest

from autograder import ladder
from autograder.evidence import Case, FaultKind, PlanSet
from autograder.inspection import check_result, inspect

CASE = Case("t-exact-0", "t", "exact", "f", (1, 5, 6, 2), (3, 3, 2, 4))
PLAN, KERNELS = ladder.plan_for(ladder.rung("naive"), CASE)
KERNEL = KERNELS["ladder:naive"]
PLANS = PlanSet("t", KERNELS, (PLAN,), compiled=True)


def returning(**changes):
    """The plan, with another array returned."""
    return replace(PLAN, arrays=(*PLAN.arrays[:2], replace(PLAN.arrays[2], **changes)))


def test_a_good_plan_assembles():
    found = inspect(PLANS, [CASE], "sm_75")

    assert (found.faults, set(found.cubins), found.note) == ((), {"ladder:naive"}, "")
    assert found.resources[0].registers > 0


@pytest.mark.parametrize(
    ("changes", "kind", "sentence"),
    [
        ({"shape": (1, 5, 6, 4)}, FaultKind.WRONG_SHAPE, "output shape (1, 5, 6, 4), expected (1, 3, 4, 4)"),
        ({"dtype": "float64"}, FaultKind.WRONG_DTYPE, "output is float64, expected float32"),
    ],
)
def test_the_returned_array_has_the_right_form(changes, kind, sentence):
    fault = check_result(returning(**changes), CASE)

    assert (fault.kind, fault.case) == (kind, CASE.id)
    assert sentence in fault.message


def test_refused_code_is_not_assembled():
    clocked = replace(KERNEL, ptx=KERNEL.ptx.replace("ret;", "mov.u32 %r1, %clock;\n\tret;", 1))

    found = inspect(replace(PLANS, kernels={"ladder:naive": clocked}), [CASE], "sm_75")

    assert [fault.kind for fault in found.faults] == [FaultKind.REJECTED]
    assert found.cubins == {}


def test_without_a_compiler_there_is_a_note_and_no_fault():
    found = inspect(replace(PLANS, compiled=False), [CASE], "sm_75")

    assert (found.faults, found.cubins) == ((), {})
    assert "no CUDA compiler" in found.note
