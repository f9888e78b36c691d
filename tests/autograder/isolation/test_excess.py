"""Attacks on the machine itself, from every tier: memory, processes, disk, output, what is handed on, what stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.isolation.limits import OPEN_FILES
from tests.autograder.isolation.attackers import TIERS, alive

pytestmark = pytest.mark.parametrize("tier", TIERS)
MIB = 2**20


def gone(mark: str) -> bool:
    for _ in range(100):
        if not alive(mark):
            return True
        time.sleep(0.02)
    return False


def test_very_many_processes_are_stopped(behind, tmp_path):
    ending, said = behind(
        f"""
        import time  # {tmp_path}
        while True:
            try:
                if not os.fork():
                    time.sleep(60)
            except OSError:
                break
        say("refused")
        time.sleep(60)
        """,
        processes=30,
        own_s=2.0,
    )
    assert ending.how == "processes" or (ending.how == "late" and said == "refused\n")
    assert gone(str(tmp_path))


def test_a_fork_bomb_is_stopped(behind, tmp_path):
    # Each ends itself after half a second: a test that fails must not take the machine with it.
    ending, _ = behind(
        f"""
        import time  # {tmp_path}
        over = time.monotonic() + 0.5
        while time.monotonic() < over:
            try:
                os.fork()
            except OSError:
                pass
        """,
        processes=60,
    )
    assert ending.how == "processes" or os.getuid()  # where the kernel counts, forks fail and it ends by itself
    assert gone(str(tmp_path))


def test_threads_count_as_processes(behind):
    ending, said = behind(
        """
        import threading, time
        try:
            for _ in range(100):
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        except RuntimeError:
            say("refused")
            os._exit(3)
        time.sleep(60)
        """,
        processes=30,
    )
    assert ending.how == "processes" or said == "refused\n"


def test_memory_of_one_process_is_limited(behind):
    ending, _ = behind("x = bytearray(400 * 2**20)", memory_bytes=300 * MIB)
    assert ending.how == "failed"
    assert "MemoryError" in ending.stderr


def test_memory_of_many_small_processes_is_limited(behind):
    ending, _ = behind(
        """
        import time
        for _ in range(8):
            if not os.fork():
                x = bytearray(os.urandom(2**20)) * 40
                time.sleep(60)
        time.sleep(60)
        """,
        total_memory_bytes=150 * MIB,
    )
    assert ending.how == "memory"


def test_shared_memory_is_counted_once(behind):
    ending, said = behind(
        """
        import time
        x = bytearray(os.urandom(2**20)) * 60
        children = [os.fork() or time.sleep(0.4) or os._exit(0) for _ in range(4)]
        for child in children:
            os.waitpid(child, 0)
        say("done")
        """,
        total_memory_bytes=200 * MIB,
    )
    assert (ending.how, said) == ("done", "done\n"), ending


def test_a_full_disk_is_prevented(behind, tmp_path):
    ending, _ = behind(
        """
        import time
        for number in range(200):
            open(str(number), "wb").write(os.urandom(2**20))
            time.sleep(0.01)
        """,
        disk_bytes=20 * MIB,
    )
    assert ending.how == "disk"
    assert sum(path.stat().st_size for path in (tmp_path / "folder").iterdir()) < 120 * MIB


def test_deleted_files_count_on_the_disk(behind):
    ending, _ = behind(
        """
        import time
        kept = []
        for number in range(200):
            kept.append(open("same", "wb"))
            kept[-1].write(os.urandom(2**20))
            os.unlink("same")
            time.sleep(0.01)
        """,
        disk_bytes=20 * MIB,
    )
    assert ending.how == "disk"


def test_a_file_and_the_output_have_a_limit(behind):
    ending, _ = behind(
        """
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        tries("file", lambda: open("big", "wb", 0).write(bytes(2 * 2**20)) > 2**20 or open("big", "ab", 0).write(b"x"))
        while True:
            os.write(1, bytes(2**16))
        """,
        file_bytes=MIB,
    )
    assert ending.how == "failed"
    assert ending.output.startswith(b"file EFBIG")
    assert len(ending.output) == MIB
    assert "too large" in ending.stderr


def test_open_files_of_the_grader_are_not_handed_on(behind, tmp_path):
    (tmp_path / "secret").write_text("a secret")
    with (tmp_path / "secret").open() as secret:
        os.set_inheritable(secret.fileno(), True)
        _, said = behind(
            "import resource\nfor n in range(300): tries(n, lambda: os.fstat(n) and 1)\n"
            "say(resource.getrlimit(resource.RLIMIT_NOFILE)[1])"
        )
    assert [line for line in said.splitlines() if "GOT" in line] == ["0 GOT 1", "1 GOT 1", "2 GOT 1"]
    assert int(behind("import resource\nsay(resource.getrlimit(resource.RLIMIT_NOFILE)[1])")[1]) <= OPEN_FILES


def test_no_privileges(behind):
    _, said = behind(
        """
        import ctypes, struct
        c = ctypes.CDLL(None, use_errno=True)
        say("new", c.prctl(39, 0, 0, 0, 0))
        held = ctypes.create_string_buffer(24)
        number = {"x86_64": 125, "aarch64": 90}[os.uname().machine]
        say("asked", c.syscall(number, struct.pack("=Ii", 0x20080522, 0), held), "held", any(held.raw))
        """
    )
    assert said.splitlines() == ["new 1", "asked 0 held False"], said


def test_the_environment_is_not_handed_on(behind, monkeypatch):
    monkeypatch.setenv("GPULABS_SECRET", "42")
    monkeypatch.setenv("PYTHONSTARTUP", "/evil.py")
    _, said = behind("say(*sorted(os.environ))")
    assert not {"GPULABS_SECRET", "PYTHONSTARTUP"} & set(said.split())


def test_nothing_that_it_started_stays_behind(behind, tier, tmp_path):
    ending, said = behind(
        f"""
        import subprocess, time
        mark = "import time; time.sleep(60)  # {tmp_path}"
        # Twice removed, in a session of its own, without the streams: as a daemon hides.
        apart = {tier != "bare"}  # where a wall refuses a session of its own, without
        if not os.fork():
            if apart:
                os.setsid()
            if not os.fork():
                subprocess.Popen([sys.executable, "-I", "-S", "-c", mark], start_new_session=apart)
                say("started")
            os._exit(0)
        os.wait()
        time.sleep(0.15)
        """
    )
    assert (ending.how, said) == ("done", "started\n")
    assert gone(str(tmp_path))


def test_nothing_stays_when_it_is_stopped(behind, tier, tmp_path):
    ending, _ = behind(
        f"""
        import time  # {tmp_path}
        if not os.fork() and {tier != "bare"}:
            os.setsid()
        time.sleep(60)
        """,
        own_s=0.4,
    )
    assert ending.how == "late"
    assert gone(str(tmp_path))


@pytest.mark.usefixtures("behind")
def test_it_dies_with_the_grader(tier, tmp_path):
    root = Path(__file__).parents[3]
    code = (
        "from pathlib import Path; from tests.autograder.isolation.attackers import attack; "
        f"attack({tier!r}, Path({str(tmp_path / 'apart')!r}), 'import time; say(1); time.sleep(60)  # {tmp_path}')"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path]), "TMPDIR": str(tmp_path)}
    grader = subprocess.Popen([sys.executable, "-c", code], env=environment)
    inner = f"time.sleep(60)  # {tmp_path}"
    while not [pid for pid in alive(inner) if pid != grader.pid]:
        assert grader.poll() is None
        time.sleep(0.02)
    time.sleep(0.2)
    grader.send_signal(signal.SIGKILL)
    grader.wait()
    assert gone(inner)
