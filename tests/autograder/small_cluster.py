"""A Slurm of this machine's own: real munged, slurmctld and slurmd in a folder, one node with two made-up GPUs.

Nothing of the system's configuration is touched or needed, and nothing is left behind: not even when the tests are
killed, for a process of its own waits for their end and ends what they have started.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from autograder.result import Result


# cred_expire is what a requeued job waits before it may start again; SlurmdTimeout, how soon a node counts as lost.
SETTINGS = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MailProg=/bin/true
JobRequeue=1
ReturnToService=2
SlurmdTimeout=3
SlurmdParameters=config_overrides
KillWait=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


DAEMONS = ("slurmd", "slurmctld", "munged")


@dataclass
class Cluster:
    """A running cluster; commands find it through `SLURM_CONF`.

    Attributes:
        folder: Its configuration, state and logs.
        processes: Its daemons by name.
    """

    folder: Path
    processes: dict[str, subprocess.Popen[bytes]]

    def start(self, name: str, *command: str) -> None:
        """Starts a daemon in the foreground."""
        environment = os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")}
        with (self.folder / f"{name}.out").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [name, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )

    def start_node(self) -> None:
        """Starts the node's daemon and waits until jobs can run there."""
        self.start("slurmd", "-D", "-f", str(self.folder / "slurm.conf"))
        up = {"idle", "mixed", "allocated"}
        wait_for(lambda: ask("sinfo", "-h", "-o", "%T").strip() in up, 20, "the node does not come up")

    def lose_node(self) -> None:
        """Kills the node's daemon and all that it runs, as a power cut would, and waits until Slurm has seen it."""
        daemon = self.processes.pop("slurmd")
        daemon.kill()
        daemon.wait()
        kill_all(job_processes(self.folder))
        wait_for(lambda: "down" in ask("sinfo", "-h", "-o", "%T"), 60, "the loss of the node is not seen")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Starts a cluster and ends it, jobs included.

    Args:
        folder: An empty one.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    settings = SETTINGS.format(host=socket.gethostname(), folder=folder, user=getpass.getuser(), ports=_free_ports(2))
    (folder / "slurm.conf").write_text(settings)
    # Slurm counts device files; that these are no GPUs it doesn't notice.
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(1024))
    cluster = Cluster(folder, {})
    files = {"socket": "munge.socket", "key-file": "munge.key", "log-file": "munged.log", "pid-file": "munged.pid"}
    before, after = os.environ.get("SLURM_CONF"), folder / "slurm.conf"
    undertaker = bury_after_us(folder)
    os.environ["SLURM_CONF"] = str(after)
    try:
        cluster.start(
            "munged",
            *("--force", "--foreground", "--num-threads=2", f"--seed-file={folder}/munged.seed"),
            *(f"--{option}={folder / name}" for option, name in files.items()),
        )
        wait_for((folder / "munge.socket").exists, 10, "munged does not start")
        cluster.start("slurmctld", "-D", "-f", str(after))
        wait_for(lambda: bool(ask("sinfo", "-h")), 20, "slurmctld does not answer")
        cluster.start_node()
        yield cluster
    finally:
        for name in DAEMONS:
            kill_all(job_processes(folder))
            if name in cluster.processes:
                # Asked to end, slurmctld takes ten seconds to save a state that nobody reads again.
                cluster.processes[name].kill()
                cluster.processes[name].wait()
        undertaker.communicate(timeout=60)
        os.environ.pop("SLURM_CONF")
        if before is not None:
            os.environ["SLURM_CONF"] = before


def ask(*command: str) -> str:
    """What a command of Slurm's prints; nothing where it fails."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=20).stdout


def wait_for(there: Callable[[], bool], most_s: float, otherwise: str) -> None:
    """Waits for something to become true."""
    ends = time.monotonic() + most_s
    while not there():
        if time.monotonic() > ends:
            raise AssertionError(f"{otherwise} within {most_s:g} s")
        time.sleep(0.1)


def bury_after_us(folder: Path) -> subprocess.Popen[bytes]:
    """Starts what ends a cluster when this process is gone, however that came; it waits at the other end of a pipe."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)}
    command = [sys.executable, "-m", "tests.autograder.small_cluster", str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)


def daemons(folder: Path) -> list[psutil.Process]:
    """The daemons of a cluster: each was given a file of its folder on its command line."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() in DAEMONS and any(f"{folder}/" in word for word in process.cmdline()):
                found.append(process)
    return found


def kill_all(processes: list[psutil.Process]) -> None:
    """Kills processes, those that have ended already included, and waits for them."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def job_processes(folder: Path) -> list[psutil.Process]:
    """All processes of this cluster's jobs, and the daemons that watch over them."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if _of_a_job(process, folder):  # a worker has no such environment, and is a child of one that has
                found |= {each.pid: each for each in [process, *process.children(recursive=True)]}
    return list(found.values())


def _of_a_job(process: psutil.Process, folder: Path) -> bool:
    if process.name() == "slurmstepd":  # it has lost its environment, and keeps the log open
        return any(Path(file.path).parent == folder for file in process.open_files())
    environment = process.environ()
    return "SLURM_JOB_ID" in environment and environment.get("SLURM_CONF") == str(folder / "slurm.conf")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def made_up_grade(notebook: Path, lab: str, *, student: str, **_: object) -> Result:
    """Stands for `autograder.path.grade` in a job: the notebook's text says what happens.

    It writes down each try: student, GPU, how often Slurm has started the job again.
    """
    from autograder.classroom import identity  # here: what waits for the end of the tests needs neither
    from tests.autograder.samples import result

    told = json.loads(notebook.read_text())
    with Path(told["tries"]).open("a") as tries:
        print(student, os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("SLURM_RESTART_COUNT", "0"), file=tries)
    if told.get("do") == "wait" and os.environ.get("SLURM_JOB_ID"):
        wait_for(Path(told["for"]).exists, 120, "what the grading waits for does not come")
    if told.get("do") == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(result(student, sha256=identity(notebook)), lab=lab, source=notebook.name)


if __name__ == "__main__":
    sys.stdin.read()  # ends when whoever holds the other end does
    place = Path(sys.argv[1])
    kill_all(daemons(place))
    kill_all(job_processes(place))
