"""Each limit of a structure item: what it lets pass, what it says when it doesn't, and which kernels it looks at."""

from dataclasses import replace

import pytest

from autograder.evidence import Kernel, Launch, Plan, Resources, Structure
from autograder.judge_structure import judge_structure
from autograder.result import Status
from autograder.rubric import Item

KERNEL = Kernel("tiled", "tiled", "ptx", "conv_tiled", 12)
GOOD = Structure(
    "k", products=64, products_from_shared=64, main_products=64, main_loaded_floats=16, shared_stores=4,
    shared_floats=16, shared_wide_floats=16, global_floats=8, global_wide_floats=8, barriers=2, lines={"product": 20},
)  # fmt: skip
CLEAN = Resources("k", "sm_80", 96, 0, 0, 4096, 0)
PLAN = Plan("c", launches=(Launch("k", (1, 1, 1), (32, 1, 1), 0, ()),))


def judged(limits, made=GOOD, used=CLEAN, plan=PLAN, **more):
    item = Item("i", "title", "structure", 4, limits=limits)
    kernels, structures, resources = {"k": KERNEL}, (made,), (used,) if used else ()
    for key, (structure, resource) in more.items():
        kernels[key] = replace(KERNEL, name=key)
        structures, resources = (*structures, structure), (*resources, resource)
    return judge_structure(item, plan, kernels, resources, structures)


@pytest.mark.parametrize(
    ("limits", "made", "says", "line"),
    [
        ({"must_use_shared": 1}, {"products_from_shared": 32}, "32 of 64 multiply-adds take a factor from shared", 20),
        ({"must_use_shared": 1}, {"shared_stores": 0}, "nothing is stored in shared memory", 12),
        ({"must_use_shared": 1}, {"products": 0}, "no multiply-add of two loaded numbers", 12),
        ({"min_barriers": 1}, {"barriers": 0}, "0 barriers in the compiled code, at least 1", 12),
        ({"min_products_per_load": 4.5}, {}, "4.00 multiply-adds for each float that it loads, at least 4.5", 20),
        (
            {"min_load_bits_global": 128},
            {"global_wide_floats": 2},
            "2 of 8 floats come from global memory 16 bytes",
            12,
        ),
        ({"min_load_bits_shared": 128}, {"shared_wide_floats": 0}, "0 of 16 floats come from shared memory", 12),
    ],
)
def test_what_the_text_lacks_is_named(limits, made, says, line):
    verdict = judged(limits, replace(GOOD, **made))

    assert verdict.status is Status.LOST
    assert says in verdict.reason
    assert verdict.reason.startswith("kernel tiled")
    assert (verdict.cell, verdict.line) == ("conv_tiled", line)
    assert verdict.hint
    assert (
        judged(limits if "min_products_per_load" not in limits else {"min_products_per_load": 4}).status
        is Status.EARNED
    )


@pytest.mark.parametrize(
    ("limits", "used", "says"),
    [
        (
            {"max_spill_bytes": 0},
            {"spill_store_bytes": 8, "spill_load_bytes": 4},
            "spills 12 bytes a thread from its 96",
        ),
        ({"max_stack_bytes": 0}, {"stack_bytes": 64}, "64 bytes a thread lie in local memory"),
        ({"max_fp64": 0}, {"fp64_instructions": 3}, "3 double-precision instructions, at most 0"),
    ],
)
def test_what_the_assembler_says_is_named(limits, used, says):
    verdict = judged(limits, used=replace(CLEAN, **used))

    assert verdict.status is Status.LOST
    assert says in verdict.reason
    assert judged(limits).status is Status.EARNED


def test_most_of_the_factors_and_a_third_of_the_floats_are_enough():
    assert judged({"must_use_shared": 1}, replace(GOOD, products_from_shared=44)).status is Status.EARNED
    assert judged({"min_load_bits_global": 128}, replace(GOOD, global_wide_floats=3)).status is Status.EARNED


def test_only_kernels_of_the_plan_count():
    naive = replace(GOOD, kernel="other", products_from_shared=0)
    spilling = replace(CLEAN, kernel="other", spill_load_bytes=9)
    limits = {"must_use_shared": 1, "max_spill_bytes": 0}

    assert judged(limits, other=(naive, spilling)).status is Status.EARNED
    both = replace(PLAN, launches=(*PLAN.launches, replace(PLAN.launches[0], kernel="other")))
    assert judged(limits, plan=both, other=(naive, spilling)).status is Status.LOST


def test_a_kernel_that_only_copies_need_not_multiply_from_shared_memory_but_may_not_spill():
    copies = Structure("copy", global_floats=4)
    both = replace(PLAN, launches=(replace(PLAN.launches[0], kernel="copy"), *PLAN.launches))

    assert (
        judged({"must_use_shared": 1}, plan=both, copy=(copies, replace(CLEAN, kernel="copy"))).status is Status.EARNED
    )
    spilling = replace(CLEAN, kernel="copy", spill_load_bytes=9)
    assert judged({"max_spill_bytes": 0}, plan=both, copy=(copies, spilling)).status is Status.LOST


def test_a_copy_through_shared_memory_does_not_cover_for_a_naive_kernel():
    naive = replace(GOOD, products_from_shared=0, shared_stores=0)
    copies = Structure("copy", shared_stores=4, shared_floats=4, barriers=1)
    both = replace(PLAN, launches=(*PLAN.launches, replace(PLAN.launches[0], kernel="copy")))

    verdict = judged({"must_use_shared": 1}, naive, plan=both, copy=(copies, replace(CLEAN, kernel="copy")))

    assert verdict.status is Status.LOST


def test_without_compiler_or_assembler_it_is_pending():
    item = Item("i", "title", "structure", 4, limits={"max_fp64": 0})
    assert judge_structure(item, PLAN, {"k": KERNEL}, (), ()).status is Status.PENDING
    assert judged({"max_fp64": 0}, used=None).status is Status.PENDING
    assert judged({"min_barriers": 1}, used=None).status is Status.EARNED


def test_numbers_stand_in_the_evidence():
    evidence = judged({"min_barriers": 1}).evidence

    assert evidence["multiply-adds per float loaded"] == 4
    assert evidence["floats loaded 16 bytes at a time, global"] == "8 of 8"
    assert evidence["registers"] == 96
