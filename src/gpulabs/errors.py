"""Every error that gpulabs and autograder raise on purpose.

    GpulabsError
    +-- BadInputError            what the user gave can't be used: a notebook, a file, an argument
    |   +-- SubmissionError      a notebook that can't be read as a submission of this lab
    |   +-- RubricError          a rubric file with a wrong key or value
    +-- MissingError             something has to be installed, fetched or plugged in first
    |   +-- MissingDataError     a data set that is not on this machine
    |   +-- MissingPackageError  an optional package; the message holds the pip command
    |   +-- MissingGpuError      a step that only a GPU can do
    +-- DataError                a data file that is there but damaged
    +-- OutOfMemory              what was tried does not fit into memory; something smaller may
    +-- GraderError              the grader itself failed: points are withheld, never lost
        +-- BusyError            this machine had too little time or memory left; alone on it, it may do

A message says what was wrong, where, and what to do, in one line. Libraries raise; only the
command line catches and turns an error into an exit code (`gpulabs.exit_codes`).
"""

from gpulabs.exit_codes import ExitCode


class GpulabsError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = ExitCode.FAILED


class BadInputError(GpulabsError):
    """What the user gave can't be used."""

    exit_code = ExitCode.BAD_INPUT


class SubmissionError(BadInputError):
    """A notebook that can't be read as a submission of this lab."""


class RubricError(BadInputError):
    """A rubric file with a wrong key or value; the message names file and key."""


class MissingError(GpulabsError):
    """Something has to be installed, fetched or plugged in first."""

    exit_code = ExitCode.MISSING


class MissingDataError(MissingError):
    """A data set that is not on this machine; the message holds the command that fetches it."""


class MissingPackageError(MissingError):
    """An optional package that is not installed; the message holds the pip command."""


class MissingGpuError(MissingError):
    """A step that only a GPU can do."""


class DataError(GpulabsError):
    """A data file that is there but damaged."""

    exit_code = ExitCode.BAD_INPUT


class OutOfMemory(GpulabsError):
    """What was tried does not fit into memory; something smaller may.

    Attributes:
        detail: What the allocator or the system said, where there is one.
    """

    exit_code = ExitCode.OUT_OF_MEMORY

    def __init__(self, message: str = "out of memory", detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class GraderError(GpulabsError):
    """The grader itself failed: points are withheld, never lost."""

    exit_code = ExitCode.GRADER_FAILED


class BusyError(GraderError):
    """This machine had too little time or memory left for a grading; alone on it, it may do."""
