"""What the wheel holds, and that its requirements keep out of the known traps."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirement(name, extra=None):
    wanted = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return next(found for found in map(Requirement, wanted) if found.name == name)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        yield archive


def test_the_wheel_holds_what_a_student_needs(wheel):
    names = set(wheel.namelist())
    for name in (
        "gpulabs/py.typed",
        "gpulabs/cli.py",
        "gpulabs/recorded/ladder.json",
        "gpulabs/recorded/step_memory/cpu.json",
        "gpulabs/recorded/step_times/cpu_small_cnn.json",
        "gpulabs/_labs/lab1_conv_kernel/lab1_conv_kernel.ipynb",
        "autograder/rubrics/lab1_conv_kernel.toml",
        "autograder/worker/__init__.py",
    ):
        assert name in names
    for pattern in (r"autograder/ladder/.*\.ptx", r"autograder/report/templates/.*"):
        assert any(re.fullmatch(pattern, name) for name in names), pattern


def test_the_wheel_holds_every_file_of_both_packages(wheel):
    names = set(wheel.namelist())
    for package, base in (("src/gpulabs", ROOT / "src"), ("autograder", ROOT)):
        for file in (ROOT / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert file.relative_to(base).as_posix() in names


def test_the_wheel_holds_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"gpulabs", "autograder"}


def test_nothing_leaks_in_the_wheel(wheel):
    """A new kind of file in the package has to be put on the list: `autograder.leaks.WHEEL`."""
    from autograder import leaks

    secrets = leaks.secrets_of(ROOT / "solutions")
    found = leaks.scan_path(Path(wheel.filename), secrets, leaks.RELEASE)
    assert not found, "\n".join(map(str, found))


def test_versions_that_break_are_kept_out():
    assert "2.5.0" not in requirement("numpy").specifier
    assert "9.5.1.17" not in requirement("nvidia-cudnn-cu12", "cuda").specifier
    assert "1.29.0" not in requirement("nvidia-cudnn-frontend", "cuda").specifier  # would bring cu13


def test_one_toolkit():
    everything = [*PROJECT["dependencies"], *(r for group in PROJECT["optional-dependencies"].values() for r in group)]
    assert not [line for line in everything if "cu13" in line]


def test_colabs_versions_are_not_downgraded_or_replaced():
    pins = {}
    for line in (ROOT / "constraints" / "colab.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pins[Requirement(line).name] = next(iter(Requirement(line).specifier)).version
    needed = {found.name: found for found in map(Requirement, PROJECT["dependencies"])}
    assert {"tensorflow", "keras", "numba", "numba-cuda", "numpy"} <= set(pins)
    for name, version in pins.items():
        if name in needed:
            assert version in needed[name].specifier, f"{name} {version} of Colab would be replaced"


def test_commands_are_installed():
    assert PROJECT["scripts"] == {"gpulabs": "gpulabs.cli:main", "autograder": "autograder.cli:main"}


def test_no_file_names_a_registry():
    """Wherever the packages come from is the user's business; constraints hold names and versions only."""
    for file in (*(ROOT / "constraints").iterdir(), ROOT / "Makefile", ROOT / "pyproject.toml"):
        assert not re.search(r"index-url|--find-links|://", file.read_text()), file.name
