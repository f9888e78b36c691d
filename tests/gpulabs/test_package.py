"""Importing costs nothing, and the public names are the ones promised."""

import subprocess
import sys

import pytest

import gpulabs

HEAVY = ("tensorflow", "keras", "numba", "numpy", "matplotlib", "sklearn", "rich", "typer", "autograder")


def test_public_names():
    assert set(gpulabs.__all__) == set(gpulabs._HOME) | {"__version__"}
    assert dir(gpulabs) == sorted(gpulabs.__all__)


def test_public_names_are_there():
    from gpulabs.errors import GpulabsError

    assert gpulabs.GpulabsError is GpulabsError
    for name in gpulabs.__all__:
        assert getattr(gpulabs, name) is not None


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(AttributeError, match="no attribute 'conv3d'; it offers .*conv2d"):
        _ = gpulabs.conv3d


def test_import_loads_nothing_heavy():
    program = f"import gpulabs, sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_loads_nothing_heavy():
    heavy = [name for name in HEAVY if name != "typer"]
    program = (
        "import sys, gpulabs.cli, typer.main; typer.main.get_command(gpulabs.cli.app)\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
