"""A run that is killed at any moment goes on where it was: the same table, nothing lost, nothing graded twice.

Grading itself is made up, so that many moments can be tried; `benchmarks/class_run.py --kills 20` does it for real.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.store import Store, to_json
from tests.autograder.samples import LAB
from tests.autograder.test_classroom import flat

STUDENTS = 60
RUN = """
import sys, time
from pathlib import Path
from autograder.classroom import Session, find, grade_all
from autograder.store import Store
from tests.autograder.samples import LAB
from tests.autograder.test_classroom import fake_grade

def slow(notebook, lab, **options):
    time.sleep(0.01)
    return fake_grade(notebook, lab, **options)

with Store.writing(Path(sys.argv[2])) as store:
    print("ready", flush=True)
    for done in grade_all(find(Path(sys.argv[1]), LAB), Session(LAB, store, jobs=3, grade=slow)):
        print(done.result.student, "kept" if done.kept else "graded", flush=True)
"""


def start(submitted: Path, out: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", RUN, str(submitted), str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def table(out: Path) -> list[dict[str, object]]:
    """Everything but the date."""
    return [to_json(replace(result, started_at="")) for result in Store(out).newest_of_all(LAB)]


@pytest.mark.slow
def test_killed_at_random_moments_the_table_is_that_of_an_undisturbed_run(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    texts = {f"s{number:02}": "unreadable" if number % 7 == 0 else str(number) for number in range(STUDENTS)}
    submitted = flat(tmp_path / "in", **texts)
    (submitted / "s00.ipynb").unlink()
    (submitted / "s00.ipynb").symlink_to("s01.ipynb")
    with start(submitted, tmp_path / "undisturbed") as whole:
        assert whole.stdout is not None
        assert whole.stdout.read().count("graded") == STUDENTS

    moments, done = random.Random(1), []
    for _ in range(6):
        with start(submitted, tmp_path / "killed") as process:
            assert process.stdout is not None
            new = moments.randint(0, 8)
            while new and (line := process.stdout.readline()):
                new -= line.endswith("graded\n")
            time.sleep(moments.uniform(0, 0.02))
            process.kill()
        done.append(len(list((tmp_path / "killed" / LAB).glob("*.json"))))
    assert done == sorted(done)
    assert 0 < done[-1] < STUDENTS
    with start(submitted, tmp_path / "killed") as last:
        assert last.stdout is not None
        said = last.stdout.read().split("\n")
    assert sum(line.endswith("kept") for line in said) == done[-1]
    assert table(tmp_path / "killed") == table(tmp_path / "undisturbed")
    store = Store(tmp_path / "killed")
    assert {len(store.history(LAB, student)) for student in texts} == {1}
    assert not list((tmp_path / "killed").rglob("*.tmp"))
