"""A rig to test with: a counter that may run out of memory, or fail, or take long."""

from __future__ import annotations

import time
from dataclasses import dataclass

from autograder import wire
from autograder.evidence import Case
from autograder.rigs import Desk, Place
from gpulabs.errors import OutOfMemory


@dataclass
class Counter:
    """Counts up; the operations that tests need."""

    count: int = 0

    @property
    def operations(self):
        return {"add": self.add, "fit": self.fit, "slow": self.slow, "broken": self.broken, "big": lambda: "x" * 9999}

    def add(self, much):
        self.count += much
        return self.count

    def fit(self, batch):
        if batch > 100:
            raise OutOfMemory(f"batch {batch} does not fit")
        return batch

    def slow(self, seconds):
        time.sleep(seconds)

    def broken(self):
        raise KeyError("a bug of the grader's")

    def facts(self):
        return {"count": self.count}


def case(*names, index=0):
    """A case whose function gets these operations."""
    return Case(f"t-v-{index}", "t", "v", "f", values="counter", seed=7, arguments=tuple(map(wire.call, names)))


def desk(*cases, max_calls=50, build=lambda setting: Counter()):
    return Desk({one.id: Place(build, max_calls) for one in cases})
