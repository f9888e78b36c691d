"""nbgrader's own traps, sprung in nbgrader itself: what hostile notebooks get into its gradebook."""

import json
import os
import sys

import pytest

from autograder import authoring, isolation, path
from autograder.examples import read_example
from tests.autograder.hostile import CORPUS, LAB, ROOT, hand_in

pytest.importorskip("nbgrader")
pytestmark = [pytest.mark.slow, pytest.mark.bubblewrap, pytest.mark.filterwarnings("ignore")]

TRAPS = (
    "nbgrader_last_expression", "nbgrader_stderr", "deleted_checks", "duplicated_checks", "edited_points", "edited_ids",
    "edited_outputs",
)  # fmt: skip


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course with Lab 1 released by nbgrader; made once, for it takes seconds."""
    from tests.autograder.nbgrader_course import api

    if isolation.tier().name != "strong":
        pytest.skip("hostile code runs in the strong tier only")
    folder = tmp_path_factory.mktemp("course")
    with pytest.MonkeyPatch.context() as patch:
        # nbgrader shells out to alembic, which lies beside the interpreter.
        patch.setenv("PATH", f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}")  # noqa: PTH120
        # Stubs have lost what TensorFlow would be asked for.
        patch.setattr(path, "_start_oracle", lambda *_: None)
        authoring.course("lab1", ROOT / "solutions", folder)
        done = api(folder).generate_assignment(LAB)
        assert done["success"], done
        yield folder


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_earns_nothing_in_the_gradebook(course, name):
    from tests.autograder.nbgrader_course import api, scores

    file = CORPUS / "built" / f"{name}.py"
    assert read_example(file).base == "release"
    hand_in(file, course / "submitted", name)

    done = api(course).autograde(LAB, name)

    assert done["success"], done["log"]
    found = scores(course, name)
    assert len(found) == 5
    assert set(found.values()) == {0.0}


def test_the_traps_notebooks_really_hold_what_nbgrader_takes_for_points(tmp_path):
    hand_in(CORPUS / "built" / "nbgrader_last_expression.py", tmp_path, "mallory")
    notebook = json.loads((tmp_path / "mallory" / LAB / f"{LAB}.ipynb").read_text())
    checks = [cell for cell in notebook["cells"] if cell["metadata"].get("nbgrader", {}).get("grade")]

    assert len(checks) == 5
    assert all("check(" not in "".join(cell["source"]) for cell in checks)
