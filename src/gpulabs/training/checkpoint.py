"""A training's state in a file: written whole or not at all, read only by the run that wrote it."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gpulabs.errors import BadInputError, DataError

FILE = "training.npz"
SCHEMA_VERSION = 1
_META = "meta"


@dataclass(frozen=True)
class State:
    """What a run needs to go on as if it had never stopped.

    Attributes:
        epochs_done: Epochs whose weights these are.
        history: The history so far: name -> a value an epoch.
        stopped: A callback ended the training.
        arrays: Every variable of model and optimizer, in their order.
    """

    epochs_done: int
    history: dict[str, list[float]]
    stopped: bool = False
    arrays: Sequence[Any] = field(default_factory=list)


def save(folder: Path, state: State, run: Mapping[str, Any]) -> None:
    """Writes the state; whoever is killed meanwhile leaves the state before it.

    Args:
        folder: Made if it is not there.
        state: What to keep.
        run: What the run is, for `load` to compare: names to numbers, strings or lists of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / (FILE + ".part")
    meta = {
        "schema_version": SCHEMA_VERSION,
        "epochs_done": state.epochs_done,
        "history": state.history,
        "stopped": state.stopped,
        "run": dict(run),
    }
    arrays = {f"{number:04d}": np.asarray(array) for number, array in enumerate(state.arrays)}
    with part.open("wb") as stream:
        np.savez(stream, **{_META: np.frombuffer(json.dumps(meta).encode(), np.uint8)}, **arrays)  # type: ignore[arg-type]
        stream.flush()
        os.fsync(stream.fileno())  # before the rename: a power cut must not leave a name without its bytes
    part.replace(folder / FILE)
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load(folder: Path, run: Mapping[str, Any]) -> State | None:
    """Reads the state, if there is one.

    Args:
        folder: Where `save` wrote.
        run: What this run is.

    Raises:
        BadInputError: It is another run's; the message says in what they differ.
        DataError: It can't be read.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            meta = json.loads(stored[_META].tobytes())
            names = sorted(name for name in stored.files if name != _META)
            arrays = [stored[name] for name in names]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"checkpoint {path}: can't be read ({error}); delete it to train from the start, or give another folder"
        ) from error
    for name in sorted({*run, *meta["run"]}):
        stored_value, now = meta["run"].get(name), run.get(name)
        if stored_value != now:
            raise BadInputError(
                f"checkpoint {path}: of another run, whose {name} is {_short(stored_value)}, and now {_short(now)}; "
                "give another folder, or delete it to train from the start"
            )
    return State(meta["epochs_done"], meta["history"], meta["stopped"], arrays)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
