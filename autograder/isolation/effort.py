"""A worker's own time, apart from the time in which a busy machine keeps it waiting.

By the clock on the wall, forty gradings on four cores look like forty endless loops. So a limit counts seconds that
are the worker's own doing: those in which its processes compute, and those in which none of them wants to (it sleeps,
or waits for a lock that nobody gives back). Where a thread is ready to run and gets no processor, or waits for the
disk, the machine is to blame. Never more than the clock on the wall says: several threads at once count once.
"""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_LOOK_S = 0.2
"""Looks are `process.LOOK_S` apart; where more time passed, the grader itself was kept waiting, and saw nothing."""

MOST_CREDIT_S = 0.1
"""/proc counts in steps of 10 ms, sometimes late: what one look finds too much, the next has. Threads don't save up."""


@dataclass
class Effort:
    """Adds up the looks at one worker.

    Attributes:
        own_s: Seconds in which it computed or idled.
        idle_s: Those of them in which it idled.
        waited_s: Seconds in which it was kept waiting.
    """

    own_s: float = 0.0
    idle_s: float = 0.0
    waited_s: float = 0.0
    _cpu_s: float = 0.0
    _credit_s: float = 0.0

    def look(self, passed_s: float, cpu_s: float | None, wants_more: bool) -> None:
        """Counts the time since the last look.

        Args:
            passed_s: Seconds since then, by the clock on the wall.
            cpu_s: Processor time of all its processes until now; None where the system doesn't tell.
            wants_more: Whether one of them would compute now if it could.
        """
        if cpu_s is None:
            self.own_s += passed_s
            return
        self._credit_s += max(cpu_s - self._cpu_s, 0.0)
        self._cpu_s = cpu_s
        worked_s = min(self._credit_s, passed_s)
        self._credit_s = min(self._credit_s - worked_s, MOST_CREDIT_S)
        idle_s = 0.0 if wants_more else max(min(passed_s, LONGEST_LOOK_S) - worked_s, 0.0)
        self.own_s += worked_s + idle_s
        self.idle_s += idle_s
        self.waited_s += passed_s - worked_s - idle_s
