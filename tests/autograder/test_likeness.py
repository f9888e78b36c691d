"""The ladder's PTX ships with the package: whoever hands it in has written nothing."""

import re
from dataclasses import replace

import pytest

from autograder import ladder
from autograder.evidence import Case, FaultKind, Kernel
from autograder.inspection import copied
from autograder.ladder import likeness

CASE = Case("c", "t", "exact", "f", (1, 8, 8, 8), (3, 3, 8, 8))


def disguised(ptx: str) -> str:
    """With other names for the kernel, its registers and labels, and an instruction of no use here and there."""
    ptx = re.sub(r"%(rd|r|f|p)(\d+)\b", lambda found: f"%{found[1]}{int(found[2]) + 7000}", ptx)
    lines = ptx.replace("vectorised", "mine").replace("$L_", "$mine_").splitlines()
    return "\n".join(line + ("\n\tmov.u32 %r1, %r1;" if number % 60 == 59 else "") for number, line in enumerate(lines))


@pytest.mark.parametrize("name", ["tiled", "blocked", "vectorised", "buffered", "winograd", "tensor_core"])
def test_a_rung_of_the_ladder_is_known(name):
    _, kernels = ladder.plan_for(ladder.rung(name), CASE)

    refused = [fault for kernel in kernels.values() if (fault := copied(kernel))]

    assert refused
    assert {fault.kind for fault in refused} == {FaultKind.REJECTED}
    assert "is the ladder's own" in refused[0].message


def test_other_names_and_idle_instructions_hide_nothing():
    (kernel,) = ladder.plan_for(ladder.rung("vectorised"), CASE)[1].values()

    fault = copied(replace(kernel, name="mine", ptx=disguised(kernel.ptx)))

    assert fault is not None
    assert "kernel mine is the ladder's own vectorised" in fault.message


@pytest.mark.parametrize("name", ["naive", "coalesced"])
def test_what_anybody_writes_is_nobodys(name):
    _, kernels = ladder.plan_for(ladder.rung(name), CASE)

    assert [copied(kernel) for kernel in kernels.values()] == [None]


def test_one_rung_is_no_copy_of_another():
    texts = {name: next(iter(ladder.rung(name).ptx.values())) for name in ("tiled", "blocked", "winograd")}
    known = {name: likeness._INSTRUCTION.findall(text) for name, text in texts.items()}

    for name, opcodes in known.items():
        assert likeness.most_alike(opcodes) == (name, 1.0)
        assert likeness.most_alike(opcodes[: len(opcodes) // 2])[1] < likeness.COPIED


def test_a_kernel_of_ones_own_has_little_of_any():
    assert (
        copied(Kernel("mine", "mine", ".visible .entry mine() { " + "fma.rn.f32 %f1, %f2, %f3, %f1; " * 900 + "}"))
        is None
    )
