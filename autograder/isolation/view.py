"""What a worker sees: the paths it may read, the folders it imports from, its environment variables.

Python's own installation and the folders of installed packages are shown whole. Of any other folder on
the import path (a checkout, or the folder where the grader was started, which may hold submissions and
results) it sees our two packages and nothing else.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from autograder import temporary

KEPT_VARIABLES = (
    "PATH",
    "LD_LIBRARY_PATH",
    "LANG",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "CUDA_HOME",
    "CUDA_PATH",
    "CONDA_PREFIX",
)
"""What a worker inherits: enough to find Python, libraries and CUDA's compiler."""

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/alternatives")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
PACKAGES = ("autograder", "gpulabs")


def environment(folder: Path, extra: Sequence[Path] = ()) -> dict[str, str]:
    """All environment variables of a worker.

    Args:
        folder: The worker's folder: its home, its temporary folder.
        extra: Further folders to import from.
    """
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    paths = [*map(str, extra), *import_path()]
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "CUDA_VISIBLE_DEVICES": "",
        "NUMBA_CACHE_DIR": str(folder / "numba-cache"),
        "OMP_NUM_THREADS": "1",
    }


def import_path() -> list[str]:
    """Folders that a worker imports from; a shelf with our two packages stands for those that hide more."""
    return [*dict.fromkeys([str(shelf()), *(path for path in _folders() if _installed(Path(path)))])]


def readable(extra: Sequence[Path] = ()) -> list[str]:
    """Every path that a worker may read, none below another."""
    wanted = [*SYSTEM, sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent)]
    wanted += [path for path in _folders() if _installed(Path(path))]
    wanted += [str(shelf()), *(str(path) for path in _package_folders().values()), *map(str, extra)]
    wanted += [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if path]
    wanted += [os.environ[name] for name in ("CUDA_HOME", "CUDA_PATH", "CONDA_PREFIX") if os.environ.get(name)]
    # Under both names where one is a link: some ask for /opt/cuda, and some for what it leads to.
    wanted = [name for path in wanted for name in (path, str(Path(path).resolve()))]
    there = [path for path in dict.fromkeys(wanted) if path != "/" and Path(path).exists()]
    whole = [Path(path) for path in there if not Path(path).is_symlink()]
    return [path for path in there if not any(parent in whole for parent in Path(path).parents)]


@functools.cache
def shelf() -> Path:
    """A folder that holds links to our two packages, so that nobody needs to list the one they lie in."""
    folder = Path(tempfile.mkdtemp(prefix=f"{temporary.PREFIX}shelf-")).resolve()
    temporary.hold(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, place in _package_folders().items():
        (folder / name).symlink_to(place)
    return folder


def _package_folders() -> dict[str, Path]:
    import autograder
    import gpulabs

    return {package.__name__: Path(package.__path__[0]).resolve() for package in (autograder, gpulabs)}


def _folders() -> list[str]:
    return [*dict.fromkeys(str(Path(path).resolve()) for path in sys.path if path and Path(path).is_dir())]


@functools.cache
def _installed(folder: Path) -> bool:
    """Whether a folder of the import path is an installation: Python's own, or one that pip filled."""
    own = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    if any(path == folder or path in folder.parents for path in own):
        return True
    return next(folder.glob("*.dist-info"), None) is not None
