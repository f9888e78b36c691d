"""Small steps that every stage of a lab repeats: compare a prediction, run, measure.

All of them answer in a sentence, and none of them stops a notebook in which a stage is
still to be written.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gpulabs.recordings import folders

CLOSE = 0.1  # a prediction within 10 % is as good as a back-of-an-envelope sum gets


def compare(prediction: Any, truth: float, unit: str = "", show: Any = None) -> Any:
    """Says how a prediction compares with the truth; keeps the truth back until there is one.

    Args:
        prediction: The student's number, or `...` while there is none.
        truth: What it turned out to be.
        unit: Its unit, for the sentence.
        show: A picture that gives the truth away.

    Returns:
        `show`, for the notebook to display; None while there is no prediction.

    Example:
        >>> compare(100, 400, "threads")
        You predicted 100 threads; it is 400 threads: your guess is 4 times too low.
    """
    if isinstance(prediction, bool) or not isinstance(prediction, int | float | np.number):
        print("No prediction yet: put a number in place of the dots, then run this cell again. A wrong guess is fine.")
        return None
    guess, unit = float(prediction), f" {unit}" if unit else ""
    said = f"You predicted {_number(guess)}{unit}; it is {_number(truth)}{unit}"
    if math.isclose(guess, truth, rel_tol=1e-9):
        print(f"{said}: exactly right.")
    elif truth and abs(guess - truth) <= CLOSE * abs(truth):
        print(f"{said}: within {CLOSE:.0%}.")
    elif guess > 0 and truth > 0:
        ratio = max(truth / guess, guess / truth)
        print(f"{said}: your guess is {_number(ratio)} times too {'low' if truth > guess else 'high'}.")
    else:
        print(f"{said}.")
    return show


def shrink(image: Any, step: int) -> Any:
    """Shrinks a photograph by averaging squares of pixels, and maps 0..255 to 0..1.

    Args:
        image: (H, W, 3), uint8.
        step: Pixels along the side of a square; 1 keeps the size.

    Returns:
        (H // step, W // step, 3), float32; the remainder at the end is cut off.
    """
    rows, columns = image.shape[0] // step, image.shape[1] // step
    squares = image[: rows * step, : columns * step].reshape(rows, step, columns, step, -1)
    return (squares.mean(axis=(1, 3)) / 255).astype(np.float32)


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a student's function; a stage still to be written gives a sentence and None.

    Args:
        function: The student's function.
        *arguments: Passed on.

    Returns:
        What the function returned, or None.
    """
    try:
        return function(*arguments)
    except NotImplementedError:
        name = getattr(function, "__name__", "this function")
        print(f"{name} is not written yet. Fill in its cell, run it, then run this cell again.")
        return None


def run(function: Callable[..., Any], *arguments: Any) -> Any:
    """Copies arrays to the device, calls a student's function there and copies its result back.

    Args:
        function: The student's host function; gets device arrays for NumPy arrays.
        *arguments: NumPy arrays and plain values.

    Returns:
        The result as a NumPy array, or None while the function is not written.
    """
    from numba import cuda

    def to_device(value: Any) -> Any:
        return cuda.to_device(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value

    result = attempt(function, *(to_device(value) for value in arguments))
    if result is None:
        return None
    if not hasattr(result, "copy_to_host"):
        print(f"{function.__name__} returned {type(result).__name__}; it has to return the device array y.")
        return None
    return result.copy_to_host()


def measure(function: Callable[..., Any], x: Any, w: Any, *arguments: Any) -> float | None:
    """Times a student's convolution on the GPU and says what it reaches.

    Args:
        function: The student's host function.
        x: Images, NHWC float32, a NumPy array; copied to the device once, untimed.
        w: Filters, HWIO float32; likewise.
        *arguments: Plain values that follow, e.g. stride and padding.

    Returns:
        GFLOP/s, or None in the simulator or while the function is not written.
    """
    from numba import config, cuda

    if getattr(config, "ENABLE_CUDASIM", False):
        print(
            f"{function.__name__}: not timed. A simulator that runs threads as Python says nothing about a GPU's speed."
        )
        return None
    from gpulabs.convolution import flops
    from gpulabs.timing import time_gpu

    placed = (cuda.to_device(x), cuda.to_device(w), *arguments)
    y = attempt(function, *placed)
    if y is None:
        return None
    summary = time_gpu(lambda: function(*placed))
    gflops = float(flops(y.shape, w.shape) / summary.median_ms / 1e6)
    spread = f"{summary.low_ms:.3f} to {summary.high_ms:.3f}"
    print(f"{function.__name__}: {summary.median_ms:.3f} ms ({spread}), {gflops:,.0f} GFLOP/s")
    return gflops


def recorded(*kernels: str, name: str = "ladder", folder: Path | None = None) -> dict[str, float]:
    """Prints times recorded on a GPU, for those who have none, and returns GFLOP/s by kernel.

    Args:
        *kernels: Which ones; all by default.
        name: Of the record.
        folder: Where to look; a checkout's `benchmarks/results`, then the package by default.

    Returns:
        Kernel -> GFLOP/s; empty where no record is installed.
    """
    for path in (place / f"{name}.json" for place in ((folder,) if folder else folders())):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            device = str(data["device"].get("gpu") or data["device"]["name"])
            rows = [(str(r["kernel"]), float(r["median_ms"]), float(r["gflops"])) for r in data["rows"]]
            rows = [row for row in rows if not kernels or row[0] in kernels]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        workload = f", {data['workload']}" if data.get("workload") else ""
        print(f"Recorded on one {device}{workload}:")
        for kernel, median_ms, gflops in rows:
            print(f"  {kernel:<16} {median_ms:8.3f} ms  {gflops:8,.0f} GFLOP/s")
        return {kernel: gflops for kernel, _, gflops in rows}
    print("No recorded GPU times are installed here.")
    return {}


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"
