"""What a lab's notebook calls: `setup()` first, then `check()` and `hint()` in each stage.

`check()` grades what was *run*, not what was saved: it takes the latest executed version of
the task's cell from IPython's history and sends it down the same path that the instructor's
grader uses. Everything is printed to stdout, because nbgrader takes any word on stderr as a
failed cell, and the value returned is a built-in float, because it takes anything else as
full marks.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gpulabs.errors import GpulabsError, GraderError, RubricError
from gpulabs.recordings import recorded_on
from gpulabs.teaching import attempt, compare, measure, recorded, run, shrink

if TYPE_CHECKING:
    from autograder.result import ItemScore

__all__ = [
    "Session",
    "attempt",
    "check",
    "compare",
    "hint",
    "measure",
    "recorded",
    "recorded_on",
    "run",
    "setup",
    "shrink",
]

T = TypeVar("T")
WIDTH = 96
_INDENT = " " * 20  # below the titles
_HINT_COMMAND = re.compile(r"`gpulabs hint \w+ (\w+)`")
SIMULATOR_VARIABLE = "NUMBA_ENABLE_CUDASIM"


@dataclass(frozen=True)
class Session:
    """What `setup()` found.

    Attributes:
        lab: The lab, as `setup` was given it.
        gpu: The GPU's name; empty in the simulator.
    """

    lab: str
    gpu: str

    def size(self, gpu: T, simulator: T) -> T:
        """Picks the size of an experiment: the real one on a GPU, a small one in the simulator."""
        return gpu if self.gpu else simulator


_sessions: list[Session] = []  # the one of this kernel, last


def setup(lab: str, *, kernels: bool = True) -> Session:
    """Prepares the notebook: on the GPU where there is one, in Numba's simulator elsewhere.

    Run it first: Numba looks for its simulator once, when it is imported.

    Args:
        lab: The lab, by id or short name, e.g. `lab1`.
        kernels: Whether the lab writes kernels; others measure on the CPU where there is no GPU, and say so.

    Returns:
        The session; `session.size(gpu=..., simulator=...)` picks sizes.

    Example:
        >>> lab = setup("lab1")  # doctest: +SKIP
    """
    name = _gpu_name()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's log goes to stderr
    os.environ.setdefault("NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS", "0")  # labs start with tiny grids, on purpose
    simulated = os.environ.get(SIMULATOR_VARIABLE) == "1"
    if "numba" in sys.modules and not name and not simulated:
        print("Numba was imported before setup() and would look for a GPU. Restart the kernel, run this cell first.")
    if not name:
        os.environ[SIMULATOR_VARIABLE] = "1"
    elif simulated:
        print(f"{SIMULATOR_VARIABLE}=1 is set: using the simulator although there is a {name}.")
        name = ""
    if name:
        print(f"{lab} runs on your {name}, with real sizes.")
    elif not kernels:
        print(
            f"{lab} runs on this machine's CPU, because it has no CUDA GPU. What you measure are CPU results.\n"
            "For a GPU: on Colab, Runtime > Change runtime type > GPU."
        )
    else:
        _mend_simulator()
        print(
            f"{lab} runs in Numba's simulator, because this machine has no CUDA GPU. Results are the same, sizes are\n"
            "small, and times say nothing about a GPU. For a GPU: on Colab, Runtime > Change runtime type > GPU."
        )
    session = Session(lab, name)
    _sessions.append(session)
    return session


def hint(task: str, lab: str | None = None) -> None:
    """Prints the next hint for a task; ask again for a stronger one.

    Args:
        task: The task, e.g. `conv_first`.
        lab: The lab; the one given to `setup()` by default.
    """
    from gpulabs.hints import next_hint

    try:
        print(_wrapped(next_hint(lab or _lab(), task), ""))
    except GpulabsError as error:
        print(error)


def check(task: str, *, lab: str | None = None, notebook: Path | str | None = None, device: str = "auto") -> float:
    """Grades one task just as the instructor will, prints the verdict and returns the points.

    Args:
        task: The task, e.g. `conv_first`.
        lab: The lab; the one given to `setup()` by default.
        notebook: A saved notebook to grade in place of the cells run in this kernel.
        device: `auto`, `gpu` or `simulator`, as for the grader.

    Returns:
        Points earned, a built-in float; pending points count 0 here.

    Example:
        >>> check("conv_first")  # doctest: +SKIP
        20.0
    """
    from autograder.path import grade
    from autograder.submission import from_cells

    try:
        name = lab or _lab()
        if notebook is not None:
            graded: Any = Path(notebook)
        else:
            cells = _executed(task)
            if cells is None:
                print(f'No cell that starts with "# task: {task}" has been run yet. Run it, then check again.')
                return 0.0
            graded = from_cells(_lab_id(name), cells)
        with contextlib.redirect_stderr(sys.stdout):
            result = grade(graded, name, tasks=(task,), device=device, pictures=False)
    except (GraderError, RubricError) as error:
        print(f"The grader failed, not you; no points are lost by this. It said: {error}")
        return 0.0
    except GpulabsError as error:
        print(error)
        return 0.0
    items = [item for item in result.items if item.task == task]
    print(verdict(task, items))
    for note in result.notes:
        print(_wrapped(f"note: {note}", "  "))
    return float(sum(item.points for item in items))


def verdict(task: str, items: Sequence[ItemScore]) -> str:
    """Sets items as a small table: status, points, what was asked; below it why, and what to look at.

    Args:
        task: The task, for the headline.
        items: Its scored items.

    Returns:
        Lines of at most `WIDTH` characters.
    """
    earned, most = sum(item.points for item in items), sum(item.max_points for item in items)
    lines = [f"{task}: {earned:g} of {most:g} points"]
    said = ""
    for item in items:
        points = "   -" if item.status in ("pending", "withheld") else f"{item.points:4g}"
        line = f"  {item.status:<8} {points} /{item.max_points:3g}  {item.title}"
        below = _why(item)
        if item.status == "earned" and len(line) + len(item.reason) + 2 <= WIDTH:
            lines.append(f"{line}: {item.reason}".rstrip(": "))
        elif below and below == said:
            lines += [line, f"{_INDENT}As above."]
        else:
            lines += [line, below] if below else [line]
        said = below
    pending = sum(item.max_points for item in items if item.status == "pending")
    if earned == most:
        lines.append("All points. On to the next stage.")
    elif pending and earned + pending == most:
        lines.append(f"Nothing lost; {pending:g} points wait for a GPU, here or on your instructor's machine.")
    elif any(item.status == "lost" for item in items):
        lines.append(f'Stuck? hint("{task}") gives one hint at a time.')
    return "\n".join(lines)


def _why(item: ItemScore) -> str:
    """An item's reason, where in the notebook, and its hint, indented below its title."""
    where = f" (cell {item.cell}, line {item.line})" if item.cell and item.line else ""
    if f"line {item.line})" in item.reason:  # a fault may have named it
        where = ""
    reason = [item.reason + where] if item.reason else []
    hint_text = _HINT_COMMAND.sub(r'hint("\1")', item.hint)  # a notebook has a call where a terminal has a command
    return "\n".join(_wrapped(text, _INDENT) for text in [*reason, *([f"Hint: {hint_text}"] if hint_text else [])])


