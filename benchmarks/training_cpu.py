"""A CIFAR-10 epoch of `gpulabs train` on this machine's CPU: its time, its bar, and that SIGKILL loses no epoch.

    python -m benchmarks.training_cpu --name "CIFAR-10, JPEG set"        GPULABS_DATA says where the archive lies

Two epochs are asked for. The process is killed when a tenth of the second is done, and the same command is given
again: it has to begin with the second epoch, which is the one that is timed.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RECORD = Path(__file__).parent / "results" / "training_cpu.json"
COMMAND = [sys.executable, "-m", "gpulabs", "train", "--epochs", "2", "--json", "--checkpoint"]
LAST_EPOCH = re.compile(r"Epoch 2/2")
BAR = re.compile(r"(\d+)/(\d+)[\x1b ][^\r\n]*?step")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="CIFAR-10", help="what the images are, for the record")
    parser.add_argument("--out", type=Path, default=RECORD)
    arguments = parser.parse_args()
    from benchmarks import record

    load = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as folder:
        killed = watch([*COMMAND, folder], kill_at=0.1)
        load.append(os.getloadavg()[0])
        resumed = watch([*COMMAND, folder])
    load.append(os.getloadavg()[0])
    if killed["exit_code"] != -signal.SIGKILL or resumed["exit_code"]:
        sys.exit(f"killed: {killed}\nresumed: {resumed}")
    found = json.loads(resumed["output"])
    fields = {
        **{"images": arguments.name, "batch_size": found["batch_size"], "precision": found["precision"]},
        "cores": len(os.sched_getaffinity(0)),
        "load_average": load,
        "epoch_s": found["epoch_seconds"],
        "history": found["history"],
        "killed": {"after_s": killed["seconds"], "bar_moved": killed["moves"], "at_step": killed["step"]},
        "resumed": {"after_s": resumed["seconds"], "bar_moved": resumed["moves"], "epochs_trained": resumed["epochs"]},
    }
    record.write(arguments.out, record.record("training_cpu", "python -m benchmarks.training_cpu", fields))


def watch(command: list[str], kill_at: float | None = None) -> dict[str, Any]:
    """Runs a training as on a terminal, and reads its bar.

    Args:
        command: What to run.
        kill_at: The share of the last epoch after which it is killed.

    Returns:
        Exit code, standard output, seconds, how often the bar moved, its last step, and the epochs that began.
    """
    terminal, theirs = pty.openpty()
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=theirs)
        os.close(theirs)
        seen, steps = "", []
        while (more := _read(terminal, child)) is not None:
            seen += more
            steps = progress(seen)
            if kill_at is not None and LAST_EPOCH.search(seen) and steps and steps[-1] >= kill_at:
                child.kill()
                break
        child.wait()
        os.close(terminal)
        output.seek(0)
        said = output.read()
    return {
        **{"exit_code": child.returncode, "output": said, "seconds": time.monotonic() - start},
        **{"moves": len(set(steps)), "step": steps[-1] if steps else None},
        "epochs": re.findall(r"Epoch (\d+)/", seen),
    }


def progress(seen: str) -> list[float]:
    """The shares of the last epoch that its bar showed.

    Example:
        >>> progress("Epoch 1/2\\n390/390 1s/step\\nEpoch 2/2\\n39/390 1s/step\\n78/390 1s/step")
        [0.1, 0.2]
    """
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
