"""Trains on the digits with `gpulabs train`, and kills it at random moments until it has ended by itself.

A process that has only imported TensorFlow forks the trainings: importing takes longer than training.

    python -m tests.gpulabs.training.killer FOLDER KILLS SEED
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from gpulabs.training import checkpoint

COMMAND = ("train", "--data", "digits", "--epochs", "12", "--batch", "500", "--deterministic", "--json")


def start(folder: Path, output: Path) -> int:
    """Returns the process id of a training."""
    child = os.fork()
    if child:
        return child
    sys.stdout = output.open("w", encoding="utf-8")
    from gpulabs import terminal
    from gpulabs.cli import app

    try:
        terminal.run_cli(app, "gpulabs", [*COMMAND, "--checkpoint", str(folder)])
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(int(end.code or 0))


def result(folder: Path, output: Path) -> dict[str, Any]:
    """Trains to the end."""
    _, status = os.waitpid(start(folder, output), 0)
    if status:
        raise SystemExit(f"the training ended with status {status}")
    return dict(json.loads(output.read_text(encoding="utf-8")))


def wait_for_news(path: Path, child: int) -> None:
    """Returns when the file is another one, or the training has ended."""

    def state() -> int | None:
        return path.stat().st_mtime_ns if path.exists() else None

    before = state()
    while state() == before and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.005)


def main(folder: Path, kills: int, seed: int) -> None:
    """Prints both results, and what the killed trainings had done."""
    import keras
    import tensorflow  # noqa: F401 (so that every training has it)

    assert keras.__version__
    whole = result(folder / "whole", folder / "whole.json")
    an_epoch = statistics.median(whole["epoch_seconds"])
    random = Random(seed)
    killed = []
    for _ in range(kills):
        child = start(folder / "killed", folder / "killed.json")
        if random.random() < 0.7:  # in the epoch after the next, or while it is written
            wait_for_news(folder / "killed" / checkpoint.FILE, child)
            time.sleep(random.uniform(0.0, 1.2) * an_epoch)
        else:  # while it starts
            time.sleep(random.uniform(0.0, 3.0))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed.append(os.WIFSIGNALED(status))
    print(json.dumps({"whole": whole, "killed": result(folder / "killed", folder / "killed.json"), "died": killed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
