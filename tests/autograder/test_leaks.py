"""A leak of every kind is planted in every place that students get, and found; what is public is no leak."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from autograder import leaks
from autograder.leaks import COURSE, FEEDBACK, RELEASE, WHEEL, Secrets, scan
from gpulabs.errors import BadInputError

ROOT = Path(__file__).parents[2]
LAB = """# ---
# jupyter: {}
# ---

# %% nbgrader={"grade_id": "blur"}
# task: blur
import math
def blur(rows, columns, halo):
    given = [[0.0 for column in range(columns + 2)] for row in range(rows + 2)]
    ### BEGIN SOLUTION
    for row in range(rows):
        for column in range(columns):
            around = sum(given[row + i][column + j] for i in range(3) for j in range(3))
            given[row][column] = around / 9 if halo else math.sqrt(around + 1.0)
    ### END SOLUTION
    return given
"""
LADDER = '''"""A rung."""
def fetch(tile, source, first, last, pitch):
    for place in range(first, last):
        tile[place * pitch + 1] = source[place // 4, place % 4] if place < last - 1 else 0.0
'''
SOLUTION = LAB.partition("### BEGIN SOLUTION\n")[2].partition("    ### END")[0]
RENAMED = "def f(h, w, rim):\n    g = table(h, w)\n" + SOLUTION.replace("rows", "h").replace("columns", "w").replace(
    "given", "g"
).replace("halo", "rim").replace("around", "a")
HIGHLIGHTED = SOLUTION.replace("for ", '<span class="k">for</span> ').replace("> 0", "&gt; 0")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    """Of a course with one lab and one rung."""
    folder = tmp_path_factory.mktemp("solutions") / "lab9_blur"
    (folder / "ladder").mkdir(parents=True)
    (folder / "lab9_blur.py").write_text(LAB, encoding="utf-8")
    (folder / "ladder" / "rung.py").write_text(LADDER, encoding="utf-8")
    return leaks.secrets_of(folder.parent)


def notebook(source: str, **more: object) -> bytes:
    """A notebook with one code cell."""
    cell = {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": [], **more}
    return json.dumps({"cells": [cell], "metadata": {}}).encode()


def zipped(name: str, content: bytes) -> bytes:
    """An archive with one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


