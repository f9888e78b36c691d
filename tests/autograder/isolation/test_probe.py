from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import isolation
from autograder.isolation import bubblewrap, landlock, launcher, probe, process, seccomp
from autograder.isolation.syscalls import ARCHITECTURES
from autograder.isolation.tiers import Tier
from gpulabs.errors import BadInputError, MissingError
from tests.autograder.isolation.attackers import TIERS


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Nothing forced, nothing remembered."""
    monkeypatch.delenv(probe.VARIABLE, raising=False)
    probe.find.cache_clear()
    yield
    probe.find.cache_clear()


def test_a_plain_process_withstands_nothing_and_the_probe_sees_it():
    said = probe.broken(TIERS["none"])
    for loot in ("connected", "read a secret", "wrote", "may signal"):
        assert loot in said


def test_the_strongest_tier_that_holds_is_taken(monkeypatch):
    monkeypatch.setattr(probe.shutil, "which", lambda name: None)
    monkeypatch.setattr(landlock, "version", lambda: 0)
    found = isolation.tier()
    assert found.name == "none"
    assert "strong (bwrap is not installed)" in found.description
    assert "medium (this kernel has no Landlock)" in found.description


@pytest.mark.bubblewrap
def test_walls_with_holes_are_not_claimed(monkeypatch):
    whole = bubblewrap.command
    holed = {"--unshare-all": "--unshare-pid"}  # and so the network of the machine
    monkeypatch.setattr(bubblewrap, "command", lambda *given: [holed.get(word, word) for word in whole(*given)])
    monkeypatch.setattr(seccomp, "program", lambda **_: seccomp._return(seccomp.ALLOW))
    monkeypatch.setattr(landlock, "version", lambda: 0)
    found = probe.find("strong")
    assert found.tier is None
    assert "network: connected" in found.reason
    assert "system calls" in found.reason


def test_without_namespaces_the_medium_tier_says_so(monkeypatch):
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    tried = probe.broken
    monkeypatch.setattr(probe, "broken", lambda tier: "unshare: no" if tier.spaces else tried(tier))
    found = isolation.tier("medium")
    assert (found.name, found.spaces) == ("medium", False)
    assert "no namespaces here: unshare: no" in found.description


def test_in_a_container_that_allows_no_namespaces_the_medium_tier_holds(tmp_path):
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    # As Docker's default profile has it, really: the whole probe runs under such a filter.
    refused = [seccomp.Rule(call) for call in ("unshare", "mount", "pivot_root", "setns")]
    refused += [seccomp.Rule("clone", argument=0, test="bits", value=seccomp.NEW_NAMESPACES)]
    container = seccomp.assemble(refused, ARCHITECTURES[platform.machine()])
    code = "from autograder.isolation import tier; found = tier(); print(found.name); print(found.description)"
    recipe = {
        "limits": [],
        "linux": True,
        "supervise": False,
        "spaces": 0,
        "landlock": None,
        "filter": container.hex(),
        "command": [sys.executable, "-c", code],
    }
    line = [sys.executable, "-I", "-S", "-c", process.START, json.dumps(recipe)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    name, description = done.stdout.splitlines()
    assert name == "medium", description
    assert "no namespaces here: isolation failed: [Errno 1] unshare" in description
    if shutil.which("bwrap"):
        assert "not here: strong (bwrap: " in description


def test_a_launcher_that_fails_starts_no_worker(monkeypatch, tmp_path):
    monkeypatch.setattr(probe.landlock, "version", lambda: 1)
    broken_rules = landlock.Ruleset(1 << 60, 0, 0, 8, ())  # rights that no kernel knows
    monkeypatch.setattr(landlock, "ruleset", lambda *_: broken_rules)
    ending = isolation.run_in(TIERS["bare"], ["/bin/echo", "started"], tmp_path, isolation.Limits(own_s=10))
    assert (ending.status, ending.output) == (launcher.FAILED, b"")
    assert "isolation failed" in ending.stderr


def test_a_forced_tier_that_is_missing_is_an_error_with_advice(monkeypatch):
    monkeypatch.setattr(probe.shutil, "which", lambda name: None)
    with pytest.raises(MissingError, match=r"strong is not possible here: bwrap is not installed; install bubblewrap"):
        isolation.tier("strong")
    monkeypatch.setenv(probe.VARIABLE, "strong")
    with pytest.raises(MissingError, match="auto"):
        isolation.tier()


def test_a_grader_without_a_network_probes_all_the_rest(monkeypatch):
    def refuse(*_):
        raise OSError("no network")

    monkeypatch.setattr(probe.socket, "create_server", refuse)
    said = probe.broken(TIERS["none"])
    assert "connected" not in said
    assert "read a secret" in said


def test_an_unknown_tier_is_told():
    with pytest.raises(BadInputError, match="expected one of strong, medium, none, auto"):
        isolation.tier("paranoid")


def test_choosing_holds_for_what_follows(monkeypatch):
    monkeypatch.setenv(probe.VARIABLE, "auto")  # so that it is put back
    assert isolation.choose("none").name == "none"
    assert isolation.tier().name == "none"


def test_an_account_without_privileges_gets_the_same_tiers():
    python = shutil.which("python3", path="/usr/bin")
    if os.getuid():
        pytest.skip("this is one: all the other tests show it")
    if not python or subprocess.run([python, "-c", "import enum; enum.StrEnum"], check=False).returncode:
        pytest.skip("no Python 3.11 outside root's home: /usr/bin/python3 is missing or older")
    root = Path(__file__).parents[3]
    code = (
        "from autograder.isolation import probe\n"
        "print(*(name for name in probe.NAMES if probe.find(name).tier))\n"
        "print([probe.find(name).reason for name in probe.NAMES])"
    )
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", python, "-c", code],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{root}/src:{root}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Permission denied" in done.stderr or "No module named" in done.stderr:
        pytest.skip(f"nobody can't read this checkout: {done.stderr[-200:]}")
    names, reasons = done.stdout.splitlines()
    assert names.split() == [name for name in probe.NAMES if probe.find(name).tier], reasons


@pytest.mark.bubblewrap
def test_with_bubblewrap_the_tier_is_strong():
    assert isolation.tier() == Tier("strong", probe.STRONG_TEXT)
