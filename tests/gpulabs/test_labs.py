"""Lab names and where their notebooks are found."""

import pytest

from gpulabs import labs
from gpulabs.errors import BadInputError, MissingError


@pytest.mark.parametrize("name", ["lab1", "lab1_conv_kernel"])
def test_both_names_work(name):
    assert labs.find(name).id == "lab1_conv_kernel"


def test_a_planned_lab_says_so():
    with pytest.raises(MissingError, match="lab3_conv_layer is planned, not written yet; ready are lab1, lab2, lab4"):
        labs.find("lab3")


def test_an_unknown_lab_names_the_ready_ones():
    with pytest.raises(BadInputError, match="no lab is called 'lab9'; ready are lab1"):
        labs.find("lab9")


def test_ready_labs_have_a_rubric_and_a_notebook():
    from autograder import rubric

    for lab in labs.LABS:
        if lab.ready:
            assert rubric.load(lab.short).id == lab.id
            assert labs.notebook(lab).is_file()


def test_a_notebook_that_was_not_installed(monkeypatch):
    lab = labs.Lab("lab0_none", "", "", ready=True)
    with pytest.raises(MissingError, match="not in this installation"):
        labs.notebook(lab)
