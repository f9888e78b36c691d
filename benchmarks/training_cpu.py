"""A CIFAR-10 epoch of `gpulabs train` on this machine's CPU: its time, its bar, and that SIGKILL does not lose it.

    python -m benchmarks.training_cpu --name "CIFAR-10, JPEG set"        GPULABS_DATA says where the archive lies

Two epochs are asked for. The process is killed when a twentieth of the second is done, and the same command is given
again: it has to begin with the second epoch, and is stopped there. (That weights and history are those of a run that
was never killed, to the bit, is what `tests/gpulabs/training/test_killed.py` shows.)
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RECORD = Path(__file__).parent / "results" / "training_cpu.json"
COMMAND = [sys.executable, "-m", "gpulabs", "train", "--epochs", "2", "--json", "--checkpoint"]
KILL_AT = 0.05
EPOCH = re.compile(r"Epoch (\d+)/2")
BAR = re.compile(r"(\d+)/(\d+)[\x1b ][^\r\n]*?step")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="CIFAR-10", help="what the images are, for the record")
    parser.add_argument("--out", type=Path, default=RECORD)
    arguments = parser.parse_args()
    import numpy as np

    from benchmarks import record
    from gpulabs.training import checkpoint

    load = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as folder:
        killed = watch([*COMMAND, folder], kill_at=KILL_AT)
        load.append(os.getloadavg()[0])
        with np.load(Path(folder, checkpoint.FILE)) as stored:
            kept = json.loads(stored["meta"].tobytes())
        resumed = watch([*COMMAND, folder], kill_at=KILL_AT)
    load.append(os.getloadavg()[0])
    if list(resumed["epochs"]) != ["2"] or kept["epochs_done"] != 1:
        sys.exit(f"killed: {killed}\nresumed: {resumed}\nkept: {kept}")
    fields = {
        **{"images": arguments.name, "batch_size": kept["run"]["batch_size"], "program": kept["run"]["program"]},
        **{"cores": len(os.sched_getaffinity(0)), "load_average": load},
        "epoch_s": killed["epochs"]["2"] - killed["epochs"]["1"],
        "bar_moved": killed["moves"]["1"],
        "history": kept["history"],
        "killed": {"after_s": killed["seconds"], "exit_code": killed["exit_code"], "epochs": list(killed["epochs"])},
        "resumed": {"began_with_epoch": 2, "first_line_after_s": resumed["epochs"]["2"]},
    }
    record.write(arguments.out, record.record("training_cpu", "python -m benchmarks.training_cpu", fields))


def watch(command: list[str], kill_at: float) -> dict[str, Any]:
    """Runs a training as on a terminal, reads its bar, and kills it when this share of the last epoch is done.

    Returns:
        Exit code, seconds; of the epochs that began, by number, the second they did, and how often the bar moved.
    """
    terminal, theirs = pty.openpty()
    start = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    seen = ""
    epochs: dict[str, float] = {}
    moves: dict[str, int] = {}
    while (more := _read(terminal, child)) is not None:
        seen += more
        for number in EPOCH.findall(seen):
            epochs.setdefault(number, time.monotonic() - start)
        steps = progress(seen)
        if epochs:
            moves[list(epochs)[-1]] = len(set(steps))
        if "2" in epochs and steps and steps[-1] >= kill_at:
            break
    child.kill()
    child.wait()
    os.close(terminal)
    seconds = time.monotonic() - start
    return {"exit_code": child.returncode, "seconds": seconds, "epochs": epochs, "moves": moves}


def progress(seen: str) -> list[float]:
    """The shares of the last epoch that its bar showed."""
    return [int(done) / int(steps) for done, steps in BAR.findall(re.split(r"Epoch \d+/\d+", seen)[-1])]


def _read(terminal: int, child: subprocess.Popen[bytes]) -> str | None:
    """What came; nothing for a while is an empty text, the end is None."""
    if not select.select([terminal], [], [], 1.0)[0]:
        return None if child.poll() is not None else ""
    try:
        return os.read(terminal, 65536).decode("utf-8", "replace") or None
    except OSError:  # Linux says so when the other side is closed
        return None


if __name__ == "__main__":
    main()
