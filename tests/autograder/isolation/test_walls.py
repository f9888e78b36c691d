"""Each test attacks one property from behind the walls of the tiers that claim it, and really tries."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

import autograder
from autograder.isolation import attempts, view
from tests.autograder.isolation.attackers import WALLS

pytestmark = pytest.mark.parametrize("tier", WALLS)


def refused(said: str, *numbers: str) -> bool:
    """Whether every line tells of an error; of one of these, if any are given."""
    lines = said.splitlines()
    return bool(lines) and all("GOT" not in line and (not numbers or line.split()[-1] in numbers) for line in lines)


def test_no_network(behind):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        _, said = behind(
            f"""
            import socket
            tries("tcp", socket.create_connection, ("127.0.0.1", {server.getsockname()[1]}), 1)
            tries("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)))
            tries("netlink", socket.socket, socket.AF_NETLINK, socket.SOCK_RAW)
            tries("raw", socket.socket, socket.AF_PACKET, socket.SOCK_RAW)
            """
        )
        assert refused(said, "EPERM"), said
        with pytest.raises(BlockingIOError):
            server.accept()


def test_no_sockets_of_services_on_this_machine(behind, tmp_path):
    service, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    with service, abstract:
        service.bind(str(tmp_path / "docker.sock"))
        abstract.bind(f"\0gpulabs-{os.getpid()}")
        service.listen()
        abstract.listen()
        _, said = behind(
            f"""
            import socket
            tries("path", lambda: socket.socket(socket.AF_UNIX).connect({str(tmp_path / "docker.sock")!r}))
            tries("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\\0gpulabs-{os.getpid()}"))
            """
        )
    assert refused(said, "EPERM"), said


def test_no_files_of_other_submissions(behind, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "notebook.ipynb").write_text("their work")
    _, said = behind(
        f"""
        tries("read", lambda: open({str(other / "notebook.ipynb")!r}).read())
        tries("list", os.listdir, {str(other)!r})
        tries("up", lambda: open("../other/notebook.ipynb").read())
        tries("write", lambda: open({str(other / "new")!r}, "w"))
        tries("remove", os.unlink, {str(other / "notebook.ipynb")!r})
        """
    )
    assert refused(said), said
    assert [path.name for path in other.iterdir()] == ["notebook.ipynb"]


def test_no_results_where_the_grader_was_started(behind, tmp_path, monkeypatch):
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "results.jsonl").write_text("all points")
    monkeypatch.syspath_prepend(str(tmp_path / "course"))  # as `python -m autograder` does with its folder
    _, said = behind(f"tries('read', lambda: open({str(tmp_path / 'course' / 'results.jsonl')!r}).read())")
    assert refused(said), said


def test_no_solutions_beside_the_packages(behind):
    root = Path(autograder.__path__[0]).parent
    files = [path for path in (root / "pyproject.toml", *sorted(root.glob("solutions/*/*.py"))) if path.exists()]
    if not files:
        pytest.skip("an installed package, not a checkout: nothing lies beside it")
    _, said = behind(f"for path in {[str(path) for path in files]}: tries('read', lambda: open(path).read())")
    assert refused(said), said


def test_a_compiler_behind_a_link_is_read(behind, tmp_path, monkeypatch):
    (tmp_path / "cuda-12").mkdir()
    (tmp_path / "cuda-12" / "version").write_text("12")
    (tmp_path / "cuda").symlink_to("cuda-12")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    assert behind("say(open(os.environ['CUDA_HOME'] + '/version').read())")[1] == "12\n"


def test_no_home(behind):
    with tempfile.NamedTemporaryFile(dir=Path.home(), prefix=".gpulabs-test-") as secret:
        secret.write(b"a key")
        secret.flush()
        _, said = behind(
            f"""
            tries("read", lambda: open({secret.name!r}).read())
            say("home", "GOT" if os.environ["HOME"] != os.getcwd() else "own")
            """
        )
    assert refused(said), said


def test_nothing_is_read_outside_what_is_shown(behind):
    _, said = behind(
        "for path in ('/etc/passwd', '/etc/hostname', '/var', '/sys/kernel', '/run', '/tmp/..'):\n"
        "    tries(path, lambda: os.listdir(path) if path == '/tmp/..' else os.open(path, 0))"
    )
    lines = dict(line.split(" ", 1) for line in said.splitlines())
    top = lines.pop("/tmp/..")
    assert refused("\n".join(lines.values())), said
    assert top == "EACCES" or "'root'" not in top or Path.home() == Path("/root"), said


def test_only_its_folder_is_written(behind, tmp_path):
    _, said = behind(
        f"""
        for path in ("/tmp/new", "/new", "/dev/new", "/dev/shm/new", "/var/tmp/new", "/run/new", "/usr/new",
                     {str(Path(sys.prefix) / "new")!r}, {str(view.shelf() / "new")!r}, {str(tmp_path / "new")!r}):
            tries(path, lambda: open(path, "w"))
        """
    )
    assert refused(said), said
    assert behind("open('new', 'w').write('x'); say(open('new').read())")[1] == "x\n"


def test_no_writing_to_the_grader(behind):
    package = Path(autograder.__path__[0])
    _, said = behind(
        f"""
        tries("change", lambda: open({attempts.__file__!r}, "a"))
        tries("add", lambda: open({str(package / "sitecustomize.py")!r}, "w"))
        tries("replace", lambda: os.rename({attempts.__file__!r}, {attempts.__file__ + ".old"!r}))
        tries("shelf", lambda: os.unlink({str(view.shelf() / "autograder")!r}))
        """
    )
    assert refused(said), said
    assert not (package / "sitecustomize.py").exists()


def test_no_way_out_through_links(behind, tmp_path):
    (tmp_path / "secret").write_text("a secret")
    _, said = behind(
        f"""
        os.symlink({str(tmp_path / "secret")!r}, "link")
        os.symlink("..", "up")
        tries("read", lambda: open("link").read())
        tries("write", lambda: open("link", "w"))
        tries("folder", lambda: open("up/secret").read())
        tries("hard", os.link, {str(tmp_path / "secret")!r}, "hard")
        tries("root", lambda: open("/proc/self/root{tmp_path}/secret").read())
        """
    )
    assert refused(said), said
    assert (tmp_path / "secret").read_text() == "a secret"


def test_no_view_of_other_processes(behind):
    own = os.getpid()
    _, said = behind(
        f"""
        for name in ("cmdline", "environ", "mem", "maps", "fd/0", "root/etc/passwd", "status"):
            tries(name, os.open, "/proc/{own}/" + name, 0)
        try:
            say("processes", "few" if len([n for n in os.listdir("/proc") if n.isdigit()]) < 6 else "GOT")
        except OSError:
            say("processes", "hidden")
        """
    )
    assert refused(said), said


def test_no_tracing(behind):
    _, said = behind(
        f"""
        import ctypes
        c = ctypes.CDLL(None, use_errno=True)
        def call(name, *arguments):
            if getattr(c, name)(*arguments) < 0:
                raise OSError(ctypes.get_errno(), "")
        child = os.fork()
        if not child:
            import time
            time.sleep(20)
        tries("own child", call, "ptrace", 16, child, None, None)
        tries("grader", call, "ptrace", 0x4206, {os.getpid()}, None, None)
        tries("memory", call, "process_vm_readv", {os.getpid()}, None, 0, None, 0, 0)
        tries("pidfd", os.pidfd_open, {os.getpid()})
        """
    )
    assert refused(said, "EPERM"), said


def test_no_signals_to_the_grader(behind):
    own = os.getpid()
    _, said = behind(
        f"""
        import fcntl, resource, signal
        tries("process", os.kill, {own}, 0)
        tries("group", os.killpg, {os.getpgrp()}, 0)
        tries("by file", fcntl.fcntl, 1, fcntl.F_SETOWN, {own})
        tries("limits", resource.prlimit, {own}, resource.RLIMIT_CPU)
        tries("priority", os.setpriority, os.PRIO_PROCESS, {own}, 19)
        tries("processors", os.sched_setaffinity, {own}, [0])
        """
    )
    assert refused(said), said


def test_no_end_of_what_supervises_it(behind):
    ending, said = behind("tries('parent', os.kill, os.getppid(), 9)\nsay('still here')")
    assert ending.how == "done", said
    assert said.endswith("still here\n")


def test_no_devices_but_null_zero_and_random(behind, tier):
    nodes = [node for node in Path("/dev").rglob("*") if not node.is_symlink() and not node.is_dir()]
    harmless = [str(node) for node in nodes if "watchdog" not in node.name]  # which acts on being opened
    _, said = behind(f"for path in {harmless}: tries(path, os.open, path, os.O_RDONLY | os.O_NONBLOCK)")
    opened = {line.split()[0] for line in said.splitlines() if "GOT" in line}
    # Landlock stands before the terminals that bubblewrap makes: a pair with nothing at the other end.
    empty = {"/dev/tty", "/dev/ptmx", "/dev/pts/ptmx"} if tier == "old" else set()
    assert {*view.DEVICES} <= opened <= {*view.DEVICES} | empty, said


def test_no_making_of_devices(behind):
    _, said = behind(
        """
        import stat
        tries("nvidia0", os.mknod, "nvidia0", stat.S_IFCHR | 0o666, os.makedev(195, 0))
        tries("disk", os.mknod, "disk", stat.S_IFBLK | 0o666, os.makedev(8, 0))
        """
    )
    assert refused(said, "EPERM"), said


def test_no_unusual_system_calls(behind):
    _, said = behind(
        f"""
        sys.path.insert(0, {str(Path(attempts.__file__).parent)!r})
        import attempts
        say(repr(attempts._calls()))
        """
    )
    assert said == "''\n"


def test_no_new_namespaces(behind):
    _, said = behind(
        """
        import ctypes
        c = ctypes.CDLL(None, use_errno=True)
        def call(name, *arguments):
            if getattr(c, name)(*arguments) < 0:
                raise OSError(ctypes.get_errno(), "")
        tries("unshare", call, "unshare", 0x10000000)
        tries("clone", call, "syscall", {"x86_64": 56, "aarch64": 220}[os.uname().machine], 0x10000011, 0, 0, 0, 0)
        tries("setns", call, "setns", 0, 0)
        """
    )
    assert refused(said, "EPERM"), said


def test_no_memory_that_nobody_counts(behind):
    _, said = behind(
        """
        import ctypes
        c = ctypes.CDLL(None, use_errno=True)
        def call(name, *arguments):
            if getattr(c, name)(*arguments) < 0:
                raise OSError(ctypes.get_errno(), "")
        tries("memfd", os.memfd_create, "x")
        tries("shared", call, "shmget", 0, 4096, 0o1600)
        tries("queue", call, "msgget", 0, 0o1600)
        """
    )
    assert refused(said, "EPERM", "ENOSYS"), said


def test_no_settings_of_the_kernel(behind):
    _, said = behind(
        """
        for path in ("sys/kernel/core_pattern", "sys/kernel/hostname", "sys/vm/drop_caches", "sysrq-trigger",
                     "self/oom_score_adj", "self/clear_refs"):
            tries(path, os.open, "/proc/" + path, os.O_WRONLY)
        """
    )
    assert refused(said), said
