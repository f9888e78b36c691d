"""A made-up device with a memory that can be filled: what a search for the largest batch is tried on, and judged by.

Like a real one it keeps what was allocated when a step fails half-way, until it is told to let go; and whoever asks for
far too much does not get an exception but loses the process. The same numbers give the same device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gpulabs.errors import OutOfMemory

FAR_TOO_MUCH = 4
"""So many times its memory: here the system ends the process, as Linux does on a CPU; there is no exception."""
LEFT_BEHIND = 0.3
"""Share of the memory that a step which ran out of memory still holds."""


@dataclass
class ToyMemory:
    """A device that trains one step of a batch if it fits.

    Attributes:
        limit_bytes: Its memory.
        need: Batch -> bytes that a step takes.
        tries: (batch, whether it fitted) in order.
        held: Bytes that earlier steps still hold.
        lost: Why the process is gone, or empty.
    """

    limit_bytes: int
    need: Callable[[int], int]
    tries: list[tuple[int, bool]] = field(default_factory=list)
    held: int = 0
    lost: str = ""

    def try_batch(self, batch: int) -> None:
        """Trains one step.

        Raises:
            OutOfMemory: It does not fit beside what is held.
            ValueError: It is no batch.
            RuntimeError: The process is gone, now or before.
        """
        if type(batch) is not int or not 1 <= batch <= 1 << 30:
            raise ValueError(f"a batch is a whole number from 1, not {batch!r}")
        if self.lost:
            raise RuntimeError(f"the process is gone: {self.lost}")
        needed = self.need(batch)
        if needed > FAR_TOO_MUCH * self.limit_bytes:
            self.lost = f"batch {batch} needs {needed / self.limit_bytes:.0f} times the memory, and the system ended it"
            self.tries.append((batch, False))
            raise RuntimeError(f"the process is gone: {self.lost}")
        fits = self.held + needed <= self.limit_bytes
        self.tries.append((batch, fits))
        if fits:
            self.held += needed
            return
        before, self.held = self.held, min(self.limit_bytes, self.held + round(LEFT_BEHIND * self.limit_bytes))
        beside = f" beside {before / 2**20:,.0f} MiB that were not released" if before else ""
        raise OutOfMemory(f"out of memory: batch {batch} needs {needed / 2**20:,.0f} MiB{beside}")

    def release(self) -> None:
        """Gives all memory back.

        Raises:
            RuntimeError: The process is gone.
        """
        if self.lost:
            raise RuntimeError(f"the process is gone: {self.lost}")
        self.held = 0

    def fits(self, batch: int) -> bool:
        """Whether a batch fits into the empty memory; this is no try."""
        return self.need(batch) <= self.limit_bytes

    @property
    def largest(self) -> int:
        """The largest batch that fits, 0 where none does."""
        from gpulabs.memory import largest_batch

        return largest_batch(self.need, self.limit_bytes)
