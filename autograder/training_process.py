"""Trains what submissions declare, as a program that may die: `python -m autograder.training_process FOLDER`.

No student code is here, only networks and plans as plain values, read anew by `gpulabs.declared`. Of the test set it
is given the images and not the labels: it leaves predictions, which `autograder.training_stage` compares.

    FOLDER/request.json               {"gpu": 0 or null, "jobs": [{"name", "data", "network", "plan", "seed"}, ...]}
    FOLDER/<data>.<part>.npy          x_train, y_train, x_test
    FOLDER/done.jsonl                 one line a job: {"name", "losses", "epoch_s"}
    FOLDER/<name>.test.npy            its classes of the test images, uint8
    FOLDER/<name>.train.npy           its classes of the first training images, as many
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gpulabs.declared import read_network, read_plan, train
from gpulabs.errors import GpulabsError, GraderError
from gpulabs.training import prepare
from gpulabs.trial import classes, stop_watch


def main(folder: Path) -> None:
    """Works through the request's jobs."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    _choose(request["gpu"])
    with (folder / "done.jsonl").open("a", encoding="utf-8") as done:
        for job in request["jobs"]:
            print(json.dumps(_train(folder, job)), file=done, flush=True)


def _choose(gpu: int | None) -> None:
    """Trains on this GPU alone, or on none."""
    if gpu is not None:
        prepare()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpu is not None and len(gpus) <= gpu:
        raise GraderError("TensorFlow finds no GPU: `gpulabs doctor` says why")
    tf.config.set_visible_devices([] if gpu is None else gpus[gpu : gpu + 1], "GPU")


def _train(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    x_train, y_train, x_test = (
        np.load(folder / f"{job['data']}.{part}.npy") for part in ("x_train", "y_train", "x_test")
    )
    network = read_network(job["network"], x_train.shape[1:])
    watch = stop_watch()
    model, history = train(network, read_plan(job["plan"]), x_train, y_train, seed=job["seed"], callbacks=[watch])
    for part, images in (("test", x_test), ("train", x_train[: len(x_test)])):
        np.save(folder / f"{job['name']}.{part}.npy", classes(model, images))
    losses = [float(loss) for loss in history.history["loss"]]
    return {"name": job["name"], "losses": losses, "epoch_s": watch.epoch_s}


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except GpulabsError as error:
        print(error, file=sys.stderr)
        sys.exit(int(error.exit_code))
