"""Counting what a process and its descendants take."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
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
    assert sorted(look(family.pid).values()) == [1, 2]


@pytest.mark.parametrize("look", [watch.tree, watch.whole_tree])
def test_a_process_that_is_gone_has_none(look):
    done = subprocess.Popen(["/bin/true"])
    done.wait()
    assert look(done.pid) == {}


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
