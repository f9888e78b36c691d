"""Counting what a process and its descendants take."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from autograder.isolation import watch
from autograder.isolation.limits import Limits


@pytest.fixture
def family():
    """A process with one child, which has a second thread."""
    child = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); print(1, flush=True)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-S', '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"1\n"
        yield parent
        watch.end(parent.pid)
        parent.kill()


@pytest.mark.parametrize("look", [watch.tree, watch.whole_tree])
def test_descendants_and_their_threads_are_found(family, look):
    assert sorted(member.threads for member in look(family.pid).values()) == [1, 2]


@pytest.mark.parametrize("look", [watch.tree, watch.whole_tree])
def test_a_process_that_is_gone_has_none(look):
    done = subprocess.Popen(["/bin/true"])
    done.wait()
    assert look(done.pid) == {}


@pytest.fixture
def headless():
    """A process whose first thread has ended; another, with 40 MiB and a deleted file of 2 MiB, goes on."""
    code = """
import ctypes, os, tempfile, threading, time
def stay():
    file = tempfile.TemporaryFile()
    file.write(os.urandom(2**21))
    file.flush()
    held = bytearray(40 * 2**20)
    print(1, flush=True)
    while True:
        time.sleep(0.01)
threading.Thread(target=stay).start()
ctypes.CDLL(None).syscall(ctypes.c_long(60 if os.uname().machine == "x86_64" else 93), 0)
"""
    command = [sys.executable, "-I", "-S", "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout.readline() == b"1\n"
        deadline = time.monotonic() + 5
        while "State:\tZ" not in Path(f"/proc/{process.pid}/status").read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        yield process
        process.kill()


@pytest.mark.parametrize("look", [watch.tree, watch.whole_tree])
def test_a_process_whose_first_thread_ended_is_not_over(headless, look):
    assert "State:\tZ" in Path(f"/proc/{headless.pid}/status").read_text()
    (member,) = look(headless.pid).values()
    assert member.threads == 2


@pytest.mark.parametrize(
    ("limit", "told"), [({"total_memory_bytes": 20 * 2**20}, "memory"), ({"disk_bytes": 2**20}, "disk"), ({}, "")]
)
def test_what_a_process_without_its_first_thread_takes_is_seen(headless, tmp_path, limit, told):
    looking = watch.Watch(headless.pid, tmp_path, (), Limits(**limit))
    assert looking.excess() == told


def test_a_process_without_its_first_thread_is_ended(headless):
    watch.end(headless.pid)
    assert headless.wait(5) == -9


def test_processor_time_is_that_of_all_and_of_children_that_ended():
    burn = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-I', '-S', '-c', {burn!r}])\n"
    code = f"{child}{burn}print(1, flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", code], stdin=-1, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"1\n"
        deadline = time.monotonic() + 5
        while (found := watch.effort_of(process.pid))[1] and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert 0.4 <= found[0] < 1.0
    assert found[1] is False


def test_children_of_every_thread_are_found():
    started, over = threading.Event(), threading.Event()
    pids = []

    def start():
        with subprocess.Popen(["/bin/sleep", "60"]) as child:
            pids.append(child.pid)
            started.set()
            over.wait()
            child.kill()

    thread = threading.Thread(target=start)
    thread.start()
    started.wait()
    try:
        assert pids[0] in watch.tree(os.getpid())
    finally:
        over.set()
        thread.join()


def test_what_lay_in_the_folder_before_does_not_count(tmp_path):
    (tmp_path / "inputs").write_bytes(os.urandom(2**21))
    looking = watch.Watch(os.getpid(), tmp_path, (), Limits(disk_bytes=2**20))
    assert looking.excess() == ""
    (tmp_path / "more").write_bytes(os.urandom(2**21))
    looking.next_disk = 0.0
    assert looking.excess() == "disk"


def test_workers_are_first_to_end_when_memory_runs_out(family, tmp_path):
    assert watch.Watch(family.pid, tmp_path, (), Limits()).excess() == ""
    marks = [Path(f"/proc/{pid}/oom_score_adj").read_text() for pid in watch.tree(family.pid)]
    assert marks == ["1000\n", "1000\n"]


def test_a_folder_of_very_many_files_is_too_much(family, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "MOST_ENTRIES", 5)
    looking = watch.Watch(family.pid, tmp_path, (), Limits())
    for number in range(6):
        (tmp_path / str(number)).touch()
    assert looking.excess() == "disk"
