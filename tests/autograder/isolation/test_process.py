"""Starting a worker module, waiting for it, stopping it; what trusted code takes from its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time

import pytest

from autograder import isolation
from autograder.isolation import Limits, process
from gpulabs.errors import MissingError


@pytest.fixture
def worker(tmp_path, each_tier):
    """Runs Python text as a worker module and returns how it ended and what it wrote to `said`."""
    code, folder = tmp_path / "code", tmp_path / "work"
    code.mkdir()

    def run(text, *, signs=None, stop=None, request=b"", peer=None, **limits):
        (code / "attacker.py").write_text("import sys, pathlib, time\nfolder = pathlib.Path(sys.argv[1])\n" + text)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        bounds = Limits(**({"own_s": 20.0} | limits))
        ending = isolation.run(
            "attacker",
            folder,
            bounds,
            signs=signs,
            stop=stop,
            request=request,
            tier_name=each_tier,
            extra=[code],
            peer=peer,
        )
        said = folder / "said"
        return ending, said.read_text() if said.exists() else ""

    return run


SAY = "(folder / 'said').write_text(str({}))"


def test_a_worker_that_ends_well_is_done(worker):
    ending, said = worker("print(sys.stdin.read().upper())\n" + SAY.format("'fine'"), request=b"asked")
    assert (ending.how, ending.status, ending.output, said) == ("done", 0, b"ASKED\n", "fine")


def test_a_signal_is_told_as_a_shell_does(worker):
    ending, _ = worker("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert (ending.how, ending.status) == ("failed", 137)


def test_time_is_limited(worker):
    started = time.monotonic()
    ending, _ = worker("time.sleep(60)", own_s=0.5)
    assert ending.how == "late"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("time.sleep(60)", "idle"),
        ("import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()", "idle"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "idle"),
        ("while True: pass", "quiet"),
    ],
)
def test_silence_is_limited(worker, text, how):
    ending, _ = worker(text, quiet_s=0.5)
    assert ending.how == how


HOGS = 4
ALONG_WITH_HOGS = """
end = time.process_time() + 0.6
while time.process_time() < end: pass
(folder / 'said').write_text('fine')
"""


@pytest.mark.skipif(not shutil.which("taskset"), reason="no taskset, which chooses a core")
def test_a_busy_machine_takes_nothing_away(worker, monkeypatch):
    """0.6 s of work where four others want the same core: 3 s by the clock on the wall."""
    core, line = str(max(os.sched_getaffinity(0))), process.launch_line
    monkeypatch.setattr(process, "launch_line", lambda *given: ["taskset", "-c", core, *line(*given)])
    loop = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    command = ["taskset", "-c", core, sys.executable, "-I", "-S", "-c", loop]
    # Sessions of their own: Linux may share a core out by session first, and the worker has one.
    hogs = [subprocess.Popen(command, start_new_session=True) for _ in range(HOGS)]
    try:
        started = time.monotonic()
        ending, said = worker(ALONG_WITH_HOGS, own_s=1.6, quiet_s=1.3)
        took = time.monotonic() - started
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    assert (ending.how, said) == ("done", "fine")
    assert took > 1.6, "the machine was not busy: this test showed nothing"


def test_a_machine_that_is_too_busy_is_told(worker, monkeypatch):
    monkeypatch.setattr(process.watch.Watch, "cpu_s", lambda watched: 0.0)
    monkeypatch.setattr(process.watch.Watch, "wants_more", lambda watched: True)
    ending, _ = worker("time.sleep(60)", own_s=0.3, patience_s=0.6)
    assert ending.how == "starved"


def test_whom_linux_ended_for_memory_is_told(worker, monkeypatch):
    counts = iter([3, 4])
    monkeypatch.setattr(process.watch, "ended_for_memory", lambda: next(counts))
    ending, _ = worker("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert ending.how == "oom"


def test_signs_of_progress_break_the_silence(worker, tmp_path):
    text = "for n in range(4):\n    (folder / 'signs').write_text('.' * n)\n    time.sleep(0.4)"
    ending, _ = worker(text, quiet_s=1.0, signs=tmp_path / "work" / "signs")
    assert ending.how == "done"


class Echo:
    """A peer that repeats lines, slowly."""

    broken = ""

    def __init__(self, takes_s=0.0):
        self.takes_s, self.taken = takes_s, 0.0

    def taken_s(self):
        return self.taken

    def serve(self, requests, answers, over):
        while text := os.read(requests, 100):
            self.taken += self.takes_s
            time.sleep(self.takes_s)
            os.write(answers, text)
            if b"forged" in text:
                self.broken = "forged"


def test_a_peer_answers_over_the_standard_streams(worker):
    ending, said = worker("print('hello', flush=True)\n" + SAY.format("input()"), peer=Echo())
    assert (ending.how, said) == ("done", "hello")


def test_what_the_peer_takes_is_not_on_the_workers_clock(worker):
    text = "print('hello', flush=True)\ninput()\ntime.sleep(0.1)\n" + SAY.format("'fine'")
    ending, said = worker(text, peer=Echo(takes_s=2.5), quiet_s=2.0)
    assert (ending.how, said) == ("done", "fine")


def test_a_peer_that_has_enough_ends_the_worker(worker):
    ending, said = worker("print('forged', flush=True)\ntime.sleep(60)\n" + SAY.format("'on'"), peer=Echo())
    assert (ending.how, said) == ("channel", "")


def test_what_goes_wrong_with_the_peer_is_raised(worker):
    class Bad(Echo):
        def serve(self, requests, answers, over):
            raise KeyError("a bug of the grader's")

    with pytest.raises(KeyError):
        worker("", peer=Bad())


def test_another_thread_stops_it(worker):
    stop = threading.Event()
    stop.set()
    assert worker("time.sleep(60)", stop=stop)[0].how == "late"


def test_modules_left_in_the_folder_are_not_imported(worker):
    text = "(folder / 'colorsys.py').write_text('raise SystemExit(3)')\nimport colorsys\n" + SAY.format(
        "colorsys.__file__"
    )
    assert "work" not in worker(text)[1]


def test_it_imports_the_packages_and_what_they_need(worker):
    text = "import numpy, autograder.evidence, gpulabs\n" + SAY.format("numpy.float32(2)")
    assert worker(text)[1] == "2.0"


def test_no_link_in_its_folder_leads_the_grader_to_another_file(worker, tmp_path):
    secret, folder = tmp_path / "secret", tmp_path / "work"
    secret.write_text("mine")
    ending, _ = worker(
        "for name in ('stdout.txt', 'stderr.txt', 'request.json'):\n"
        f"    (folder / name).symlink_to({str(secret)!r})\n"
        "sys.exit('not yours')"
    )
    assert "not yours" in ending.stderr
    isolation.write_new(folder / "request.json", b"asked")

    assert secret.read_text() == "mine"
    assert isolation.read_regular(folder / "request.json", 10) == b"asked"
    assert isolation.read_regular(folder / "stdout.txt", 10) == b""


def test_windows_is_sent_to_wsl(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(process.os, "name", "nt")
        with pytest.raises(MissingError) as error:
            isolation.require_posix()
    assert "WSL" in str(error.value)


def test_nothing_that_only_unix_has_is_needed_to_import():
    code = (
        "import sys, signal\n"
        "for name in ('resource', 'fcntl', 'pwd', 'termios'): sys.modules[name] = None\n"
        "del signal.SIGALRM, signal.SIGKILL\n"
        "import autograder.path, autograder.cli, autograder.classroom, autograder.store, autograder.turns\n"
        "import autograder.worker.cells, autograder.linking, gpulabs.cli, gpulabs.notebook, gpulabs.terminal\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=60)
