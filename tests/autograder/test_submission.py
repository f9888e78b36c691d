"""A notebook file is read as text, and each way to damage it ends in one sentence."""

import json
import re
from pathlib import Path

import pytest

from autograder.submission import MAX_BYTES, from_cells, read_notebook
from gpulabs.errors import SubmissionError

LAB = "lab1_conv_kernel"


def notebook(*cells, **metadata):
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def code(source, **nbgrader):
    return {"cell_type": "code", "source": source, "metadata": {"nbgrader": nbgrader} if nbgrader else {}}


TASK = code("# task: conv_first\ndef conv_first(x, w): ...", grade_id="conv_first", solution=True, grade=False)


def write(path: Path, content) -> Path:
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_reads_code_cells_and_their_tasks(tmp_path):
    cells = [code(["import numpy\n", "x = 1"]), TASK, code("check('conv_first')", grade_id="check_a", grade=True)]

    submission = read_notebook(write(tmp_path / "ada.ipynb", notebook(*cells)), LAB, student="ada")

    assert [(cell.name, cell.task) for cell in submission.cells] == [("cell 1", None), ("conv_first", "conv_first")]
    assert submission.cells[0].source == "import numpy\nx = 1"
    assert (submission.student, submission.source, len(submission.sha256)) == ("ada", "ada.ipynb", 64)


def test_a_renamed_file_is_the_same_submission(tmp_path):
    first = read_notebook(write(tmp_path / "lab1_conv_kernel.ipynb", notebook(TASK)), LAB)
    second = read_notebook(write(tmp_path / "final (2) REALLY.ipynb", notebook(TASK)), LAB)

    assert first.cells == second.cells
    assert first.sha256 == second.sha256


def test_a_marker_names_the_task_where_metadata_was_lost(tmp_path):
    lost = code("# task: conv_first\ndef conv_first(x, w): ...")

    submission = read_notebook(write(tmp_path / "a.ipynb", notebook(lost)), LAB)

    assert submission.cells[0].task == "conv_first"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "the file is empty"),
        ("  \n ", "the file is empty"),
        ("print('hello')", "line 1 is not JSON"),
        (b"\xff\xfe\x00PK", "not text"),
        ("[1, 2]", "no list of cells"),
        ({"cells": ["x"]}, "no list of cells"),
        ({"cells": [], "metadata": 3}, "metadata is damaged"),
        ("[" * 100_000, "not a notebook"),
        ('{"cells": [], "n": ' + "9" * 5000 + "}", "a number of thousands of digits"),
        (notebook(code("x = 1")), "holds no task cell of lab1_conv_kernel"),
        (notebook(TASK, gpulabs={"lab": "lab2_fast_conv"}), "a notebook of 'lab2_fast_conv'"),
    ],
)
def test_a_file_that_is_no_submission_gets_one_sentence(tmp_path, content, sentence):
    path = write(tmp_path / "eve.ipynb", content)

    with pytest.raises(SubmissionError, match=re.escape(sentence)) as error:
        read_notebook(path, LAB)

    assert "eve.ipynb" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_a_folder_and_a_huge_file_are_named(tmp_path):
    huge = tmp_path / "huge.ipynb"
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)

    for path, sentence in [
        (tmp_path / "no.ipynb", "no such file"),
        (tmp_path, "a folder"),
        (huge, "20 MiB that are read"),
    ]:
        with pytest.raises(SubmissionError, match=re.escape(sentence)):
            read_notebook(path, LAB)


def test_cells_of_a_session_make_a_submission():
    submission = from_cells(LAB, {"helper": "A = 1", "conv_first": "# task: conv_first\npass"})

    assert [cell.task for cell in submission.cells] == [None, "conv_first"]