def _mend_simulator() -> None:
    """Lets the simulator take what a GPU and the grader take; it comes too late for a Numba that was there before."""
    from numba import config

    if config.ENABLE_CUDASIM:
        from gpulabs import simulator

        simulator.install()


def _lab() -> str:
    if not _sessions:
        raise GpulabsError('run the set-up cell first: setup("lab1") tells which lab this notebook is')
    return _sessions[-1].lab


def _lab_id(lab: str) -> str:
    from autograder.rubric import load

    return load(lab).id


def _executed(task: str) -> dict[str, str] | None:
    """All cells run in this kernel, in order, by name; None if the task's own was not among them.

    Of a cell that was run again only the last version counts; the other cells are there for what
    the task's cell takes from them: imports, constants, helper functions.
    """
    from IPython import get_ipython

    shell = get_ipython()
    history = shell.user_ns.get("In", []) if shell is not None else []
    cells: dict[str, str] = {}
    for number, cell in enumerate(history):
        first = str(cell).lstrip().split("\n", 1)[0].strip()
        name = first.removeprefix("# task: ") if first.startswith("# task: ") else f"In [{number}]"
        cells.pop(name, None)
        cells[name] = str(cell)
    return cells if task in cells else None


def _gpu_name() -> str:
    """The first CUDA device's name, from the driver itself; empty without driver or device.

    Neither Numba nor TensorFlow may be imported for this: both decide things at import.
    """
    library = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return ""
    device, name = ctypes.c_int(), ctypes.create_string_buffer(100)
    ready = driver.cuInit(0) == 0 and driver.cuDeviceGet(ctypes.byref(device), 0) == 0
    return name.value.decode() if ready and driver.cuDeviceGetName(name, 100, device) == 0 else ""


def _wrapped(text: str, indent: str) -> str:
    paragraphs = text.split("\n")
    return "\n".join(textwrap.fill(p, WIDTH, initial_indent=indent, subsequent_indent=indent) for p in paragraphs)
