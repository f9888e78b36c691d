"""What both commands, `gpulabs` and `autograder`, do at the terminal in the same way.

Results go to stdout; progress goes to stderr, and only when that is a terminal; an error is one
line on stderr and an exit code of `gpulabs.exit_codes`. `NO_COLOR` and pipes get plain text. What
comes from a submission is cleaned of terminal escapes by `plain` before it is printed.

    app = new_app("Grades GPU labs.")

    @app.command()
    def grade(...) -> int:          # returns an exit code, or None for 0
        with progress() as report:
            result = path.grade(..., progress=report)
        print_items(result)
        return exit_code(result)

    def main() -> NoReturn:
        run_cli(app, "autograder")
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import signal
import sys
import textwrap
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from gpulabs.errors import GpulabsError
from gpulabs.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from autograder.result import ItemScore, Result

Reporter = Callable[[str, str], None]
"""Called with a stage (`plan`) and a detail (`conv_first: 3 of 8 cases`)."""

PIPE_WIDTH = 120
"""Columns when the output is no terminal: rich's 80 would fold the tables of a log file."""

STATUS_STYLES = {"earned": "green", "lost": "red", "pending": "yellow", "withheld": "magenta"}


class Interrupted(GpulabsError):
    """Ctrl-C in a command that has something to say: what was kept, how to go on."""

    exit_code = ExitCode.INTERRUPTED


