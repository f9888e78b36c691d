"""Each test attacks one property of the sandbox with a worker that really tries."""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from autograder import isolation
from autograder.isolation import Limits

needs_bubblewrap = pytest.mark.skipif(not shutil.which("bwrap"), reason="bwrap: scripts/system_packages.sh installs it")


@pytest.fixture
def attack(tmp_path, monkeypatch):
    """Runs Python text as a worker module and returns how it ended and what it wrote to `said`."""
    code = tmp_path / "code"
    code.mkdir()
    monkeypatch.syspath_prepend(str(code))

    def run(text, *, tier="none", **limits):
        (code / "attacker.py").write_text("import sys, pathlib\nfolder = pathlib.Path(sys.argv[1])\n" + text)
        folder = tmp_path / "work"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        ending = isolation.run("attacker", folder, Limits(**({"wall_s": 20.0} | limits)), tier_name=tier)
        said = folder / "said"
        return ending, said.read_text() if said.exists() else ""

    return run


SAY = "(folder / 'said').write_text(str({}))"


def test_a_worker_that_ends_well_is_done(attack):
    assert attack(SAY.format("'fine'"))[1] == "fine"


def test_wall_time_is_limited(attack):
    started = time.monotonic()

    ending, _ = attack("import time\ntime.sleep(60)", wall_s=1.0)

    assert ending.how == "late"
    assert time.monotonic() - started < 10


def test_silence_is_limited(attack, tmp_path):
    ending, _ = attack("import time\ntime.sleep(60)", quiet_s=1.0)

    assert ending.how == "quiet"


def test_memory_is_limited(attack):
    ending, _ = attack("x = bytearray(2 * 2**30)", memory_bytes=2**30)

    assert ending.how == "failed"
    assert "MemoryError" in ending.stderr


def test_file_size_is_limited(attack):
    ending, said = attack(
        "try:\n    (folder / 'big').write_bytes(bytes(2**21))\nexcept OSError as e:\n    " + SAY.format("e.errno"),
        file_bytes=2**20,
    )

    assert said == "27" or ending.how == "failed"


def test_nothing_it_started_stays_behind(attack, tmp_path):
    attack(
        "import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])\n"
        + SAY.format("p.pid")
    )
    pid = int((tmp_path / "work" / "said").read_text())
    for _ in range(100):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("a process of the worker lives on")


def test_secrets_in_the_environment_are_not_handed_on(attack, monkeypatch):
    monkeypatch.setenv("GPULABS_SECRET", "42")

    assert attack("import os\n" + SAY.format("os.environ.get('GPULABS_SECRET')"))[1] == "None"


def test_no_link_in_its_folder_leads_the_grader_to_another_file(tmp_path, monkeypatch):
    code, folder, secret = tmp_path / "code", tmp_path / "work", tmp_path / "secret"
    code.mkdir()
    folder.mkdir()
    secret.write_text("mine")
    monkeypatch.syspath_prepend(str(code))
    (code / "linker.py").write_text(
        "import sys, pathlib\nfolder = pathlib.Path(sys.argv[1])\n"
        "for name in ('stdout.txt', 'stderr.txt', 'request.json'):\n"
        f"    (folder / name).unlink(missing_ok=True)\n    (folder / name).symlink_to({str(secret)!r})\n"
        "sys.exit('not yours')"
    )
    for _ in range(2):
        ending = isolation.run("linker", folder, Limits(wall_s=20.0))
        assert "not yours" in ending.stderr
        isolation.write_new(folder / "request.json", b"asked")

    assert secret.read_text() == "mine"
    assert isolation.read_regular(folder / "request.json", 10) == b"asked"


def test_modules_left_in_the_folder_are_not_imported(attack):
    text = "(folder / 'colorsys.py').write_text('raise SystemExit(3)')\nimport colorsys\n" + SAY.format(
        "colorsys.__file__"
    )

    assert "work" not in attack(text)[1]


@needs_bubblewrap
@pytest.mark.bubblewrap
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import os\n" + SAY.format("os.path.exists({home!r})"), "False"),
        (
            "import socket\ntry:\n    socket.create_connection(('127.0.0.1', {port}), 1)\nexcept OSError as e:\n    "
            + SAY.format("'no network'"),
            "no network",
        ),
        (
            "try:\n    open({module!r}, 'a')\nexcept OSError as e:\n    " + SAY.format("'read-only'"),
            "read-only",
        ),
        ("import os\n" + SAY.format("sorted(p for p in os.listdir('/proc') if p.isdigit())[-1]") + "\n", ""),
        ("import os\n" + SAY.format("[p for p in os.listdir('/dev') if 'nvidia' in p]"), "[]"),
    ],
    ids=["other-files", "network", "packages", "processes", "gpu-nodes"],
)
def test_the_strong_tier_hides(attack, tmp_path, text, expected):
    import socket

    secret = tmp_path / "other-student"
    secret.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        filled = text.replace("{home!r}", repr(str(secret))).replace("{port}", str(port))
        filled = filled.replace("{module!r}", repr(isolation.__file__))
        _, said = attack(filled, tier="strong")
    if expected:
        assert said == expected
    else:
        assert int(said) < 50 < os.getpid()


def test_the_tier_is_probed_by_trying_it():
    assert isolation.tier().name == ("strong" if shutil.which("bwrap") else "none")
    assert sys.executable in isolation._bubblewrap("bwrap", Path("/w"), [sys.executable])
