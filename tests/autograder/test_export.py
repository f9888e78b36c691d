"""The CSV: a withheld task is an empty cell, never a zero; names are no formulas."""

import csv
from dataclasses import replace

import pytest

from autograder.export import csv_text
from autograder.result import Status
from gpulabs.errors import BadInputError
from tests.autograder.samples import result


def test_one_column_a_task() -> None:
    table = list(csv.DictReader(csv_text([result(), result("grace", {"conv_strided": Status.LOST})]).splitlines()))
    assert [row["student"] for row in table] == ["ada", "grace"]
    grace = table[1]
    assert (grace["conv_first"], grace["conv_strided"], grace["conv_coalesced"]) == ("20", "0", "16")
    assert (grace["total"], grace["max"], grace["pending"], grace["withheld"]) == ("66", "100", "9", "0")


def test_withheld_leaves_task_and_total_empty() -> None:
    (row,) = csv.DictReader(csv_text([result(statuses={"conv_first.close": Status.WITHHELD})]).splitlines())
    assert (row["conv_first"], row["total"], row["withheld"], row["conv_strided"]) == ("", "", "4", "25")


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\uff1dcmd()"])
def test_names_are_no_formulas(name: str) -> None:
    (row,) = csv.DictReader(csv_text([result(name)]).splitlines())
    assert row["student"] == f"'{name}"


def test_names_with_commas_and_breaks_stay_one_cell() -> None:
    (row,) = csv.DictReader(csv_text([result('Lovelace, "Ada"\nx')]).splitlines())
    assert row["student"] == 'Lovelace, "Ada" x'


def test_several_labs_are_refused() -> None:
    with pytest.raises(BadInputError, match="choose one with --lab"):
        csv_text([result(), replace(result(), lab="lab2_fast_conv")])
    with pytest.raises(BadInputError, match="found: none"):
        csv_text([])