def new_app(help_text: str) -> typer.Typer:
    """Returns an empty typer application with the settings that both commands share."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # plain help: a third faster, and docs/cli.md can hold it as it is
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def run_cli(app: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a typer application and ends the process with an exit code of `gpulabs.exit_codes`.

    Args:
        app: The application; its commands return None or an exit code, and raise GpulabsError.
        name: The command's name, put before every error.
        arguments: In place of `sys.argv[1:]`.

    Raises:
        SystemExit: Always.
    """
    for stream in (sys.stdout, sys.stderr):  # an ASCII terminal gets "?" for what it can't show, not a crash
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    told = False
    plain_end = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if plain_end and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no process stays behind
    try:
        code = app(args=arguments, prog_name=name, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except Exception as error:
        code, told = _report(error, name), True
    else:
        code = code if isinstance(code, int) else ExitCode.OK
    if code == ExitCode.INTERRUPTED and not told:  # typer turns a KeyboardInterrupt into a bare 130
        complain(f"{name}: stopped by Ctrl-C or a signal; nothing was damaged, run the command again")
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    sys.exit(int(code))


def _report(error: Exception, name: str) -> int:
    if isinstance(error, GpulabsError):
        complain(f"{name}: {error}")
        return int(error.exit_code)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(getattr(error, "format_message", lambda: "")())
        return int(ExitCode.USAGE)
    if hasattr(error, "format_message"):  # typer's usage errors, whichever click it carries
        complain(f"{name}: {error.format_message()} Try `{name} --help`.")
        return int(getattr(error, "exit_code", ExitCode.USAGE))
    if isinstance(error, BrokenPipeError):  # `gpulabs doctor | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    if isinstance(error, OSError) and error.errno is not None:
        complain(f"{name}: {os_error_sentence(error)}")
        return int(ExitCode.BAD_INPUT)
    if os.environ.get("GPULABS_TRACEBACK"):
        raise error
    complain(
        f"{name}: internal error, {type(error).__name__}: {error}. This is a bug in gpulabs, no points are lost; "
        "GPULABS_TRACEBACK=1 shows where it is."
    )
    return int(ExitCode.GRADER_FAILED)


def os_error_sentence(error: OSError) -> str:
    """Returns one sentence for an error of the file system: what, where, what to do."""
    where = f"{error.filename}: " if error.filename else ""
    advice = {
        errno.ENOSPC: "the disk is full; free some space and run the command again",
        errno.EDQUOT: "your disk quota is used up; free some space and run the command again",
        errno.EACCES: "no permission; choose another folder or change its permissions",
        errno.EPERM: "no permission; choose another folder or change its permissions",
        errno.EROFS: "the file system is read-only; choose another folder",
        errno.ENOENT: "there is no such file or folder",
        errno.EISDIR: "is a folder, expected a file",
        errno.ENOTDIR: "a part of this path is a file, expected a folder",
        errno.EEXIST: "exists already; choose another name",
    }
    return where + advice.get(error.errno or 0, os.strerror(error.errno or 0))


def plain(text: str, limit: int = 2000) -> str:
    """Returns text without terminal escapes and control characters, at most `limit` long.

    Names, messages and outputs of a submission are chosen by a student: an escape sequence in
    them could repaint the line that holds the score.
    """
    kept = "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else "?" for c in text)
    return kept if len(kept) <= limit else kept[: limit - 3] + "..."


def complain(sentence: str) -> None:
    """Prints one line on stderr."""
    print(plain(" ".join(sentence.split())), file=sys.stderr, flush=True)


def console(*, stderr: bool = False) -> Console:
    """Returns a rich console for stdout or stderr; markup and emoji codes are off."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=width)


def print_json(payload: dict[str, Any]) -> None:
    """Prints one JSON document on stdout.

    Args:
        payload: Holds `schema_version`, so that scripts can tell when its shape changes.
    """
    if "schema_version" not in payload:
        raise ValueError("print_json: the payload has no schema_version; add one")
    json.dump(payload, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


@contextlib.contextmanager
def progress(start: str = "") -> Iterator[Reporter]:
    """Yields `report(stage, detail)`, which repaints one line on stderr if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda stage, detail: None
        return
    painter = console(stderr=True)
    with painter.status(start or "starting") as status:
        yield lambda stage, detail: status.update(plain(f"{stage}: {detail}" if detail else stage))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[int] = ()) -> None:
    """Prints a table on stdout.

    Args:
        headers: Column titles, with units.
        rows: Cells: strings, or rich `Text` with a style.
        right: Indices of the columns that hold numbers.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, pad_edge=False)
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(plain(str(cell))) for cell in row))
    console().print(table)


def print_items(items: Sequence[ItemScore]) -> None:
    """Prints rubric items with points and status, a task named once; below it the reasons of what is not earned."""
    from rich.text import Text

    rows: list[tuple[Any, ...]] = []
    reasons: dict[tuple[str, str, str], list[str]] = {}  # several items may share one
    most = Counter(item.task for item in items)
    task = ""
    for item in items:
        points = f"{item.points:g} / {item.max_points:g}"
        status = Text(item.status.value, style=STATUS_STYLES[item.status.value])
        rows.append((item.task if item.task != task else "", item.title, points, status))
        task = item.task
        if item.status.value != "earned":
            reasons.setdefault((item.task, item.status.value, item.reason + _place(item)), []).append(item.title)
    print_table(("task", "item", "points", "status"), rows, right=(2,))
    width = min(console().width, PIPE_WIDTH)
    for (task, status_name, reason), titles in reasons.items():
        which = "all items" if len(titles) == most[task] > 1 else "; ".join(titles)
        heading = Text(plain(f"{task}, {which}: "))
        heading.append(status_name, STATUS_STYLES[status_name])
        console().print(heading)
        print(textwrap.fill(plain(reason), width, initial_indent="  ", subsequent_indent="  "))


def _place(item: ItemScore) -> str:
    if not item.cell or (item.line and f"line {item.line})" in item.reason):  # a fault may have named it
        return ""
    cell = "" if item.cell == item.task else f"cell {item.cell}"
    line = f"line {item.line}" if item.line else ""
    place = ", ".join(part for part in (cell, line) if part)
    return f" ({place})" if place else ""


def verdict(result: Result) -> str:
    """Returns the one line that sums a result up; pending and withheld points are named."""
    from autograder.result import Status

    tasks = {item.task for item in result.items}
    graded = f"{result.lab}, {tasks.pop()}" if len(tasks) == 1 else result.lab
    line = f"{graded}: {result.points:g} of {result.max_points:g} points"
    pending = result.points_with(Status.PENDING)
    withheld = result.points_with(Status.WITHHELD)
    if pending:
        line += f"; {pending:g} pending (see the reasons above)"
    if withheld:
        line += f"; {withheld:g} withheld because the grader failed: run it again"
    return line


def exit_code(result: Result) -> ExitCode:
    """Returns what a command that graded one submission ends with.

    Pending points are nothing to complain about; withheld ones are the grader's failure.
    """
    from autograder.result import Status

    if result.points_with(Status.WITHHELD):
        return ExitCode.GRADER_FAILED
    return ExitCode.FAILED if result.points_with(Status.LOST) else ExitCode.OK
