"""Example submissions: a lab's notebook with some task cells replaced, one fault a file.

A file of `tests/submissions/{correct,wrong,hostile}/<lab>/` looks like this:

    # The halo is read from the other side of the image.
    # loses: conv_strided.same conv_strided.stride conv_strided.close
    # says: halo|border
    # %% task: conv_strided
    from numba import cuda
    ...

Tasks that a file doesn't give come from the lab's solution; after a line `# base: release` they stay
as the release has them. `loses` names the items that must be lost, or `everything`; without it none
may be. `says` is a pattern that a reason or hint must match.

A hostile file further says which `attack` of the list it is, what `defence` stops it, and its end: `loses`,
`refused` (a pattern that the reason for reading nothing of it matches) or `harmless` (why it earns what it
earns). `gpu: yes` marks what only a GPU puts to the test; `loses on gpu` what is lost there besides.
Attacks that need more than cells lie in `built/`: the same header over a function `build(notebook, folder)`
that hands in whatever it likes; `tasks` names what is graded.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpulabs.errors import BadInputError

_CELL = re.compile(r"^# %%(.*)$", re.MULTILINE)
_TITLE = re.compile(r"task: *(\w+)\s*$")
_MARKER = re.compile(r"\A\s*# *task: *(\w+)[ \t]*\n?")
_HEADER = re.compile(
    r"^# *(loses on gpu|loses|says|base|attack|defence|refused|harmless|gpu|tasks): *(.*)$", re.MULTILINE
)
_ITEM = re.compile(r"\w+\.\w+|everything")


@dataclass(frozen=True)
class Example:
    """An example submission, as its file says.

    Attributes:
        name: The file's name without ending.
        cells: Task id -> source of its cell.
        loses: The items that must be lost, `task.item`, or `everything`.
        says: A pattern that one of the reasons or hints must match; may be empty.
        base: `solution` or `release`: where the other tasks come from.
        title: The file's first line.
        attack: Of a hostile one: what of the list it tries.
        defence: What stops it.
        refused: A pattern of the reason for which nothing of it is run; empty for what is graded.
        harmless: Why it keeps its points, or empty.
        gpu: Whether only a GPU puts the attack to the test.
        loses_on_gpu: The items that must be lost on a GPU besides.
        tasks: Ids of the tasks that it is about.
    """

    name: str
    cells: dict[str, str]
    loses: tuple[str, ...] = ()
    says: str = ""
    base: str = "solution"
    title: str = ""
    attack: str = ""
    defence: str = ""
    refused: str = ""
    harmless: str = ""
    gpu: bool = False
    loses_on_gpu: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


def task_cells(text: str) -> dict[str, str]:
    """Returns task id -> cell source of a percent-format text.

    A task's cell starts with `# %% task: <id>`, or its first line is `# task: <id>` as in a lab's source.
    """
    pieces = _CELL.split(text)
    found: dict[str, str] = {}
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        match = _TITLE.search(title) or _MARKER.match(body)
        if match:
            found[match.group(1)] = f"# task: {match.group(1)}\n{_MARKER.sub('', body).strip()}\n"
    return found


def read_example(path: Path) -> Example:
    """Reads an example's file.

    Raises:
        BadInputError: It can't be read, or its header says what it can't mean.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: can't be read as an example submission ({error})") from error
    head = _CELL.split(text, maxsplit=1)[0]
    header = {key: value.strip() for key, value in _HEADER.findall(head)}
    base = header.get("base", "solution")
    if base not in ("solution", "release"):
        raise BadInputError(f"{path}: base is {base!r}, expected solution or release")
    loses, loses_on_gpu = (tuple(header.get(key, "").split()) for key in ("loses", "loses on gpu"))
    for item in (*loses, *loses_on_gpu):
        if not _ITEM.fullmatch(item):
            raise BadInputError(f"{path}: loses has {item!r}, expected <task>.<item> or everything")
    cells = task_cells(text)
    return Example(
        path.stem,
        cells,
        loses,
        header.get("says", ""),
        base,
        title=head.lstrip().partition("\n")[0].lstrip("# "),
        **{key: header.get(key, "") for key in ("attack", "defence", "refused", "harmless")},
        gpu=header.get("gpu") == "yes",
        loses_on_gpu=loses_on_gpu,
        tasks=tuple(header.get("tasks", "").split()) or tuple(cells),
    )


def example_notebook(path: Path, released: Mapping[str, Any], solution_cells: Mapping[str, str]) -> dict[str, Any]:
    """Makes the notebook that a student of this example would hand in.

    Args:
        path: The example's file.
        released: The lab's released notebook, as `json.loads` gave it; not changed.
        solution_cells: Task id -> source of the lab's solution, from `task_cells`.

    Returns:
        The notebook, ready for `json.dumps`.

    Raises:
        BadInputError: The example has a task that the notebook lacks.
    """
    example = read_example(path)
    notebook = copy.deepcopy(dict(released))
    cells = {**(solution_cells if example.base == "solution" else {}), **example.cells}
    placed = set()
    for cell in notebook["cells"]:
        source = cell["source"]
        match = _MARKER.match(source if isinstance(source, str) else "".join(source))
        task = match.group(1) if match and cell["cell_type"] == "code" else None
        if task in cells:
            cell["source"] = cells[task]
            placed.add(task)
    lost = set(example.cells) - placed
    if lost:
        raise BadInputError(f"{path}: the released notebook has no cell of task {sorted(lost)[0]!r}")
    return notebook
