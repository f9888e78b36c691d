from __future__ import annotations

import sys
from pathlib import Path

import autograder
import gpulabs
from autograder.isolation import view


def test_the_folder_that_the_grader_runs_in_is_not_shown(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    shown = [Path(path) for path in view.readable()]
    assert not any(path == tmp_path or path in tmp_path.parents for path in shown)
    assert str(tmp_path) not in view.import_path()


def test_a_folder_that_pip_filled_is_shown(tmp_path, monkeypatch):
    (tmp_path / "some-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert str(tmp_path) in view.readable()
    assert str(tmp_path) in view.import_path()


def test_the_packages_come_from_a_shelf_with_nothing_else():
    assert {path.name: path.resolve() for path in view.shelf().iterdir()} == {
        "autograder": Path(autograder.__path__[0]).resolve(),
        "gpulabs": Path(gpulabs.__path__[0]).resolve(),
    }


def test_no_path_is_shown_twice_and_python_is(monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/:/usr/lib:/nowhere")
    shown = view.readable()
    assert "/" not in shown
    assert "/nowhere" not in shown
    assert "/usr/lib" not in shown
    executable = Path(sys.executable).resolve()
    assert any(Path(path) in executable.parents for path in shown)


def test_a_link_is_shown_with_what_it_leads_to(tmp_path, monkeypatch):
    (tmp_path / "cuda-12").mkdir()
    (tmp_path / "cuda").symlink_to("cuda-12")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    assert {str(tmp_path / "cuda"), str(tmp_path / "cuda-12")} <= {*view.readable()}


def test_the_environment_is_made_from_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    made = view.environment(tmp_path)
    assert "AWS_SECRET_ACCESS_KEY" not in made
    assert (made["HOME"], made["CUDA_VISIBLE_DEVICES"]) == (str(tmp_path), "")
