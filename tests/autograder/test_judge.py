"""Verdicts on single cases: right, wrong with words, broken evidence, memory traffic."""

from __future__ import annotations

import numpy as np
import pytest

from autograder import judge, rubric
from autograder.cases import exact, inputs, reference
from autograder.evidence import Case, Coalescing, Fault, FaultKind, Outcome
from autograder.result import Status
from gpulabs.convolution import conv2d

LAB1 = rubric.load("lab1")
SAME = LAB1.task("conv_strided").item("same")
CLOSE = LAB1.task("conv_strided").item("close")
COALESCED = LAB1.task("conv_coalesced").item("coalesced")
CASE = Case(
    "conv_strided-same-2", "conv_strided", "same", "conv_strided", (1, 7, 5, 2), (3, 3, 2, 1), 1, "same", seed=3
)
NORMALS = Case("t-close-0", "t", "close", "f", (1, 6, 5, 8), (3, 3, 8, 2), 1, "same", "normals", seed=3)
SPECIAL = Case("t-close-1", "t", "close", "f", (1, 5, 5, 2), (3, 3, 2, 2), 1, "same", "special", seed=3)


def verdict(case, output, *, item=SAME, expected=None, **outcome):
    return judge.judge_case(item, case, Outcome(case.id, **outcome), output, expected or {})


def test_a_right_output_earns():
    assert verdict(CASE, exact(CASE)).status is Status.EARNED


def test_a_mismatch_names_case_count_places_worst_error_and_cause():
    wrong = exact(CASE).copy()
    wrong[0, 0, :, 0] += 7
    wrong[0, 6, 2, 0] += 40

    found = verdict(CASE, wrong)

    assert found.status is Status.LOST
    assert found.fault is FaultKind.WRONG_VALUES
    assert found.cell == "conv_strided"
    right = int(exact(CASE)[0, 0, 0, 0])
    assert found.reason.startswith(
        "conv_strided, case same-2 (1x7x5x2 * 3x3x2->1, same, integers): 6 of 35 outputs differ (17%), all of them on "
        f"the border (top, bottom), where the window leaves the image; y[0, 0, 0, 0] = {right + 7}, "
        f"expected {right}; "
    )
    assert found.reason.endswith("worst error 40, tolerance 0 (whole numbers are exact): check the halo.")
    assert found.evidence["diagnosis"] == "halo"


def test_the_least_difference_loses_an_exact_case():
    wrong = exact(CASE).copy()
    wrong[0, 3, 2, 0] += 1

    assert verdict(CASE, wrong).status is Status.LOST


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ({"fault": Fault(FaultKind.KERNEL_EXCEPTION, "boom", "conv_strided", 4)}, FaultKind.KERNEL_EXCEPTION),
        ({"guards_intact": False}, FaultKind.OUT_OF_BOUNDS),
        ({"inputs_intact": False}, FaultKind.INPUT_CHANGED),
    ],
)
def test_a_right_output_doesnt_excuse_what_else_happened(outcome, kind):
    found = verdict(CASE, exact(CASE), **outcome)

    assert (found.status, found.fault) == (Status.LOST, kind)
    assert found.hint


def test_shape_and_dtype_are_named():
    assert "output shape (1, 5, 3, 1), expected (1, 7, 5, 1)" in verdict(CASE, np.zeros((1, 5, 3, 1), "f4")).reason
    assert "float64, expected float32" in verdict(CASE, exact(CASE).astype(np.float64)).reason


def test_poison_is_not_written_whatever_the_reason():
    hole = exact(CASE).copy()
    hole[0, 4:] = np.nan

    found = verdict(CASE, hole, unwritten=15)

    assert found.fault is FaultKind.NOT_WRITTEN
    assert "never written: the last rows (from 4 of 7)" in found.reason


def test_poison_where_nan_is_right_is_not_written_either():
    right = {SPECIAL.id: reference(SPECIAL)}

    found = verdict(SPECIAL, reference(SPECIAL), item=CLOSE, expected=right, unwritten=1)

    assert found.fault is FaultKind.NOT_WRITTEN


def test_missing_evidence_withholds():
    assert judge.judge_case(SAME, CASE, None, None, {}).status is Status.WITHHELD
    assert verdict(CASE, None).status is Status.WITHHELD
    assert verdict(NORMALS, reference(NORMALS), item=CLOSE).status is Status.WITHHELD


