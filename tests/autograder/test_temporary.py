"""Temporary folders of killed processes are swept up, those in use are not."""

import os
import subprocess
import sys
from pathlib import Path

from autograder import temporary

HOLDER = (
    "import sys; from autograder import temporary\n"
    "with temporary.folder('grade') as path: (path / 'x').touch(); print(path, flush=True); sys.stdin.read()"
)


def holder(place):
    """Another process with a folder in use."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(place)}
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path, monkeypatch):
    with holder(tmp_path) as killed, holder(tmp_path) as alive:
        paths = [Path(each.stdout.readline().strip()) for each in (killed, alive)]
        killed.kill()
        killed.wait()
        (tmp_path / "somebody").mkdir()
        assert temporary.sweep(tmp_path) == []  # too young: its process may be about to lock it
        monkeypatch.setattr(temporary, "YOUNG_S", 0.0)
        assert temporary.sweep(tmp_path) == paths[:1]
        alive.stdin.close()
        alive.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["somebody"]


def test_a_link_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary, "YOUNG_S", 0.0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work").touch()
    (tmp_path / f"{temporary.PREFIX}grade-x").symlink_to(tmp_path / "mine")
    assert temporary.sweep(tmp_path) == []
    assert (tmp_path / "mine" / "work").exists()


def test_a_folder_is_gone_afterwards():
    with temporary.folder("grade") as path:
        assert path.name.startswith("gpulabs-tmp-grade-")
    assert not path.exists()
