"""The release: the same bytes each time, no solutions, cells that nbgrader accepts."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from autograder.build import build_lab, check_lab, release_notebook, solution_notebook
from gpulabs.errors import BadInputError

ROOT = Path(__file__).resolve().parents[3]
SOLUTIONS, LABS = ROOT / "solutions", ROOT / "labs"
ALL_LABS = sorted(path.stem for path in SOLUTIONS.glob("lab*/lab*.py"))
MOST_LINES = 25  # of a released cell; style.md aims at 15
LONGEST_COMMON_LINE = 12  # shorter solution lines, e.g. `else:`, may well stand elsewhere

TINY = """# ---
# jupyter:
#   gpulabs:
#     lab: lab9_tiny
#     version: "1"
# ---

# %% [markdown]
# Text.

# %% nbgrader={"grade": false, "grade_id": "double", "locked": false, "schema_version": 3, "solution": true}
# task: double
def double(a):
    ### BEGIN SOLUTION
    return 2 * a
    ### END SOLUTION
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder of sources with one lab of two cells."""
    folder = tmp_path / "solutions" / "lab9_tiny"
    folder.mkdir(parents=True)
    (folder / "lab9_tiny.py").write_text(TINY, encoding="utf-8")
    return tmp_path / "solutions"


def test_solution_is_replaced_by_a_stub_that_raises(tiny: Path) -> None:
    cell = release_notebook("lab9_tiny", tiny).cells[1]
    namespace: dict = {}
    exec(cell.source, namespace)
    with pytest.raises(NotImplementedError, match="yours to write"):
        namespace["double"](1)
    assert "2 * a" not in cell.source


def test_solution_notebook_keeps_the_solution(tiny: Path) -> None:
    cell = solution_notebook("lab9_tiny", tiny).cells[1]
    namespace: dict = {}
    exec(cell.source, namespace)
    assert namespace["double"](3) == 6


def test_ids_come_from_grade_ids_and_content(tiny: Path) -> None:
    first, second = (release_notebook("lab9_tiny", tiny) for _ in range(2))
    assert [cell.id for cell in first.cells] == [cell.id for cell in second.cells]
    assert first.cells[1].id == "double"


def test_solution_outside_a_graded_cell_is_refused(tiny: Path) -> None:
    path = tiny / "lab9_tiny" / "lab9_tiny.py"
    path.write_text(TINY + "\n# %%\n### BEGIN SOLUTION\nz = 1\n### END SOLUTION\n", encoding="utf-8")
    with pytest.raises(BadInputError, match="grade_id"):
        release_notebook("lab9_tiny", tiny)


def test_unclosed_solution_is_refused(tiny: Path) -> None:
    path = tiny / "lab9_tiny" / "lab9_tiny.py"
    path.write_text(TINY.replace("    ### END SOLUTION\n", ""), encoding="utf-8")
    with pytest.raises(BadInputError, match="no end solution"):
        release_notebook("lab9_tiny", tiny)


def test_header_must_name_the_lab(tiny: Path) -> None:
    path = tiny / "lab9_tiny" / "lab9_tiny.py"
    path.write_text(TINY.replace("lab: lab9_tiny", "lab: lab8_other"), encoding="utf-8")
    with pytest.raises(BadInputError, match="lab8_other"):
        release_notebook("lab9_tiny", tiny)


def test_unknown_lab_names_the_known_ones(tiny: Path) -> None:
    with pytest.raises(BadInputError, match="lab9_tiny"):
        build_lab("lab7_none", tiny)


def test_check_tells_missing_and_changed_releases(tiny: Path, tmp_path: Path) -> None:
    labs = tmp_path / "labs"
    assert "missing" in check_lab("lab9_tiny", tiny, labs)[0]
    (written,) = build_lab("lab9_tiny", tiny, labs)
    assert check_lab("lab9_tiny", tiny, labs) == []
    written.write_text(written.read_text(encoding="utf-8").replace("Text.", "Test."), encoding="utf-8")
    assert "differs" in check_lab("lab9_tiny", tiny, labs)[0]


@pytest.mark.parametrize("lab", ALL_LABS)
def test_rebuild_is_byte_identical_and_committed(lab: str, tmp_path: Path) -> None:
    (one,), (two,) = build_lab(lab, SOLUTIONS, tmp_path / "a"), build_lab(lab, SOLUTIONS, tmp_path / "b")
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes() == (LABS / lab / f"{lab}.ipynb").read_bytes()


@pytest.mark.parametrize("lab", ALL_LABS)
def test_release_holds_no_solution(lab: str) -> None:
    released = nbformat.read(LABS / lab / f"{lab}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in released.cells)
    statements = {
        ast.unparse(node)
        for cell in released.cells
        if cell.cell_type == "code"
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.stmt)
    }
    lines = _solution_lines((SOLUTIONS / lab / f"{lab}.py").read_text(encoding="utf-8"))
    assert len(lines) > 5
    for line in lines:
        assert line not in text
    for node in _solution_statements(solution_notebook(lab, SOLUTIONS)):
        assert ast.unparse(node) not in statements
    assert "SOLUTION" not in text


@pytest.mark.parametrize("lab", ALL_LABS)
def test_released_cells_are_small_and_without_outputs(lab: str) -> None:
    released = nbformat.read(LABS / lab / f"{lab}.ipynb", as_version=4)
    for cell in released.cells:
        assert len(cell.source.splitlines()) <= MOST_LINES, cell.id
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None
            assert "!pip" not in cell.source


@pytest.mark.parametrize("lab", ALL_LABS)
def test_grade_cells_are_one_call_and_worth_what_the_rubric_says(lab: str) -> None:
    from autograder.rubric import load

    released = nbformat.read(LABS / lab / f"{lab}.ipynb", as_version=4)
    marks = {cell.metadata.nbgrader.grade_id: cell for cell in released.cells if "nbgrader" in cell.metadata}
    tasks = load(lab).tasks
    graded = {task.id for task in tasks} | {f"check_{task.id}" for task in tasks}
    assert graded <= set(marks)
    assert not [
        name for name in set(marks) - graded if marks[name].metadata.nbgrader.grade
    ]  # code asked for, no points
    for task in tasks:
        cell = marks[f"check_{task.id}"]
        assert cell.source == f'check("{task.id}")'
        assert cell.metadata.nbgrader.points == sum(item.points for item in task.items)
        assert cell.metadata.nbgrader.grade
        assert cell.metadata.nbgrader.checksum
        assert cell.metadata.deletable is False
        assert marks[task.id].source.splitlines()[0] == f"# task: {task.id}"
        assert marks[task.id].metadata.nbgrader.solution


def _solution_lines(source: str) -> list[str]:
    regions = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", source, flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for region in regions for line in region.splitlines()]
    return [line for line in lines if len(line) > LONGEST_COMMON_LINE]


def _solution_statements(notebook: nbformat.NotebookNode) -> list[ast.stmt]:
    found = []
    for cell in notebook.cells:
        inside, numbers = False, set()
        for number, line in enumerate(cell.source.splitlines(), 1):
            inside = "BEGIN SOLUTION" in line or (inside and "END SOLUTION" not in line)
            numbers |= {number} if inside else set()
        if numbers:
            nodes = ast.walk(ast.parse(cell.source))
            found += [node for node in nodes if isinstance(node, ast.stmt) and node.lineno in numbers]
    return found
