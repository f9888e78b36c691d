"""Examples: the file's cells replace the release's, the rest comes from the solution or stays."""

from pathlib import Path
from typing import Any

import pytest

from autograder.examples import example_notebook, read_example, task_cells
from gpulabs.errors import BadInputError

SOLUTION = """# ---
# jupyter:
# ---

# %% [markdown]
# Words about `# task: conv_first`.

# %% nbgrader={"grade_id": "conv_first", "solution": true}
# task: conv_first
def conv_first(x, w):
    return 1

# %% nbgrader={"grade_id": "check_conv_first", "grade": true}
check("conv_first")

# %% nbgrader={"grade_id": "conv_strided", "solution": true}
# task: conv_strided
def conv_strided():
    return 2
"""


def released() -> dict[str, Any]:
    sources = [
        "# task: conv_first\nraise NotImplementedError",
        'check("conv_first")',
        ["# task: conv_strided\n", "raise"],
    ]
    cells = [{"cell_type": "code", "source": source, "metadata": {}} for source in sources]
    return {"cells": [{"cell_type": "markdown", "source": "# task: conv_first", "metadata": {}}, *cells]}


def example(folder: Path, text: str) -> Path:
    path = folder / "wrong_halo.py"
    path.write_text(text)
    return path


def test_task_cells_of_a_lab_source() -> None:
    assert task_cells(SOLUTION) == {
        "conv_first": "# task: conv_first\ndef conv_first(x, w):\n    return 1\n",
        "conv_strided": "# task: conv_strided\ndef conv_strided():\n    return 2\n",
    }


def test_given_cells_replace_and_the_rest_is_the_solution(tmp_path: Path) -> None:
    path = example(tmp_path, "# Why.\n# loses: conv_strided.same\n\n# %% task: conv_strided\nx = 3\n")
    notebook = example_notebook(path, released(), task_cells(SOLUTION))
    sources = [cell["source"] for cell in notebook["cells"]]
    assert sources == [
        "# task: conv_first",
        "# task: conv_first\ndef conv_first(x, w):\n    return 1\n",
        'check("conv_first")',
        "# task: conv_strided\nx = 3\n",
    ]


def test_base_release_leaves_the_stub(tmp_path: Path) -> None:
    path = example(tmp_path, "# loses: everything\n# base: release\n")
    assert example_notebook(path, released(), task_cells(SOLUTION)) == released()


def test_header(tmp_path: Path) -> None:
    path = example(tmp_path, "# Why.\n# loses: a.x b.y\n# says: halo|border\n# %% task: conv_first\n# says: no\n")
    read = read_example(path)
    assert (read.name, read.base) == ("wrong_halo", "solution")
    assert (read.loses, read.says) == (("a.x", "b.y"), "halo|border")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# loses: conv_first\n", "conv_first"),
        ("# base: nothing\n", "base is 'nothing'"),
        ("# %% task: conv_none\npass\n", "no cell of task 'conv_none'"),
    ],
)
def test_slips_of_an_author_are_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        example_notebook(example(tmp_path, text), released(), {})


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="can't be read"):
        read_example(tmp_path / "none.py")
