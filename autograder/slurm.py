"""Slurm, as far as grading needs it: submit jobs through submitit, ask what became of them, cancel them.

States are asked of `squeue`, which every cluster has; submitit asks `sacct`, which needs a database. Jobs are found
by their name, not by numbers that a killed run took with it.
"""

from __future__ import annotations

import getpass
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.assemble import own_environment
from gpulabs.errors import BadInputError, GraderError, MissingError, MissingPackageError

ENDED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
}  # fmt: skip
"""States that a job doesn't come back from; one that is requeued is PENDING again."""

MINUTES, CORES, REQUEUES = 60, 4, 3
GPU_FLAGS = {"gres", "gpus", "gpus_per_node", "gpus_per_task", "gpus_per_socket"}
"""Whoever gives one of these says which GPU."""
ASK_S, END_S = 60.0, 120.0
"""Patience with a busy controller, and with jobs that are to end: `KillWait` is 30 s where nobody changed it."""


@dataclass(frozen=True)
class Wishes:
    """How jobs are submitted.

    Attributes:
        at_a_time: Jobs that may run at a time; None leaves it to the cluster.
        gpu: Whether each job gets a GPU.
        flags: Further options of sbatch, e.g. `partition`, with `_` for `-`; they win.
    """

    at_a_time: int | None = None
    gpu: bool = False
    flags: Mapping[str, str] = field(default_factory=dict)


def require() -> None:
    """Looks for what submitting takes.

    Raises:
        MissingError: No Slurm here.
        MissingPackageError: No submitit.
    """
    missing = [name for name in ("sbatch", "squeue", "scancel", "sinfo") if shutil.which(name) is None]
    if missing:
        raise MissingError(f"--executor slurm: {missing[0]} is not here; run it where jobs are submitted")
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise MissingPackageError('--executor slurm needs submitit: pip install "gpulabs[slurm]"') from None


def flags(texts: Sequence[str]) -> dict[str, str]:
    """Reads `KEY=VALUE` texts.

    Raises:
        BadInputError: One is something else.
    """
    read = {}
    for text in texts:
        key, equals, value = text.strip().removeprefix("--").partition("=")
        if not key or not equals or not key.replace("-", "").isalnum() or not value.isprintable():
            raise BadInputError(f"--sbatch {text!r}: expected an option of sbatch as KEY=VALUE, e.g. partition=gpu")
        read[key.replace("-", "_")] = value  # as submitit names its own, which these replace
    return read


def name_of(place: Path) -> str:
    """The name of all jobs of one folder."""
    return f"gpulabs-{hashlib.sha256(str(place.resolve()).encode()).hexdigest()[:12]}"


def has_gpus(partition: str | None = None) -> bool:
    """Whether nodes that jobs may get have GPUs that Slurm hands out.

    Raises:
        GraderError: Slurm does not answer.
    """
    said = _ask("sinfo", "--noheader", "--format=%G", *([f"--partition={partition}"] if partition else []))
    return any(gres.strip().startswith("gpu") for line in said.splitlines() for gres in line.split(","))


def submit(work: Callable[[str], None], asked: Sequence[Path], folder: Path, name: str, wishes: Wishes) -> list[str]:
    """Submits one job a file.

    Args:
        work: Called in the job with the file's path; pickled, and by its `checkpoint` requeued when time runs out.
        asked: The files, in a folder that the nodes share.
        folder: Of submitit's scripts and logs; shared likewise.
        name: Of the jobs.
        wishes: What they get.

    Returns:
        The jobs' numbers, in order.

    Raises:
        GraderError: Slurm refuses them.
    """
    import submitit

    # -P: the folder that the command was started in may hold a student's numpy.py.
    executor = submitit.SlurmExecutor(folder, max_num_timeout=REQUEUES, python=f"'{sys.executable}' -P")
    executor.update_parameters(
        job_name=name,
        time=MINUTES,
        cpus_per_task=CORES,
        setup=[f"export PYTHONPATH='{own_environment()['PYTHONPATH']}'"],
        stderr_to_stdout=True,
        additional_parameters={"requeue": True, **wishes.flags},
        **({"gpus_per_node": 1} if wishes.gpu and not wishes.flags.keys() & GPU_FLAGS else {}),
        **({"array_parallelism": wishes.at_a_time} if wishes.at_a_time else {}),
    )
    try:
        jobs = executor.map_array(work, [str(path) for path in asked])
    except Exception as error:  # submitit's own, with what sbatch wrote
        said = [line for line in str(error).splitlines() if "error" in line.lower()] or [str(error)]
        raise GraderError(
            f"Slurm refused the jobs: {said[-1].strip()[:300]}; --sbatch KEY=VALUE gives options"
        ) from error
    return [str(job.job_id) for job in jobs]


def states(name: str) -> dict[str, str]:
    """What Slurm knows of the jobs of a name: number -> state; those that ended a while ago are forgotten.

    Raises:
        GraderError: Slurm does not answer.
    """
    said = _ask(
        *("squeue", "--noheader", "--array", "--states=all", f"--name={name}"),
        *(f"--user={getpass.getuser()}", "--format=%i|%T"),
    )
    return dict(line.strip().split("|", 1) for line in said.splitlines() if "|" in line)


def active(name: str) -> list[str]:
    """The jobs of a name that wait or run.

    Raises:
        GraderError: Slurm does not answer.
    """
    return [job for job, state in states(name).items() if state not in ENDED]


def cancel(name: str, *, wait: bool = False) -> None:
    """Cancels all jobs of a name.

    Args:
        name: Theirs.
        wait: Until none is left.

    Raises:
        GraderError: Slurm does not answer, or a job does not end.
    """
    _ask("scancel", f"--name={name}", f"--user={getpass.getuser()}")
    ends = time.monotonic() + END_S
    while wait and active(name):
        if time.monotonic() > ends:
            raise GraderError(f"jobs of an earlier run do not end (squeue --name={name}); cancel them and run it again")
        time.sleep(1.0)


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GraderError(f"{command[0]} does not answer: {error}") from error
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise GraderError(f"{command[0]} failed: {last[0][:300]}")
    return done.stdout
