"""The bar of an epoch, as Keras draws it."""

from __future__ import annotations

import sys
from typing import Any


class Progress:
    """Draws on stderr, so that a command's result on stdout stays clean.

    Args:
        verbose: 0 nothing, 1 a bar, 2 a line an epoch; `auto` is a bar in a notebook or on a terminal.
        epochs: In all.
        steps: Of an epoch.
    """

    def __init__(self, verbose: int | str, epochs: int, steps: int) -> None:
        self._verbose = int(watched()) if verbose == "auto" else int(verbose)
        self._epochs, self._steps = epochs, steps
        self._bar: Any = None

    def begin(self, epoch: int, note: str = "") -> None:
        """Starts an epoch, 0 for the first."""
        import keras

        if self._verbose:
            self._print(f"Epoch {epoch + 1}/{self._epochs}{note}")
            self._bar = keras.utils.Progbar(self._steps, verbose=self._verbose, unit_name="step")

    def steps(self, done: int) -> None:
        """Moves the bar."""
        if self._verbose == 1 and done < self._steps:
            self._update(done, [], False)

    def end(self, logs: dict[str, float]) -> None:
        """Completes the bar with the epoch's values."""
        if self._verbose:
            self._bar.stateful_metrics = set(logs)
            self._update(self._steps, list(logs.items()), True)

    def _update(self, done: int, values: list[tuple[str, float]], finalize: bool) -> None:
        import contextlib

        with contextlib.redirect_stdout(sys.stderr):
            self._bar.update(done, values, finalize=finalize)

    def _print(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def watched() -> bool:
    """Whether somebody sees it come: a terminal, a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules
