"""Progress of a class on stderr: how many are done, how long the rest will take."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Sequence

from autograder.classroom import Done, Entry, Session, grade_all
from autograder.report.clean import one_line


def watched(entries: Sequence[Entry], session: Session) -> Generator[Done, None, None]:
    """Yields from `grade_all` with a progress bar on stderr, if that is a terminal.

    The estimate counts graded submissions only: those kept from an earlier run take no time.
    """
    if not sys.stderr.isatty():
        yield from grade_all(entries, session)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from gpulabs.terminal import console

    columns = (
        TextColumn("{task.fields[doing]}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        Remaining(),
    )
    total = len(entries)
    with Progress(
        *columns,
        console=console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
        speed_estimate_period=3600,
    ) as bar:
        task = bar.add_task("", total=total, doing="starting")

        def progress(student: str, doing: str) -> None:
            bar.update(task, doing=f"{one_line(student)[:24]}: {one_line(doing)[:24]}")

        # Closed here, so that a second Ctrl-C while it ends reaches the caller.
        with contextlib.closing(grade_all(entries, session, progress)) as stream:
            for done in stream:
                if done.kept:
                    total -= 1
                    bar.update(task, total=total)
                else:
                    bar.advance(task)
                yield done
