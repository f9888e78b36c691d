"""Each lab's notebooks run top to bottom without a GPU: solved, and as released."""

import ast
import os
from pathlib import Path
from typing import Any

import pytest
from nbclient import NotebookClient

from autograder.build import release_notebook, solution_notebook

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = ROOT / "solutions"
ALL_LABS = sorted(path.stem for path in SOLUTIONS.glob("lab*/lab*.py"))
NEEDS_A_GPU = ("speedup", "speed_curve", "cpu_speedup", "accuracy_curve", "training_speed")
CELL_TIMEOUT_S = 180


def waits_for_a_gpu(item: Any) -> bool:
    """Whether an item is pending where there is none."""
    from autograder import questions

    asked = [questions.ALL[spec.values] for spec in item.cases if spec.values in questions.ALL]
    return item.kind in NEEDS_A_GPU or any(question.needs_gpu for question in asked)


@pytest.mark.parametrize("lab", ALL_LABS)
def test_solution_runs_and_earns_all_that_needs_no_gpu(
    lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autograder.rubric import load

    notebook = _executed(solution_notebook(lab, SOLUTIONS), tmp_path, monkeypatch)
    for task in load(lab).tasks:
        expected = sum(item.points for item in task.items if not waits_for_a_gpu(item))
        assert _returned(notebook, f"check_{task.id}") == expected, task.id
    assert not any("not written yet" in text for text in _texts(notebook))
    assert _pictures(notebook) >= len(load(lab).tasks)


@pytest.mark.parametrize("lab", ALL_LABS)
def test_release_runs_and_earns_nothing(lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autograder.rubric import load

    notebook = _executed(release_notebook(lab, SOLUTIONS), tmp_path, monkeypatch)
    for task in load(lab).tasks:
        assert _returned(notebook, f"check_{task.id}") == 0.0, task.id
    assert any("not written yet" in text for text in _texts(notebook))


def _executed(notebook: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a notebook as on a machine without a GPU; any exception in a cell raises."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))
    client = NotebookClient(notebook, timeout=CELL_TIMEOUT_S, resources={"metadata": {"path": str(folder)}})
    client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", (cell.id, output.text)  # nbgrader scores such a cell 0
    return notebook


def _returned(notebook: Any, cell_id: str) -> float:
    """The value of a grade cell's last expression, which has to be a built-in float."""
    (cell,) = [cell for cell in notebook.cells if cell.id == cell_id]
    (result,) = [output for output in cell.outputs if output.output_type == "execute_result"]
    value = ast.literal_eval(result.data["text/plain"])
    assert type(value) is float
    return value


def _texts(notebook: Any) -> list[str]:
    return [output.text for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output]


def _pictures(notebook: Any) -> int:
    return sum("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))
