"""`autograder release`: the student's tree and archive; a leak leaves nothing behind and fails the command."""

import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from autograder import release as releasing
from autograder.cli import app
from autograder.release import release
from gpulabs.errors import BadInputError, GraderError
from gpulabs.exit_codes import ExitCode
from gpulabs.terminal import run_cli

pytest.importorskip("nbgrader")
ROOT = Path(__file__).parents[2]
LAB = "lab1_conv_kernel"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built once; building takes seconds."""
    folder = tmp_path_factory.mktemp("wheel")
    return folder / releasing._wheel(ROOT, folder)


@pytest.fixture
def checkout(tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what a release is made of; its package is built already."""
    repository = tmp_path / "checkout"
    for folder in ("labs", "solutions", "docs"):
        shutil.copytree(ROOT / folder, repository / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / file, repository)

    def built(repository: Path, folder: Path) -> str:
        return Path(shutil.copy(wheel, folder)).name

    monkeypatch.setattr(releasing, "_wheel", built)
    return repository


def test_a_release_holds_labs_package_and_guide_and_nothing_else(checkout: Path, tmp_path: Path) -> None:
    made = release(checkout, tmp_path / "out", ["lab1"])
    assert made.leaks == ()
    assert made.folder is not None
    assert made.archive is not None
    names = sorted(path.relative_to(made.folder).as_posix() for path in made.folder.rglob("*") if path.is_file())
    wheel = next(name for name in names if name.endswith(".whl"))
    assert names == sorted(
        ["LICENSE", "MANIFEST.json", "README.md", wheel, f"labs/{LAB}/{LAB}.ipynb", "student-guide.md"]
    )
    with zipfile.ZipFile(made.archive) as archive:
        assert sorted(archive.namelist()) == [f"{made.folder.name}/{name}" for name in names]
    assert wheel in (made.folder / "README.md").read_text()
    assert "](security" not in (made.folder / "student-guide.md").read_text()
    assert set(json.loads((made.folder / "MANIFEST.json").read_text())["sha256"]) == set(names) - {"MANIFEST.json"}


def test_the_same_sources_make_the_same_archive(checkout: Path, tmp_path: Path) -> None:
    archives = [release(checkout, tmp_path / name, ["lab1"]).archive for name in ("one", "two")]
    assert archives[0].read_bytes() == archives[1].read_bytes()  # type: ignore[union-attr]


def run(checkout: Path, out: Path) -> int:
    with pytest.raises(SystemExit) as ended:
        run_cli(app, "autograder", ["release", "lab1", "--repository", str(checkout), "--out", str(out)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def plant_mark(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    guide = checkout / "docs" / "student-guide.md"
    guide.write_text(guide.read_text() + "\n### BEGIN SOLUTION\n")
    return "student-guide.md: holds the mark"


def plant_fragment(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    guide = checkout / "docs" / "student-guide.md"
    rung = (checkout / "solutions" / "lab2_fast_conv" / "ladder" / "tiled.py").read_text()
    guide.write_text(guide.read_text() + f"\n```python\n{rung}\n```\n")
    return "holds a statement of lab2_fast_conv/ladder/tiled.py"


def plant_file(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    fill = releasing._fill

    def and_more(tree: Path, repository: Path, labs: Sequence[str]) -> None:
        fill(tree, repository, labs)
        shutil.copy(repository / "labs" / LAB / f"{LAB}.ipynb", tree / "labs" / "answers.ipynb")

    monkeypatch.setattr(releasing, "_fill", and_more)
    return "labs/answers.ipynb: is not on the list"


@pytest.mark.parametrize("plant", [plant_mark, plant_fragment, plant_file])
def test_a_leak_fails_the_command_and_nothing_is_released(
    plant: Callable[[Path, pytest.MonkeyPatch], str],
    checkout: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    says = plant(checkout, monkeypatch)
    assert run(checkout, tmp_path / "out") == ExitCode.FAILED
    said = capsys.readouterr().err
    assert says in said
    assert "nothing is released" in said
    assert not (tmp_path / "out").exists()


def test_an_archive_of_something_else_is_not_released(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = releasing._zip

    def and_more(tree: Path) -> Path:
        archive = honest(tree)
        with zipfile.ZipFile(archive, "a") as opened:
            opened.writestr("notes.md", "not looked through")
        return archive

    monkeypatch.setattr(releasing, "_fill", lambda tree, *_: tree.mkdir() or (tree / "LICENSE").write_text("free"))
    monkeypatch.setattr(releasing, "_zip", and_more)
    with pytest.raises(GraderError, match="does not hold what the folder does"):
        release(checkout, tmp_path / "out", ["lab1"])
    assert not (tmp_path / "out").exists()


def test_a_stale_lab_is_not_released(checkout: Path, tmp_path: Path) -> None:
    notebook = checkout / "labs" / LAB / f"{LAB}.ipynb"
    notebook.write_text(notebook.read_text().replace("Lab 1", "Lab 0"))
    with pytest.raises(BadInputError, match="run: autograder build lab1"):
        release(checkout, tmp_path / "out", ["lab1"])
    with pytest.raises(BadInputError, match="no checkout"):
        release(tmp_path, tmp_path / "out")
