"""The instructor guide's steps are run as they stand: from the hand-out of a lab to exported grades, by both ways."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbgrader")
ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "instructor-guide.md"
LAB = "lab4_batch_size"
PYTHON = 'exec "{}" -m {} "$@"\n'


def steps() -> list[str]:
    """The guide's blocks that are marked as bash, in order; others show choices and outputs."""
    return re.findall(r"^```bash\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.timeout(900)  # half a minute of work; a busy machine may take ten
@pytest.mark.bubblewrap
def test_the_steps_lead_from_nothing_to_grades(tmp_path: Path) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, module in (("autograder", "autograder.cli"), ("nbgrader", "nbgrader")):
        (commands / name).write_text("#!/bin/sh\n" + PYTHON.format(sys.executable, module))
        (commands / name).chmod(0o755)
    (tmp_path / "gpulabs").symlink_to(ROOT)
    path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(steps())],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=850,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    ours = {row["student"]: float(row["total"]) for row in rows(tmp_path / "grades.csv")}
    theirs = {row["student_id"]: float(row["score"]) for row in rows(tmp_path / "course" / "grades.csv")}
    assert ours == theirs
    assert ours["ada"] > 50 > ours["linus"] == ours["grace"] == 0
    assert {row["assignment"] for row in rows(tmp_path / "course" / "grades.csv")} == {LAB}
    assert len(rows(tmp_path / "grades-canvas.csv")) >= 3
    for page in ("class/index.html", "class/students", f"course/feedback/grace/{LAB}/{LAB}.html"):
        assert (tmp_path / page).exists()
    told = (tmp_path / "course" / "feedback" / "grace" / LAB / f"{LAB}.html").read_text("utf-8")
    assert "grace.ipynb: not a notebook" in told


def test_every_command_of_the_guide_is_run_once() -> None:
    text = "\n".join(steps())
    for command in ("autograder release", "grade", "dashboard", "export", "nbgrader autograde", "generate_feedback"):
        assert command in text
