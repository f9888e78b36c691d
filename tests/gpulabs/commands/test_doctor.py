"""gpulabs doctor, on a machine that the test makes up."""

import pytest

from gpulabs.commands import doctor
from gpulabs.exit_codes import ExitCode
from tests.gpulabs.test_doctor import LAPTOP, SERVER, with_packages


@pytest.fixture
def on(gpulabs, monkeypatch):
    def on(facts, *options):
        monkeypatch.setattr(doctor, "gather", lambda: facts)
        return gpulabs("doctor", *options)

    return on


def test_a_laptop_is_fine(on):
    run = on(LAPTOP)
    assert run.code == ExitCode.OK
    assert run.out.splitlines()[-2:] == [
        "ready; no GPU: labs run in the simulator, speed points are pending",
        "next: gpulabs start lab1",
    ]


def test_a_problem_comes_with_its_fix_and_exit_code(on):
    run = on(with_packages(SERVER, numpy="2.5.1"))
    assert run.code == ExitCode.FAILED
    assert 'NumPy: pip install "numpy<2.5"' in run.out
    assert run.out.splitlines()[-1] == "1 problem to mend, see the fixes above"


def test_json(on):
    found = on(LAPTOP, "--json").json
    assert found["schema_version"] == 1
    assert {"name": "Python", "status": "ok", "detail": "3.12.1", "fix": ""} in found["findings"]
