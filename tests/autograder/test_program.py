"""Only what a task needs is run, and every kept line keeps its number."""

import pytest

from autograder.evidence import FaultKind
from autograder.program import MAX_SOURCE, program
from autograder.submission import Cell


def cells(*sources):
    """Cells named a, b, c ...; one that starts with its marker belongs to the task `t`."""
    names = "abcdefgh"
    return [Cell(names[i], "t" if s.startswith("# task: t") else None, s) for i, s in enumerate(sources)]


def test_only_definitions_that_the_task_uses_are_kept():
    got = program(
        cells(
            "import numpy as np\nfrom gpulabs import setup, plots\nsetup('lab1')\nBIG = load()",
            "# task: t\ndef f(x):\n    return np.abs(helper(x))\nprint(f(1))",
            "def helper(x):\n    return x * SCALE\nSCALE = 2\nplots.show()",
        ),
        "t",
    )

    assert got.cells == (
        ("a", "import numpy as np\n\n\n"),
        ("b", "\ndef f(x):\n    return np.abs(helper(x))\n"),
        ("c", "def helper(x):\n    return x * SCALE\nSCALE = 2\n"),
    )


def test_local_names_of_a_kernel_need_nothing_from_other_cells():
    other = "x = load()\ny = 3\nfor i in range(3):\n    n = i"

    got = program(cells(other, "# task: t\ndef f(x):\n    y = x\n    for i in y:\n        n = i\n    return n"), "t")

    assert [name for name, _ in got.cells] == ["b"]


def test_measurements_of_other_cells_are_not_run():
    other = "TILE = max(8, int(4.5))\nx = cuda.to_device(photo)\nfor TILE in measure(): pass"

    got = program(cells(other, "# task: t\ndef f(): return TILE, x"), "t")

    assert dict(got.cells)["a"] == "TILE = max(8, int(4.5))\n\n"


def test_a_name_bound_above_the_task_wins_over_one_below():
    got = program(cells("T = 8", "# task: t\ndef f(): return T", "T = 99"), "t")

    assert [name for name, _ in got.cells] == ["a", "b"]


def test_decorators_and_line_numbers_stay():
    got = program(cells("# task: t\n\n@cuda.jit(device=True)\ndef f(): pass", "from numba import cuda"), "t")

    assert dict(got.cells)["a"] == "\n\n@cuda.jit(device=True)\ndef f(): pass"
    assert "b" in dict(got.cells)


def test_magics_are_no_syntax_error():
    assert program(cells("# task: t\n%matplotlib inline\n!ls\ndef f(): pass"), "t").faults == ()


def test_a_syntax_error_names_cell_and_line_and_spares_other_tasks():
    broken = [Cell("one", "one", "# task: one\ndef f(:"), Cell("two", "two", "# task: two\ndef g(): pass")]

    fault = program(broken, "one").faults[0]

    assert (fault.kind, fault.cell, fault.line) == (FaultKind.SYNTAX_ERROR, "one", 2)
    assert "line 2: syntax error" in fault.message
    assert program(broken, "two").faults == ()


def test_a_deleted_task_cell_is_a_missing_function():
    fault = program(cells("x = 1"), "t").faults[0]

    assert fault.kind is FaultKind.MISSING_FUNCTION
    assert "# task: t" in fault.message


def test_hostile_text_is_a_fault_and_no_crash():
    deep = "f = 1" + "+1" * 3000, "f = a" + ".b" * 5000  # the parser takes these, what walks the tree does not
    for source in ("(" * 5000, "f = 1" + "+1" * MAX_SOURCE, "x = '\0'", "-" * 100_000 + "1", "x = '\ud800'", *deep):
        faults = program(cells("# task: t\n" + source), "t").faults
        assert [fault.kind for fault in faults] == [FaultKind.SYNTAX_ERROR]


@pytest.mark.parametrize("link", ["()", ".a", "[0]", "().a", "[0]()"])
@pytest.mark.parametrize("length", [300, 1000, 3000])
def test_a_long_chain_in_another_cell_stops_nothing(link, length):
    """Python reads such a chain; walking it by recursion once ended the grading, which withheld its points."""
    got = program(cells("a = f" + link * length + "(1)", "# task: t\ndef f(x):\n    return x"), "t")

    assert got.faults == ()
    assert [name for name, _ in got.cells] == ["b"]


def test_what_only_the_compiler_refuses_is_a_syntax_error_too():
    for source in ("def f(x, x): pass", "def f(x):\n    nonlocal y", "def f(x):\n    x = 1\n    global x"):
        (fault,) = program(cells("# task: t\n" + source), "t").faults
        assert (fault.kind, fault.line) == (FaultKind.SYNTAX_ERROR, 2)
        assert program([Cell("one", None, source), *cells("# task: t\nx = 1")], "t").faults == ()