def test_float32_rounding_passes_and_tf32_or_float16_rounding_does_not():
    x, w = inputs(NORMALS)
    right = {NORMALS.id: reference(NORMALS)}
    float32 = np.float32(0) * reference(NORMALS)
    for r, s, c in np.ndindex(*w.shape[:3]):
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        float32 += padded[:, r : r + 6, s : s + 5, c, None] * w[r, s, c]
    tf32 = (x.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)

    assert verdict(NORMALS, float32, item=CLOSE, expected=right).status is Status.EARNED
    found = verdict(NORMALS, conv2d(tf32, w, 1, "same"), item=CLOSE, expected=right)
    assert found.status is Status.LOST
    assert "tolerance 0.0001 relative: check that every step is float32" in found.reason


@pytest.mark.parametrize("fill", [0.0, np.nan, np.inf])
def test_nan_and_infinity_have_their_places(fill):
    right = {SPECIAL.id: reference(SPECIAL)}
    wrong = np.where(np.isposinf(reference(SPECIAL)), np.float32(fill), reference(SPECIAL))
    if fill == np.inf:
        wrong = np.where(np.isneginf(reference(SPECIAL)), np.float32(fill), reference(SPECIAL))

    assert verdict(SPECIAL, reference(SPECIAL), item=CLOSE, expected=right).status is Status.EARNED
    assert verdict(SPECIAL, wrong, item=CLOSE, expected=right).status is Status.LOST


def test_skipping_zeros_misses_a_nan():
    x, w = inputs(SPECIAL)
    padded, skipping = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), np.zeros((1, 5, 5, 2), np.float32)
    for r, s, c, k in np.ndindex(*w.shape):
        if w[r, s, c, k] != 0:
            with np.errstate(invalid="ignore"):
                skipping[..., k] += padded[:, r : r + 5, s : s + 5, c] * w[r, s, c, k]

    assert verdict(SPECIAL, skipping, item=CLOSE, expected={SPECIAL.id: reference(SPECIAL)}).status is Status.LOST


def test_outputs_are_read_by_their_header_first(tmp_path):
    good, shape, dtype, pickled, junk = (
        Case(f"t-i-{i}", "t", "i", "f", CASE.x_shape, CASE.w_shape, 1, "same") for i in range(5)
    )
    np.save(tmp_path / "t-i-0.npy", exact(CASE))
    np.save(tmp_path / "t-i-1.npy", np.zeros((3, 3), np.float32))
    np.save(tmp_path / "t-i-2.npy", exact(CASE).astype(np.float16))
    np.save(tmp_path / "t-i-3.npy", np.array([{"a": 1}], object), allow_pickle=True)
    (tmp_path / "t-i-4.npy").write_bytes(b"\x93NUMPY\x01\x00\xff")

    outputs = judge.read_outputs(tmp_path, [good, shape, dtype, pickled, junk])

    assert {key: (value.shape, value.dtype.name) for key, value in outputs.items()} == {
        "t-i-0": ((1, 7, 5, 1), "float32"),
        "t-i-1": ((3, 3), "float32"),
        "t-i-2": ((1, 7, 5, 1), "float16"),
    }
    np.testing.assert_array_equal(outputs["t-i-0"], exact(CASE))


def test_a_header_that_promises_terabytes_costs_nothing(tmp_path):
    with (tmp_path / f"{CASE.id}.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})

    assert judge.read_outputs(tmp_path, [CASE])[CASE.id].shape == (1 << 40,)


def traffic(loads, stores):
    return [Coalescing("k", 10, 10 * loads, 10, 10 * stores)]


def test_sectors_decide_coalescing():
    assert judge.judge_traffic(COALESCED, CASE, traffic(3, 4)).evidence == {
        "sectors per load": 3.0,
        "sectors per store": 4.0,
    }
    assert judge.judge_traffic(COALESCED, CASE, traffic(3, 4)).status is Status.EARNED
    assert "a warp's store touches 16.0 sectors" in judge.judge_traffic(COALESCED, CASE, traffic(3, 16)).reason
    assert "a warp's load touches 9.0 sectors" in judge.judge_traffic(COALESCED, CASE, traffic(9, 4)).reason
    assert judge.judge_traffic(COALESCED, CASE, []).status is Status.WITHHELD
