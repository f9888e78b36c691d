"""The exit codes of every command, in one place."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means."""

    OK = 0
    """Done, and nothing to complain about (pending points are nothing to complain about)."""
    FAILED = 1
    """Done, but the answer is no: points were lost, or `doctor` found a problem."""
    USAGE = 2
    """The command line itself is wrong."""
    BAD_INPUT = 3
    """A file that was given can't be used: not a notebook, another lab's, damaged."""
    MISSING = 4
    """A GPU, a package or a data set is missing; the message says how to get it."""
    GRADER_FAILED = 5
    """The grader failed; points are withheld and the run can be repeated."""
    OUT_OF_MEMORY = 6
    """A batch did not fit in memory; what was measured before it is printed."""
    INTERRUPTED = 130
    """Ctrl-C; what was finished is kept."""
