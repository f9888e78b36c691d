"""Looks for what students must not get: solutions, marks of them, files nobody meant to hand out.

Four kinds, each a reason to fail: a *file* that is not on the list of what belongs there, a *marker* of
nbgrader's (`BEGIN SOLUTION`), a *fragment* of a solution or of a reference kernel, and an *output* in a
notebook that should have none. Fragments are found by syntax tree, so that other names, comments or layout
hide nothing; in text that is no Python (pages, Markdown, JSON), by whole lines.
"""

from __future__ import annotations

import functools
import html
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from autograder import syntax
from gpulabs.errors import BadInputError

MARKERS = ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS", "BEGIN MARK SCHEME")
MIN_NODES = 12
"""Of a statement that is looked for with its names: `total = 0` stands everywhere."""
MIN_NODES_RENAMED = 35
"""Of one that is looked for whatever its names are: smaller shapes (`for i in range(n): a[i] = b[i]`) are common."""
MIN_LINE = 30
"""Characters of a line that is looked for in text."""
MAX_BYTES = 64 * 2**20
ARCHIVES = (".zip", ".whl", ".tar.gz", ".tgz")
TEXTS = (".py", ".ipynb", ".html", ".htm", ".md", ".txt", ".json", ".toml", ".jinja", ".css", ".csv", ".svg", ".js")

RELEASE = ("README.md", "LICENSE", "MANIFEST.json", "student-guide.md", "labs/*/*.ipynb", "gpulabs-*.whl")
"""What a release holds; one folder above all may be there, as in its archive."""
WHEEL = (
    *("gpulabs/**.py", "gpulabs/py.typed", "gpulabs/_labs/README.md", "gpulabs/_labs/*/*.ipynb"),
    *(
        "gpulabs/recorded/*.json",
        "gpulabs/recorded/step_memory/*.json",
        "gpulabs/recorded/step_times/*.json",
        "gpulabs/recorded/batch/*.json",
        "autograder/**.py",
        "autograder/ladder/*.ptx",
        "autograder/ladder/*.json",
    ),
    *("autograder/rubrics/*.toml", "autograder/report/templates/*.css", "autograder/report/templates/*.jinja"),
    *("autograder/report/templates/*.js", "gpulabs-*.dist-info/**"),
)
COURSE = (*RELEASE, "*/*.ipynb")
"""And nbgrader's `release` folder."""
FEEDBACK = ("**.html", "**.json")
ANSWERS_BY_DESIGN = "autograder/questions/"
"""The grader's own answers to tasks that ask for numbers: students may read them, importing them is worth nothing."""


@dataclass(frozen=True)
class Leak:
    """Something that must not be handed out.

    Attributes:
        kind: `file`, `marker`, `fragment` or `output`.
        where: The file, with the archive it lies in; and a line.
        what: What it is, in one sentence.
    """

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        """Returns one line: where, what."""
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Secrets:
    """What is looked for: statements by shape and by text, lines; each with the place that it comes from."""

    shapes: dict[str, str]
    statements: dict[str, str]
    lines: dict[str, str]

    def without(self, sources: Iterable[str]) -> Secrets:
        """Returns the secrets less what these sources hold: a student's own right code is no leak."""
        own = [_pieces(source) for source in sources]
        shapes, statements = ({part for piece in own for part in piece[index]} for index in (0, 1))
        lines = {line for source in sources for line in map(_line, source.splitlines())}
        return Secrets(*(
            {key: place for key, place in mine.items() if key not in gone}
            for mine, gone in ((self.shapes, shapes), (self.statements, statements), (self.lines, lines))
        ))  # fmt: skip