def tarred(name: str, content: bytes) -> bytes:
    """The same, as a tar.gz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


FRAGMENTS = {
    "a solution in a notebook": ("labs/a/a.ipynb", notebook("def blur(rows, columns, given, halo):\n" + SOLUTION)),
    "with other names": ("labs/a/a.ipynb", notebook(RENAMED)),
    "in a cell that is no Python": ("labs/a/a.ipynb", notebook("def (:\n" + SOLUTION)),
    "in the guide's code": ("student-guide.md", b"Text.\n```python\nif True:\n" + SOLUTION.encode() + b"```\n"),
    "in the package": ("gpulabs-1.whl", zipped("gpulabs/plots/a.py", b"def f():\n" + SOLUTION.encode())),
    "a reference kernel in the package": ("gpulabs-1.whl", zipped("gpulabs/intrinsics/b.py", LADDER.encode())),
    "in the package's notebook": ("gpulabs-1.whl", zipped("gpulabs/_labs/a/a.ipynb", notebook(RENAMED))),
}  # fmt: skip


@pytest.mark.parametrize("plant", FRAGMENTS)
def test_a_planted_fragment_is_found(plant: str, secrets: Secrets) -> None:
    name, content = FRAGMENTS[plant]
    found = scan([(name, content)], secrets, RELEASE)
    assert {leak.kind for leak in found} == {"fragment"}
    assert "lab9_blur" in found[0].what
    assert found[0].where.startswith(name.partition("!")[0])


def test_a_fragment_in_a_page_is_found_though_it_is_highlighted(secrets: Secrets) -> None:
    page = f"<html><body><div><pre><span></span>{HIGHLIGHTED}</pre></div></body></html>".encode()
    assert [leak.kind for leak in scan([("ada/lab9/a.html", page)], secrets, FEEDBACK)][:1] == ["fragment"]


@pytest.mark.parametrize("mark", leaks.MARKERS)
@pytest.mark.parametrize("name", ["labs/a/a.ipynb", "README.md", "ada/a.html"])
def test_a_mark_is_found(mark: str, name: str, secrets: Secrets) -> None:
    text = f"### {mark}"
    content = notebook(text) if name.endswith("ipynb") else text.encode()
    (leak,) = scan([(name, content)], secrets, (*RELEASE, *FEEDBACK))
    assert (leak.kind, mark in leak.what) == ("marker", True)


@pytest.mark.parametrize(
    ("name", "content", "allowed"),
    [
        ("solutions/lab9_blur/lab9_blur.py", b"", RELEASE),
        ("labs/lab9/answers.py", b"", RELEASE),
        ("labs/lab9/deep/a.ipynb", notebook(""), RELEASE),
        ("gradebook.db", b"", RELEASE),
        ("lab9/helper.py", b"", COURSE),
        ("gpulabs-1.whl", zipped("solutions/lab9.py", b""), RELEASE),
        ("gpulabs-1.whl", zipped("gpulabs/ladder/tiled.cu", b""), RELEASE),
        ("gpulabs-1.whl", zipped("gpulabs/recorded/deep/trace.json", b"{}"), RELEASE),
    ],
)
def test_a_file_that_does_not_belong_is_found(
    name: str, content: bytes, allowed: tuple[str, ...], secrets: Secrets
) -> None:
    (leak,) = scan([(name, content)], secrets, allowed)
    assert (leak.kind, "not on the list" in leak.what) == ("file", True)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_archives_in_archives_are_opened(pack: object, secrets: Secrets, tmp_path: Path) -> None:
    inner = zipped("gpulabs/a.py", LADDER.encode())
    name = "outer.zip" if pack is zipped else "outer.tar.gz"
    (tmp_path / name).write_bytes(pack("top/gpulabs-1.whl", inner))  # type: ignore[operator]
    (leak,) = leaks.scan_path(tmp_path / name, secrets, RELEASE)
    assert leak.kind == "fragment"
    assert leak.where.startswith(f"{name}!top/gpulabs-1.whl!gpulabs/a.py")


def test_an_output_is_found(secrets: Secrets) -> None:
    content = notebook("1 + 1", outputs=[{"output_type": "stream", "text": "2"}])
    (leak,) = scan([("labs/a/a.ipynb", content)], secrets, RELEASE)
    assert leak.kind == "output"


def test_what_the_lab_gives_out_is_no_leak(secrets: Secrets) -> None:
    given = LAB.partition("# task: blur\n")[2].partition("    ### BEGIN")[0] + "    raise NotImplementedError\n"
    assert scan([("labs/a/a.ipynb", notebook(given))], secrets, RELEASE) == []
    common = zipped("gpulabs/a.py", b"total = 0\nfor i in range(3):\n    total += i\n")
    assert scan([("gpulabs-1.whl", common)], secrets, RELEASE) == []


def test_a_students_own_right_code_is_no_leak_on_their_page_and_one_on_anothers(
    secrets: Secrets, tmp_path: Path
) -> None:
    for student, code in (("ada", SOLUTION), ("bob", "    return None\n")):
        folder = tmp_path / "submitted" / student / "lab9_blur"
        folder.mkdir(parents=True)
        (folder / "lab9_blur.ipynb").write_bytes(notebook("def blur(rows, columns, given, halo):\n" + code))
        page = tmp_path / "feedback" / student / "lab9_blur" / "lab9_blur.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"<pre>{SOLUTION}</pre>")
    found = leaks.scan_feedback(tmp_path / "feedback", tmp_path / "submitted", secrets)
    assert {leak.where.split("/")[0] for leak in found} == {"bob"}
    both = leaks.scan_feedback(tmp_path / "feedback", None, secrets)
    assert {leak.where.split("/")[0] for leak in both} == {"ada", "bob"}


def test_links_and_empty_folders_are_refused(secrets: Secrets, tmp_path: Path) -> None:
    (tmp_path / "README.md").symlink_to("/etc/hostname")
    with pytest.raises(BadInputError, match="a link"):
        leaks.scan_path(tmp_path, secrets, RELEASE)
    with pytest.raises(BadInputError, match="holds no solutions"):
        leaks.secrets_of(tmp_path)


def test_our_own_answers_are_looked_for_in_what_is_released_today() -> None:
    """Every solution and every rung is in the secrets, so that the scan of a release looks for all of them."""
    known = leaks.secrets_of(ROOT / "solutions")
    places = set(known.shapes.values())
    for source in (ROOT / "solutions").rglob("*.py"):
        name = source.stem if source.stem == source.parent.name else f"{source.parent.name}/{source.name}"
        assert any(name in place for place in places), source
    assert WHEEL
