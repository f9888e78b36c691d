"""What the parent asks of the child, and what the child says while it works: JSON both ways.

request    one file: plans, kernels and where their machine code lies, perhaps a race
events     lines on the child's stdout, in this order:
           {"turn": ALONE}        it waits for its turn on the GPU, alone where something is timed; the answer is
                                  a line on its stdin: signs of trouble that were seen just before, a list
           {"gpu": "NVIDIA ..."}  once, when it is ready
           {"start": ID}          a case, or `race`, begins
           {"tick": ID}           it is alive (races only)
           {"outcome": {...}}     a case is done
           {"race": {...}}        the race is done; a second one, with cuDNN's time in it, replaces it
           {"error": {...}}       the grader's own failure: type and message
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from autograder.evidence import Kernel, Plan, Race, decode, encode
from gpulabs.errors import GraderError

RACE, TURN = "race", "turn"
STICKY_EXIT = 17
"""The child's exit status after a fault that ruined its context: start another for what is left."""


@dataclass(frozen=True)
class RaceRequest:
    """A race to run after the cases.

    Attributes:
        race: Task, workload, baseline, FLOPs and bytes; no pairs yet.
        case: Id of the case whose inputs are raced.
        plan: The candidate's plan of that case.
        threshold: Speedup that the test asks for; 0 for a race between two rungs.
        rungs: Name -> plan of each rung that runs: the baseline first, then the upper rung, then peers.
        cudnn: Whether cuDNN's time is measured too.
        seed: Of the order of runs.
        curve: Steps (position, points) of a race between two rungs, `race.high` the upper one.
    """

    race: Race
    case: str
    plan: Plan
    threshold: float
    rungs: dict[str, Plan]
    cudnn: bool
    seed: int
    curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Request:
    """Everything that one child does.

    Attributes:
        task: The task's id.
        plans: The cases to run, in order.
        kernels: By key, PTX left out.
        cubins: Key -> file.
        arrays_dir: Holds `<case>.x.npy` and `<case>.w.npy`.
        work_dir: Gets `<case>.npy`.
        device: Number of the GPU.
        race: Or None.
    """

    task: str
    plans: tuple[Plan, ...]
    kernels: dict[str, Kernel]
    cubins: dict[str, str]
    arrays_dir: str
    work_dir: str
    device: int = 0
    race: RaceRequest | None = field(default=None)

    def save(self, path: Path) -> None:
        """Writes the request for the child."""
        path.write_text(json.dumps(encode(self)), encoding="utf-8")


def load_request(path: Path) -> Request:
    """Reads what `Request.save` wrote."""
    return decode(Request, json.loads(path.read_text(encoding="utf-8")), path.name)


class Events:
    """The child's side of the event stream."""

    def __init__(self, stream: TextIO, answers: TextIO | None = None) -> None:
        """Takes the stream that the parent reads, and the one that it answers on; standard input by default."""
        self._stream = stream
        self._answers = answers or sys.stdin

    def send(self, kind: str, value: Any) -> None:
        """Sends one event at once."""
        self._stream.write(json.dumps({kind: value}) + "\n")
        self._stream.flush()

    def wait_for_turn(self, *, alone: bool) -> tuple[str, ...]:
        """Asks the parent for the GPU and waits until it is this process's turn.

        Args:
            alone: Whether something is timed.

        Returns:
            Signs of trouble that the parent saw on the GPU just before.

        Raises:
            GraderError: The parent is gone.
        """
        self.send(TURN, alone)
        answer = self._answers.readline()
        if not answer:
            raise GraderError("launch: the grader that started this process is gone")
        return tuple(str(sign) for sign in json.loads(answer))