def secrets_of(solutions: Path) -> Secrets:
    """Collects what must stay with the author: solution regions of the labs, and the whole of the ladder.

    Args:
        solutions: The folder of the labs' sources.

    Raises:
        BadInputError: There is nothing in it: a scan for nothing finds nothing.
    """
    secret: list[tuple[str, str, range | None]] = []
    given: list[str] = []
    for path in sorted(solutions.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path.stem != path.parent.name:
            secret.append((f"{path.parent.parent.name}/{path.parent.name}/{path.name}", text, None))
            continue
        for cell in re.split(r"(?m)^# %%.*\n", text):
            regions = _regions(cell)
            given.append(_blanked(cell, regions))
            secret += [(f"{path.parent.name}, solution", cell, region) for region in regions]
    shapes: dict[str, str] = {}
    statements: dict[str, str] = {}
    lines: dict[str, str] = {}
    for place, text, region in secret:
        tree = syntax.parse(text)
        for fragment in syntax.fragments(tree) if tree else ():
            if region is None or (fragment.first in region and fragment.last in region):
                if fragment.nodes >= MIN_NODES_RENAMED:
                    shapes.setdefault(fragment.shape, place)
                if fragment.nodes >= MIN_NODES:
                    statements.setdefault(fragment.text, place)
        for number, line in enumerate(text.splitlines(), start=1):
            if (region is None or number in region) and len(_line(line)) >= MIN_LINE:
                lines.setdefault(_line(line), place)
    if not shapes:
        raise BadInputError(f"{solutions}: holds no solutions to look for; give the folder of a checkout")
    return Secrets(shapes, statements, lines).without(given)


def scan(files: Iterable[tuple[str, bytes]], secrets: Secrets, allowed: Sequence[str]) -> list[Leak]:
    """Looks through files; archives among them are opened.

    Args:
        files: (path below the root, content).
        secrets: What must not be there.
        allowed: Patterns of the paths that belong there; `*` stays in a folder, `**` goes below.
    """
    found = []
    for name, content in files:
        if not _matches(name, allowed):
            found.append(Leak("file", name, "is not on the list of files that belong there"))
        if name.endswith(ARCHIVES):
            inner = ((f"{name}!{member}", part) for member, part in members(name, content))
            found += scan_archive(inner, secrets, name, WHEEL if name.endswith(".whl") else allowed)
        elif name.endswith(TEXTS):
            found += _scan_text(name, content, secrets)
    return found


def scan_archive(
    files: Iterable[tuple[str, bytes]], secrets: Secrets, archive: str, allowed: Sequence[str]
) -> list[Leak]:
    """Looks through an archive's members, named `archive!member`."""
    wanted = tuple(f"{_literal(archive)}!{pattern}" for pattern in allowed)
    wanted += tuple(f"{_literal(archive)}!*/{pattern}" for pattern in allowed if not archive.endswith(".whl"))
    return scan(files, secrets, wanted)


def scan_path(path: Path, secrets: Secrets, allowed: Sequence[str]) -> list[Leak]:
    """Looks through a folder or one archive.

    Raises:
        BadInputError: There is no such file or folder, or a file in it is a link or too large.
    """
    if path.is_dir():
        return scan(files_below(path), secrets, allowed)
    if not path.is_file():
        raise BadInputError(f"{path}: no such file or folder")
    if not path.name.endswith(ARCHIVES):
        return scan([(path.name, path.read_bytes())], secrets, (*allowed, "*"))
    inner = ((f"{path.name}!{member}", part) for member, part in members(path.name, path.read_bytes()))
    return scan_archive(inner, secrets, path.name, WHEEL if path.suffix == ".whl" else allowed)


def scan_feedback(feedback: Path, submitted: Path | None, secrets: Secrets) -> list[Leak]:
    """Looks through pages for students; what a student's own notebook holds is no leak on their page.

    Args:
        feedback: nbgrader's `feedback/<student>/<lab>/*.html`, or `<student>.html` files.
        submitted: nbgrader's `submitted` folder, or None to look for everything.
        secrets: What must not be there.
    """
    found: list[Leak] = []
    for name, content in files_below(feedback):
        student = PurePosixPath(name).parts[0].removesuffix(".html").removesuffix(".json")
        own = [source for path in _notebooks(submitted, student) for source in _sources(path)]
        found += scan([(name, content)], secrets.without(own) if own else secrets, FEEDBACK)
    return found


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields (relative path, content) of all files, in order.

    Raises:
        BadInputError: A link, whose target could be anything, or a file too large to be looked through.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise BadInputError(f"{path}: a link; what is handed out are files")
        if path.is_file():
            if path.stat().st_size > MAX_BYTES:
                raise BadInputError(f"{path}: larger than {MAX_BYTES // 2**20} MiB, too large to be looked through")
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def members(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields the files in an archive.

    Raises:
        BadInputError: It can't be read.
    """
    try:
        if name.endswith((".zip", ".whl")):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                yield from ((info.filename, archive.read(info)) for info in archive.infolist() if not info.is_dir())
        else:
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                for member in archive:
                    file = archive.extractfile(member) if member.isfile() else None
                    yield member.name, file.read() if file else b""
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError) as error:
        raise BadInputError(f"{name}: can't be read as an archive ({error})") from error


def _scan_text(name: str, content: bytes, secrets: Secrets) -> list[Leak]:
    text = content.decode("utf-8", "replace")
    found: list[Leak] = []
    if name.endswith(".ipynb"):
        notebook = _notebook(text)
        found += _outputs(name, notebook)
        sources = [(f"{name}, cell {number}", source) for number, source in enumerate(_cells(notebook), start=1)]
    elif name.endswith((".html", ".htm")):
        blocks = re.findall(r"<pre[^>]*>(.*?)</pre>", text, re.DOTALL | re.IGNORECASE)
        sources = [(name, _plain(block)) for block in blocks] + [(name, _plain(text))]
    elif name.endswith(".md"):
        sources = [(name, block) for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)] + [(name, text)]
    else:
        sources = [(name, text)]
    by_design = name.rpartition("!")[2].startswith(ANSWERS_BY_DESIGN)
    told: set[str] = set()
    for where, source in sources:
        for leak in _in_source(where, source, secrets, python=not by_design, marks=not name.endswith(".py")):
            if str(leak) not in told:
                told.add(str(leak))
                found.append(leak)
    return found


def _in_source(where: str, source: str, secrets: Secrets, python: bool, marks: bool) -> Iterator[Leak]:
    for marker in MARKERS:
        # The grader's own modules name the markers that they strip; whole lines of them are another thing.
        if (marks and marker in source) or re.search(rf"(?m)^\s*### {marker}", source):
            yield Leak("marker", where, f"holds the mark {marker!r}")
    if not python:
        return
    tree = syntax.parse(source)
    if tree is None:
        for number, line in enumerate(source.splitlines(), start=1):
            if place := secrets.lines.get(_line(line)):
                yield Leak("fragment", f"{where}, line {number}", f"holds a line of {place}: {_line(line)[:80]}")
        return
    last = 0
    for fragment in sorted(syntax.fragments(tree), key=lambda fragment: (fragment.first, -fragment.last)):
        place = secrets.statements.get(fragment.text) or secrets.shapes.get(fragment.shape)
        if place and fragment.last > last:  # a statement inside one that was told is not told again
            last = fragment.last
            line = fragment.text.splitlines()[0][:80]
            yield Leak("fragment", f"{where}, line {fragment.first}", f"holds a statement of {place}: {line}")


def _pieces(source: str) -> tuple[set[str], set[str]]:
    tree = syntax.parse(source)
    found = list(syntax.fragments(tree)) if tree else []
    return {fragment.shape for fragment in found}, {fragment.text for fragment in found}


def _regions(cell: str) -> list[range]:
    found, start = [], 0
    for number, line in enumerate(cell.splitlines(), start=1):
        if "BEGIN SOLUTION" in line:
            start = number + 1
        elif "END SOLUTION" in line:
            found.append(range(start, number))
    return found


def _blanked(cell: str, regions: Sequence[range]) -> str:
    """A cell as students get it: `pass` in place of each solution, which keeps it Python."""
    lines = cell.splitlines()
    for region in regions:
        for number in region:
            lines[number - 1] = ""
        if region:
            mark = lines[region.start - 2]
            lines[region.start - 2] = f"{mark[: len(mark) - len(mark.lstrip())]}pass"
    return "\n".join(lines)


def _outputs(name: str, notebook: dict[str, Any]) -> list[Leak]:
    cells = [cell for cell in notebook.get("cells", []) if isinstance(cell, dict)]
    where = [number for number, cell in enumerate(cells, start=1) if cell.get("outputs") or cell.get("execution_count")]
    return [Leak("output", name, f"cell {where[0]} holds an output: it was run, and not cleared")] if where else []


def _notebook(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {"cells": [{"source": text}]}
    return found if isinstance(found, dict) else {}


def _cells(notebook: dict[str, Any]) -> list[str]:
    sources = [cell.get("source", "") for cell in notebook.get("cells", []) if isinstance(cell, dict)]
    return ["".join(map(str, source)) if isinstance(source, list) else str(source) for source in sources]


def _notebooks(submitted: Path | None, student: str) -> list[Path]:
    if submitted is None or student.startswith("."):
        return []
    return sorted((submitted / student).rglob("*.ipynb")) + sorted(submitted.glob(f"{student}.ipynb"))


@functools.lru_cache(maxsize=64)
def _sources(path: Path) -> list[str]:
    return _cells(_notebook(path.read_text(encoding="utf-8", errors="replace")))


def _plain(markup: str) -> str:
    """The text of a page, tags gone and entities read."""
    breaks = re.sub(r"<(?:br|/p|/div|/li|/tr|/pre|/h\d)[^>]*>", "\n", markup, flags=re.IGNORECASE)
    return html.unescape(re.sub(r"<[^>]*>", "", breaks))


def _line(line: str) -> str:
    return " ".join(line.split("  #")[0].split())


def _literal(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    parts = [pattern.replace("**", "\0") for pattern in patterns]
    return any(re.fullmatch(_expression(pattern), name) for pattern in parts)


@functools.cache
def _expression(pattern: str) -> str:
    """A pattern as a regular expression: `*` within a folder, NUL (from `**`) through all below."""
    out = ""
    for part in re.split(r"(\0|\*|\[.\])", pattern):
        out += {"\0": ".*", "*": "[^/]*"}.get(part) or (
            re.escape(part[1:-1]) if re.fullmatch(r"\[.\]", part) else re.escape(part)
        )
    return out
