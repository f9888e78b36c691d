"""The hostile corpus: its files, hand-ins made of them, and the world that they must not harm."""

from __future__ import annotations

import hashlib
import json
import runpy
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from autograder.classroom import Session, find, grade_one
from autograder.examples import Example, example_notebook, read_example, task_cells
from autograder.result import Result

ROOT = Path(__file__).parents[2]
LAB = "lab1_conv_kernel"
CORPUS = ROOT / "tests" / "submissions" / "hostile" / LAB
FILES = sorted(CORPUS.glob("*.py")) + sorted(CORPUS.glob("built/*.py"))
PORT = 48123
"""What availability_network listens on."""
MARK = Path("/tmp/hostile-was-here")
"""What code that is smuggled in would leave."""


def hand_in(file: Path, class_folder: Path, student: str) -> Example:
    """Puts what an example hands in into a class's folder, in nbgrader's layout."""
    example = read_example(file)
    lab = (file.parent.parent if file.parent.name == "built" else file.parent).name
    folder = class_folder / student / lab
    folder.mkdir(parents=True)
    released = json.loads((ROOT / "labs" / lab / f"{lab}.ipynb").read_text("utf-8"))
    solution = task_cells((ROOT / "solutions" / lab / f"{lab}.py").read_text("utf-8"))
    notebook = example_notebook(file, released, solution)
    if file.parent.name == "built":
        runpy.run_path(str(file))["build"](notebook, folder)
    else:
        (folder / f"{lab}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return example


def grade(class_folder: Path, student: str, tasks: tuple[str, ...], device: str = "simulator") -> Result:
    """Grades one student of a class as `autograder grade` does, only the tasks that are attacked."""
    options = {"tasks": tasks or None, "device": device, "pictures": False}
    (entry,) = find(class_folder, LAB, student)
    return grade_one(entry, Session(LAB, options=options))


@dataclass(frozen=True)
class World:
    """Everything around a grading, and how it looked before."""

    root: Path
    before: dict[str, str]

    @classmethod
    def made_in(cls, root: Path) -> World:
        """Makes a home, a class with an honest student, results and a folder for temporary files."""
        for name in ("home/.bashrc", "home/.local/notes.txt", "results/lab1/ada.json", "canary.txt", "tmp/.keep"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f"canary {name}")
        hand_in(ROOT / "tests" / "submissions" / "correct" / LAB / "right.py", cls.class_of(root), "ada")
        return cls(root, cls._look(root))

    @staticmethod
    def class_of(root: Path) -> Path:
        """The folder of all hand-ins."""
        return root / "hostile-class"

    def harm(self) -> list[str]:
        """What is not as it was; empty where all is well."""
        now = self._look(self.root)
        found = [
            f"changed: {name}" for name in sorted(set(now) | set(self.before)) if now.get(name) != self.before.get(name)
        ]
        found += [f"left: {path}" for path in (self.root / "tmp").iterdir() if path.name != ".keep"]
        found += [f"left: {MARK}"] if MARK.exists() else []
        found += [f"process: {text}" for text in self._processes_that_stay()]
        return found + ([f"listens on {PORT}"] if _listens(PORT) else [])

    def _processes_that_stay(self) -> list[str]:
        """Hundreds of killed processes take a moment to go."""
        ends = time.monotonic() + 15
        while (found := self._processes()) and time.monotonic() < ends:
            time.sleep(0.2)
        return found

    def _processes(self) -> list[str]:
        """Processes that work in this world's folders, or carry the mark of a survivor."""
        found = []
        for process in psutil.process_iter(["pid", "cmdline"]):
            try:
                command, where = " ".join(process.info["cmdline"] or ()), process.cwd()
            except psutil.Error:
                continue
            if "hostile-survivor" in command or where.startswith(str(self.root)):
                found.append(f"{process.pid} {command[:80]}")
        return found

    @staticmethod
    def _look(root: Path) -> dict[str, str]:
        """A digest of every file that must stay: canaries, the honest hand-in, results, the packages' own code."""
        kept = [root / "home", root / "results", root / "canary.txt", World.class_of(root) / "ada"]
        kept += [ROOT / "autograder", ROOT / "src", ROOT / "labs", ROOT / "solutions"]
        files = [path for top in kept for path in (sorted(top.rglob("*")) if top.is_dir() else [top])]
        return {str(path): _digest(path) for path in files if "__pycache__" not in path.parts and path.is_file()}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _listens(port: int) -> bool:
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return any(parts[1].endswith(f":{port:04X}") and parts[3] == "0A" for parts in lines)


def told(result: Result) -> str:
    """All verdicts, for a failing test's message."""
    return "\n".join(f"{item.task}.{item.item} {item.status}: {item.reason}" for item in result.items)


def expected_losses(example: Example, result: Result, device: str) -> set[str]:
    """The items that must be lost there."""
    named = {*example.loses, *(example.loses_on_gpu if device == "gpu" else ())}
    return {f"{item.task}.{item.item}" for item in result.items} if "everything" in named else named


def shown(*results: Result) -> tuple[str, list[str]]:
    """The HTML report and the terminal's lines about results."""
    from autograder.report.render import html
    from autograder.report.scoreboard import verdict_lines

    return html(results, "Class"), [line for result in results for line in verdict_lines(result)]
