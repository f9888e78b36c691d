"""Recipes that attack: each is refused before anything is trained, and its header says by what."""

import re

import pytest

from autograder import isolation, training_stage
from autograder.examples import read_example
from autograder.result import Status
from tests.autograder.hostile import MARK
from tests.autograder.test_corpus import ROOT, explain, graded

FILES = sorted((ROOT / "tests" / "submissions" / "hostile" / "lab6_cifar10_cnn").glob("*.py"))


@pytest.mark.bubblewrap
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_hostile_recipe_loses_what_its_header_says(file, tmp_path, monkeypatch):
    if isolation.tier().name != "strong":
        pytest.skip("hostile code runs in the strong tier only")
    monkeypatch.setattr(training_stage, "_work", lambda *_: pytest.fail("a hostile recipe was trained"))
    example = read_example(file)

    result = graded([file], tmp_path, "simulator")

    lost = {f"{item.task}.{item.item}" for item in result.items if item.status is Status.LOST}
    assert lost == set(example.loses), explain(result)
    assert re.search(example.says, "\n".join(item.reason for item in result.items)), explain(result)
    assert not MARK.exists()


def test_there_are_attacks_of_several_kinds():
    assert len(FILES) >= 8
    assert len({read_example(file).attack for file in FILES}) >= 6
