"""The assembler's process: one for each kernel, which may crash or hang alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from gpulabs.errors import GraderError


def linker(ptx: str, architecture: str) -> tuple[bytes | None, str]:
    if ptx == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if ptx == "hang":
        while True:
            pass
    if ptx == "unknown":
        raise GraderError("no such architecture")
    return (None, "line 3; error : no") if ptx == "bad" else (ptx.encode(), f"log for {architecture}")


CHILD = (
    "import sys; from autograder import linking; from tests.autograder.test_linking import linker;"
    "sys.exit(linking.main(sys.stdin, sys.stdout, linker))"
)


def answers(ptx: dict[str, str]) -> dict[str, Any]:
    request = json.dumps({"architecture": "sm_90", "seconds": 0.5, "ptx": ptx})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    # Its own process, as in real life: pytest's has threads, and a process with threads should not fork.
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=request, env=environment, capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line.get("key", "error"): line for line in lines}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork: kernels share a process")
def test_a_crash_or_hang_loses_its_own_kernel() -> None:
    found = answers({"a": "good", "b": "crash", "c": "hang", "d": "bad", "e": "good"})
    assert list(found) == ["a", "b", "c", "d", "e"]
    assert found["a"]["cubin"] == found["e"]["cubin"] == "Z29vZA=="
    assert "crashed" in found["b"]["ended"]
    assert "not done with it after 0.5 s" in found["c"]["ended"]
    assert (found["d"]["cubin"], found["d"]["log"]) == (None, "line 3; error : no")


def test_the_graders_own_failure_is_told_apart() -> None:
    found = answers({"a": "unknown"})
    assert found["error"]["error"] == {"type": "GraderError", "message": "no such architecture"}
