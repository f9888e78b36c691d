"""Runs the `gpulabs` command in this process."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from gpulabs import terminal
from gpulabs.cli import app


@dataclasses.dataclass
class Run:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def gpulabs(capsys, monkeypatch, tmp_path):
    """Returns a function that runs `gpulabs ARGUMENTS` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: object) -> Run:
        with pytest.raises(SystemExit) as end:
            terminal.run_cli(app, "gpulabs", [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Run(int(end.value.code), captured.out, captured.err)

    return run
