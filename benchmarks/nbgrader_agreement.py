"""Grades the example submissions with `autograder grade` and with real nbgrader, and compares the points.

    PYTHONPATH=src:. python -m benchmarks.nbgrader_agreement --work DIR --out benchmarks/results/nbgrader_agreement.json

Each submission is a student of one nbgrader course. Some at a time are handed in, graded by `autograder grade` into the
course's results, and taken from there by `nbgrader autograde`, which for the rest does all that it does: it reads the
file, restores cells, writes outputs, decides the points, keeps its gradebook. So a submission is graded once, and the
gradebook and `nbgrader export` are compared with our results and `autograder export`. `--afresh 5` lets nbgrader grade
five of each lab once more by itself, with seeds of its own.

`--work` keeps everything: the same command goes on where it was. The exit status is the number of disagreements.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.result import Result, Status
from autograder.store import Store
from benchmarks import record
from benchmarks.made_up_class import CORPUS, ROOT, TAMED
from tests.autograder.hostile import hand_in

COMMAND = "PYTHONPATH=src:. python -m benchmarks.nbgrader_agreement {}"
LABS = ("lab1_conv_kernel", "lab2_fast_conv", "lab4_batch_size", "lab6_cifar10_cnn")
KINDS = ("correct", "wrong", "hostile")
SEED = 20261128


def main() -> int:
    """Grades what is not graded yet, compares all that is, records; returns the number of disagreements."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="keeps the course; the same again goes on there")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--labs", nargs="+", choices=LABS, default=LABS)
    parser.add_argument("--chunk", type=int, default=12, help="submissions handed in at a time")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--most-s", type=float, default=1e9, help="then stop, and record what is graded")
    parser.add_argument("--afresh", type=int, default=0, help="so many of each lab are graded by nbgrader, too")
    parser.add_argument("--all", action="store_true", help="attacks on the whole machine, too")
    options = parser.parse_args()
    course, ends = options.work.resolve() / "course", time.monotonic() + options.most_s
    examples = {lab: chosen(lab, options.all) for lab in options.labs}
    for lab, files in examples.items():
        prepare(course, lab)
        for first in range(0, len(files), options.chunk):
            names = [name(file) for file in files[first : first + options.chunk]]
            if time.monotonic() > ends:
                break
            if all((course / "autograded" / each / lab).exists() for each in names):
                continue
            for file, student in zip(files[first : first + options.chunk], names, strict=True):
                if not (course / "submitted" / student / lab).exists():
                    hand_in(file, course / "submitted", student)
            grade(course, lab, options.jobs)
            say(course, "nbgrader", "autograde", lab, "--GradeSubmission.reuse=True")
            _write(options.out, course, examples)
    afresh = [each for lab in options.labs for each in by_nbgrader(options, lab, ends)] if options.afresh else []
    found = _write(options.out, course, examples, afresh)
    print(record.table(("lab", "kind", "compared", "agree"), [tuple(row.values()) for row in found["table"]]))
    for each in found["disagreements"]:
        print(f"disagree: {each}")
    return min(len(found["disagreements"]), 100)


def chosen(lab: str, everything: bool) -> list[Path]:
    """The example submissions of a lab; of the hostile ones those that attack the whole machine only if wanted."""
    files = [path for kind in KINDS for path in sorted((CORPUS / kind / lab).rglob("*.py"))]
    return [file for file in files if everything or file.stem.removeprefix("availability_") not in TAMED]


def name(file: Path) -> str:
    """The student's name: `wrong-wrong_halo`."""
    return f"{file.relative_to(CORPUS).parts[0]}-{file.stem}"


def prepare(course: Path, lab: str) -> None:
    """Puts a lab into the course and lets nbgrader release it."""
    if (course / "release" / lab).exists():
        return
    course.mkdir(parents=True, exist_ok=True)
    say(course, "autograder.cli", "course", lab, "--course", ".", "--solutions", str(ROOT / "solutions"))
    say(course, "nbgrader", "generate_assignment", lab, "--create")


def grade(course: Path, lab: str, jobs: int | None) -> None:
    """Grades what is handed in and has no result, with our command."""
    more = ["--jobs", str(jobs)] if jobs else []
    line = ["autograder.cli", "grade", lab, "--submissions", "submitted", "--out", "results", "--seed", str(SEED)]
    say(course, *line, *more)


