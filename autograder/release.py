"""What a class gets: the labs' notebooks, the package, a guide; looked through for leaks before it is there.

Built in a folder of its own, scanned, and only then moved to where it was asked for: what leaks never lies
in the place from which it would be handed out. The same sources make the same archive, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder import build as builder
from autograder import leaks
from autograder.authoring import labs_in
from gpulabs.errors import BadInputError, GraderError, MissingPackageError

_EPOCH = 315_532_800
"""1980-01-01, the first date that a zip can hold: an archive's bytes must not depend on the day."""

README = """# GPU labs

{labs}

You need Python 3.11, 3.12 or 3.13. In this folder:

```
python3 -m venv .venv && . .venv/bin/activate
pip install {wheel} notebook                # with an NVIDIA GPU: pip install "{wheel}[cuda]" notebook
gpulabs doctor                              # is this machine ready? each problem comes with its fix
jupyter notebook labs
```

Without a GPU the same notebooks run in a simulator: your answers are checked, speed waits.
[The guide](student-guide.md) goes from here to a handed-in lab, on Colab or at home. Nothing about the grader is
secret: its rubrics and its source are in the package.
"""


@dataclass(frozen=True)
class Release:
    """What was made.

    Attributes:
        folder: The student's tree; None where leaks were found.
        archive: The same as a zip; None likewise.
        files: Paths in the tree.
        leaks: Why nothing was released; empty when all is well.
    """

    folder: Path | None
    archive: Path | None
    files: tuple[str, ...]
    leaks: tuple[leaks.Leak, ...] = ()


def release(repository: Path, out: Path, labs: Sequence[str] = ()) -> Release:
    """Makes the student's tree and its archive in `out`, unless something in it leaks.

    Args:
        repository: A checkout.
        out: Where folder and archive go, `gpulabs-labs-<version>` and `.zip`; earlier ones are replaced.
        labs: Labs to hand out, by id or short name; all by default.

    Raises:
        BadInputError: No checkout, a lab without a source, or `labs/` is older than `solutions/`.
        MissingPackageError: hatchling is not installed.
    """
    solutions = repository / "solutions"
    if not (repository / "pyproject.toml").is_file() or not solutions.is_dir():
        raise BadInputError(f"{repository}: no checkout of gpulabs; run it there, or give --repository")
    chosen = [name for lab in labs or (None,) for name in labs_in(solutions, lab)]
    if stale := [line for name in chosen for line in builder.check_lab(name, solutions, repository / "labs")]:
        raise BadInputError(stale[0])
    from gpulabs import __version__

    secrets = leaks.secrets_of(solutions)
    with tempfile.TemporaryDirectory(prefix="gpulabs-release-") as scratch:
        tree = Path(scratch) / f"gpulabs-labs-{__version__}"
        _fill(tree, repository, chosen)
        archive = _zip(tree)
        found = leaks.scan_path(tree, secrets, leaks.RELEASE)
        inside = {f"{tree.name}/{name}": content for name, content in leaks.files_below(tree)}
        if dict(leaks.members(archive.name, archive.read_bytes())) != inside:  # else what was looked through is in it
            raise GraderError(f"{archive.name}: does not hold what the folder does; nothing is released")
        files = tuple(name.partition("/")[2] for name in inside)
        if found:
            return Release(None, None, files, tuple(found))
        out.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(out / tree.name, ignore_errors=True)
        shutil.copytree(tree, out / tree.name)
        shutil.copyfile(archive, out / archive.name)
    return Release(out / tree.name, out / archive.name, files)


def _fill(tree: Path, repository: Path, labs: Sequence[str]) -> None:
    for lab in labs:
        target = tree / "labs" / lab / f"{lab}.ipynb"
        target.parent.mkdir(parents=True)
        shutil.copyfile(repository / "labs" / lab / f"{lab}.ipynb", target)
    wheel = _wheel(repository, tree)
    shutil.copyfile(repository / "LICENSE", tree / "LICENSE")
    guide = (repository / "docs" / "student-guide.md").read_text(encoding="utf-8")
    (tree / "student-guide.md").write_text(_without_links(guide), encoding="utf-8")
    listed = "\n".join(f"- `labs/{lab}/{lab}.ipynb`" for lab in labs)
    (tree / "README.md").write_text(README.format(labs=listed, wheel=wheel), encoding="utf-8")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in leaks.files_below(tree)}
    (tree / "MANIFEST.json").write_text(json.dumps({"sha256": digests}, indent=1) + "\n", encoding="utf-8")


def _wheel(repository: Path, folder: Path) -> str:
    try:
        import hatchling  # noqa: F401
    except ImportError:
        raise MissingPackageError('a release needs hatchling: pip install "gpulabs[instructor]"') from None
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder.resolve())]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(_EPOCH)}
    done = subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    made = sorted(folder.glob("*.whl"))
    if done.returncode or not made:
        raise GraderError(f"the package can't be built: {done.stderr.strip().splitlines()[-1:] or 'no wheel'}")
    return made[0].name


def _zip(tree: Path) -> Path:
    path = tree.with_name(f"{tree.name}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in leaks.files_below(tree):
            member = zipfile.ZipInfo(f"{tree.name}/{name}")  # of 1980, whatever the day
            member.external_attr = 0o644 << 16
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    return path


def _without_links(guide: str) -> str:
    """The guide stands alone in a release: links to other documents become their text."""
    return re.sub(r"\[([^\]]+)\]\((?!https?:|#)[^)]+\)", r"\1", guide)
