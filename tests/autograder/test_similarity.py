"""Copies are found whatever was renamed, moved or reformatted; what everyone has is nobody's copy."""

import json
import re
from pathlib import Path

import pytest

from autograder.cli import app
from autograder.examples import task_cells
from autograder.report.similar import similar_html
from autograder.similarity import Document, document, fingerprint, pairs
from autograder.submission import from_cells
from gpulabs.terminal import run_cli

ROOT = Path(__file__).parents[2]
LAB = "lab1_conv_kernel"
CORRECT = ROOT / "tests" / "submissions" / "correct" / LAB
PLAIN = task_cells((CORRECT / "grid_stride.py").read_text())["conv_first"]
OTHER = task_cells((CORRECT / "several_outputs.py").read_text())["conv_first"]
DISGUISED = "# task: conv_first\n# I wrote this myself\nimport numpy\n" + re.sub(
    r"\b(x|w|y|n|c|k|r|s)\b", r"mine_\1", PLAIN.partition("\n")[2]
).replace("    ", "  ")


def made(owner: str, source: str, known: bool = False) -> Document:
    found = document(owner, "conv_first", from_cells(LAB, {"conv_first": source}).cells, known)
    assert found is not None
    return found


def released() -> list[str]:
    notebook = json.loads((ROOT / "labs" / LAB / f"{LAB}.ipynb").read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_names_comments_and_layout_hide_nothing() -> None:
    (pair,) = pairs([made("ada", PLAIN), made("bob", DISGUISED), made("eve", OTHER)], released())
    assert {pair.left.owner, pair.right.owner} == {"ada", "bob"}
    assert pair.share > 0.85
    assert len(pair.left_lines) > 5


def test_the_right_submissions_of_different_authors_are_no_pairs() -> None:
    files = [path for path in CORRECT.glob("*.py") if path.stem not in ("right", "plain")]  # of one author
    for task in ("conv_first", "conv_strided", "conv_coalesced"):
        cells = {path.stem: task_cells(path.read_text()) for path in files}
        written = {name: found for name, found in cells.items() if task in found}
        documents = [
            document(name, task, from_cells(LAB, {task: found[task]}).cells) for name, found in written.items()
        ]
        assert len(documents) >= 2
        assert pairs([one for one in documents if one], released()) == []


def test_what_the_lab_gave_out_counts_for_nothing() -> None:
    assert len(pairs([made("ada", PLAIN), made("bob", PLAIN)], released())) == 1
    assert pairs([made("ada", PLAIN), made("bob", PLAIN)], [PLAIN]) == []


def test_what_many_have_is_common_knowledge_unless_it_is_our_solution() -> None:
    many = [made(f"s{number}", PLAIN) for number in range(7)]
    assert pairs(many, released()) == []
    found = pairs([*many, made("our solution", PLAIN, known=True)], released())
    assert [pair.right.owner for pair in found] == ["our solution"] * 7


def test_every_shared_stretch_of_guaranteed_length_is_found() -> None:
    shared = "\n".join(f"    a{i} = b[{i}] * {i + 7}" for i in range(6))
    for left, right in (("x = 1\n", "while q:\n    pass\n"), ("def g(a): return a ** 2\n", "")):
        one, two = (f"{head}def f(b):\n{shared}\n" for head in (left, right))
        assert fingerprint(one).keys() & fingerprint(two).keys()


@pytest.mark.parametrize("source", ["def (:", "", "\0", "(" * 5000])
def test_what_is_no_python_has_no_pieces(source: str) -> None:
    assert fingerprint(source) == {}


def test_the_page_escapes_code_and_says_what_it_is_not() -> None:
    attack = PLAIN + '\nname = "</li><script>alert(1)</script>"\n'
    page = similar_html(pairs([made("<b>ada", attack), made("bob\x1b[2J", attack)], released()), "Lab 1", 2)
    assert "<script" not in page
    assert "<b>ada" not in page
    assert "\x1b" not in page
    assert "&lt;b&gt;ada" in page
    assert "Nothing here is a score" in page
    assert "No pair of students shares more" in similar_html([], "Lab 1", 2)


def test_the_command_compares_a_folder_and_skips_what_is_no_notebook(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = json.loads((ROOT / "labs" / LAB / f"{LAB}.ipynb").read_text())
    (cell,) = [cell for cell in notebook["cells"] if "".join(cell["source"]).startswith("# task: conv_first")]
    for student, code in (("ada", PLAIN), ("bob", DISGUISED), ("eve", OTHER)):
        cell["source"] = code
        (tmp_path / f"{student}.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "zoe.ipynb").write_text("no notebook")

    with pytest.raises(SystemExit) as ended:
        run_cli(app, "autograder", ["similar", "lab1", "--submissions", str(tmp_path), "--json"])

    assert ended.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["submissions"] == 3
    assert [(pair["task"], sorted(pair["students"])) for pair in said["pairs"]] == [("conv_first", ["ada", "bob"])]
