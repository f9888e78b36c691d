"""A class that never was: submissions of Lab 1 in the shares of a real one, the same for the same seed.

Right and wrong ones come from `tests/submissions`, so that it is known what each must lose. Broken files are what
students really upload. Each file is unlike every other, as those of students are.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.examples import example_notebook, read_example, task_cells

ROOT = Path(__file__).parents[1]
LAB = "lab1_conv_kernel"
CORPUS = ROOT / "tests" / "submissions"

SHARES = {
    "right": 0.50,
    "one fault": 0.24,
    "two faults": 0.08,
    "unfinished": 0.10,
    "hostile": 0.04,
    "broken file": 0.04,
}
"""Of a class in its first week: half have it, a third lost points, a tenth ran out of time, a few uploads went wrong.
Attackers are rarer in life; here are enough of them to meet several kinds."""

TAMED = {"fork_bomb", "host_memory", "disk", "event_flood", "output_flood", "compile_bomb", "stopped", "kills"}
"""Attacks on the whole machine, which `tests/autograder/test_hostile.py` tries one at a time."""

Notebook = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A submission that was made.

    Attributes:
        student: Its student.
        kind: A key of `SHARES`.
        source: What it was made of.
        loses: The items that it must lose, `task.item`; None where that is not known beforehand.
    """

    student: str
    kind: str
    source: str
    loses: tuple[str, ...] | None


def build(folder: Path, count: int, seed: int) -> list[Made]:
    """Writes a class in nbgrader's layout.

    Args:
        folder: Gets `<student>/<lab>/`.
        count: Students.
        seed: Of everything that is drawn.
    """
    rng = random.Random(seed)
    kinds = [kind for kind, share in SHARES.items() for _ in range(round(share * count))][:count]
    kinds += ["right"] * (count - len(kinds))
    rng.shuffle(kinds)
    made = []
    for number, kind in enumerate(kinds):
        student = f"student-{number:03}"
        place = folder / student / LAB
        place.mkdir(parents=True)
        source, loses = _hand_in(kind, place, student, rng)
        made.append(Made(student, kind, source, loses))
    return made


def _hand_in(kind: str, place: Path, student: str, rng: random.Random) -> tuple[str, tuple[str, ...] | None]:
    if kind == "broken file":
        name = rng.choice(sorted(BROKEN))
        BROKEN[name](place, _notebook("correct/right", student))
        return name, ("everything",)
    if kind == "unfinished":
        notebook = _notebook("wrong/untouched_stub", student)
        solution = task_cells((ROOT / "solutions" / LAB / f"{LAB}.py").read_text("utf-8"))
        kept = sorted(rng.sample(sorted(solution), rng.randint(0, len(solution) - 1)))
        for cell in notebook["cells"]:
            task = next((task for task in kept if f"# task: {task}\n" in "".join(cell["source"])), None)
            cell["source"] = f"{solution[task]}# {student}\n" if task else cell["source"]
        _write(place, notebook)
        return f"only {', '.join(kept) or 'nothing'}", None
    folder = {"right": "correct", "hostile": "hostile"}.get(kind, "wrong")
    names = [f"{folder}/{path.stem}" for path in sorted((CORPUS / folder / LAB).glob("*.py"))]
    if kind == "hostile":
        names = [name for name in names if not any(name.endswith(f"availability_{what}") for what in TAMED)]
    chosen = [rng.choice(names)]
    if kind == "two faults":
        first = _example(chosen[0])
        apart = [name for name in names if not set(_example(name).cells) & set(first.cells)]
        chosen += [rng.choice(apart)] if apart and first.base == "solution" else []
    examples = [_example(name) for name in chosen]
    notebook = _notebook(chosen[0], student)
    for example in examples[1:]:
        _put(notebook, example.cells)
    _write(place, notebook)
    known = kind != "hostile" and all(example.base == "solution" for example in examples)
    return " and ".join(chosen), tuple(item for each in examples for item in each.loses) if known else None


def _example(name: str) -> Any:
    folder, _, stem = name.partition("/")
    return read_example(CORPUS / folder / LAB / f"{stem}.py")


def _notebook(name: str, student: str) -> Notebook:
    """An example's notebook, with the student's name in a comment of each task."""
    folder, _, stem = name.partition("/")
    released = json.loads((ROOT / "labs" / LAB / f"{LAB}.ipynb").read_text("utf-8"))
    solution = task_cells((ROOT / "solutions" / LAB / f"{LAB}.py").read_text("utf-8"))
    notebook = example_notebook(CORPUS / folder / LAB / f"{stem}.py", released, solution)
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and source.startswith("# task: "):
            cell["source"] = f"{source.rstrip()}\n# {student}\n"
    return notebook


def _put(notebook: Notebook, cells: dict[str, str]) -> None:
    for cell in notebook["cells"]:
        for task, source in cells.items():
            if "".join(cell["source"]).startswith(f"# task: {task}\n"):
                cell["source"] = source


def _write(place: Path, notebook: Notebook) -> None:
    (place / f"{LAB}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def _text(content: Callable[[str], str]) -> Callable[[Path, Notebook], None]:
    return lambda place, notebook: _put_file(place, content(json.dumps(notebook)).encode())


def _put_file(place: Path, content: bytes, name: str = f"{LAB}.ipynb") -> None:
    (place / name).write_bytes(content)


def _too_large(place: Path, notebook: Notebook) -> None:
    notebook["metadata"]["video"] = "A" * (21 * 2**20)
    _write(place, notebook)


def _link(place: Path, _: Notebook) -> None:
    (place / f"{LAB}.ipynb").symlink_to("/etc/hostname")


def _two(place: Path, notebook: Notebook) -> None:
    for name in ("final.ipynb", "final_v2.ipynb"):
        _put_file(place, json.dumps(notebook).encode(), name)


BROKEN: dict[str, Callable[[Path, Notebook], None]] = {
    "cut off": _text(lambda text: text[: len(text) // 2]),
    "empty": _text(lambda _: ""),
    "a web page": _text(lambda _: "<!DOCTYPE html><html><body>Sign in</body></html>"),
    "a script": _text(lambda _: "from numba import cuda\nprint(cuda.gpus)\n"),
    "another lab's": _text(lambda text: text.replace(f'"lab": "{LAB}"', '"lab": "lab2_fast_conv"')),
    "nested": _text(lambda _: "[" * 100_000),
    "binary": lambda place, _: _put_file(place, bytes(range(256)) * 64),
    "too large": _too_large,
    "a link": _link,
    "no notebook": lambda place, _: _put_file(place, b"%PDF-1.7", "report.pdf"),
    "two notebooks": _two,
}