def say(folder: Path, *arguments: str) -> None:
    """Runs a Python module's command in a folder; what it prints goes to a log. A student that fails is no failure."""
    paths = [str(Path(path).resolve()) for path in sys.path if path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    # nbgrader shells out to alembic, which lies beside the interpreter.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with (folder / "log.txt").open("ab") as log:
        done = subprocess.run([sys.executable, "-m", *arguments], cwd=folder, env=environment, stdout=log, stderr=log)
    print(f"{' '.join(arguments)}: exit status {done.returncode}", file=sys.stderr)


def by_nbgrader(options: argparse.Namespace, lab: str, ends: float) -> list[dict[str, Any]]:
    """Lets nbgrader grade some submissions by itself, in a course of their own, and compares."""
    ours = Store(options.work.resolve() / "course" / "results").newest_of_all(lab)
    some = random.Random(SEED).sample(ours, min(options.afresh, len(ours)))
    files = {name(file): file for file in chosen(lab, options.all)}
    course = options.work.resolve() / "afresh"
    prepare(course, lab)
    for result in some:
        if time.monotonic() < ends and not (course / "submitted" / result.student / lab).exists():
            hand_in(files[result.student], course / "submitted", result.student)
    say(course, "nbgrader", "autograde", lab)
    return [row for row in compared(course, lab, some) if (course / "submitted" / row["student"]).exists()]


def compared(course: Path, lab: str, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Holds nbgrader's gradebook against results, student by student and task by task."""
    from nbgrader.api import Gradebook, MissingEntry

    rows = []
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for result in results:
            row: dict[str, Any] = {"lab": lab, "student": result.student, "ours": points(result), "theirs": None}
            try:
                grades = gradebook.find_submission(lab, result.student).notebooks[0].grades
                row["theirs"] = {grade.name.removeprefix("check_"): grade.auto_score for grade in grades}
            except MissingEntry:
                pass
            rows.append(row | {"how": how(row, result)})
    return rows


def points(result: Result) -> dict[str, float]:
    """Points by task; what is pending counts as 0 until it is decided, as in the gradebook."""
    tasks = dict.fromkeys(item.task for item in result.items)
    return {task: sum(item.points for item in result.items if item.task == task) for task in tasks}


def how(row: dict[str, Any], result: Result) -> str:
    """In which way the two agree, or `differs`."""
    theirs = row["theirs"]
    if theirs == row["ours"]:
        return "same points"
    if result.points_with(Status.WITHHELD) and set((theirs or {}).values()) <= {None}:
        return "withheld in both"
    if not any(row["ours"].values()) and set((theirs or {}).values()) <= {None}:
        return "no points in both: nbgrader has nothing to grade"
    return "differs"


def exported(course: Path, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Where the two exported tables differ in a total."""
    say(course, "nbgrader", "export", "--to", "theirs.csv")
    say(course, "autograder.cli", "export", "results", "--out", "ours.csv")
    theirs = {(row["assignment"], row["student_id"]): float(row["score"]) for row in _rows(course / "theirs.csv")}
    return [
        f"{row['lab']} {row['student']}: {total:g} exported by nbgrader, {sum(row['ours'].values()):g} ours"
        for row in rows
        if (total := theirs.get((row["lab"], row["student"]), 0.0)) != sum(row["ours"].values())
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write(
    out: Path, course: Path, examples: dict[str, list[Path]], afresh: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    store = Store(course / "results")
    rows = [row for lab in examples for row in compared(course, lab, store.newest_of_all(lab))]
    kinds = [(lab, kind) for lab in examples for kind in KINDS]
    found: dict[str, Any] = {
        "submissions": sum(len(files) for files in examples.values()),
        "compared": len(rows),
        "graded_by_nbgrader_too": len(afresh),
        "table": [
            {
                "lab": lab,
                "kind": kind,
                "compared": len(own := [row for row in rows if row["lab"] == lab and _kind(row) == kind]),
                "agree": sum(row["how"] != "differs" for row in own),
            }
            for lab, kind in kinds
        ],
        "how": dict(Counter(row["how"] for row in (*rows, *afresh))),
        "disagreements": [
            f"{row['lab']} {row['student']}: ours {row['ours']}, nbgrader's {row['theirs']}"
            for row in (*rows, *afresh)
            if row["how"] == "differs"
        ]
        + exported(course, rows),
        "totals": {
            lab: {row["student"]: sum(row["ours"].values()) for row in rows if row["lab"] == lab} for lab in examples
        },
    }
    record.write(out, record.record("nbgrader_agreement", COMMAND.format(" ".join(sys.argv[1:])), found))
    return found


def _kind(row: dict[str, Any]) -> str:
    return str(row["student"]).partition("-")[0]


if __name__ == "__main__":
    sys.exit(main())
