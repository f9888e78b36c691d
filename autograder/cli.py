"""The `autograder` command: build labs, grade a class, show and export what came of it.

Everything heavy is imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import contextlib
import enum
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from autograder.commands import handing_out, similar
from autograder.commands import results as results_commands
from autograder.commands.results import OneLab, ResultsFolder, chosen_results
from gpulabs.errors import BadInputError, GraderError
from gpulabs.exit_codes import ExitCode
from gpulabs.terminal import Interrupted, complain, console, new_app, print_json, run_cli

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autograder.class_jobs import Cluster
    from autograder.result import Result


class Executor(enum.StrEnum):
    """Where submissions are graded."""

    HERE = "here"
    SLURM = "slurm"


app = new_app("Builds GPU labs, grades submissions, reports and exports the results.")

LabName = Annotated[str, typer.Argument(metavar="LAB", help="The lab: lab1 or lab1_conv_kernel.")]
IsolationTier = Annotated[
    str | None,
    typer.Option(
        metavar="auto|strong|medium|none",
        envvar="GPULABS_ISOLATION",
        help="The walls around student code; the strongest that hold here.",
        show_default="auto",
    ),
]
OneStudent = Annotated[str | None, typer.Option("--student", help="Only this student's.")]


@app.command()
def grade(
    lab: LabName,
    submissions: Annotated[
        Path,
        typer.Option(
            metavar="DIR|ZIP",
            help="nbgrader's <student>/<lab>/*.ipynb, a folder of <student>.ipynb, or a learning platform's zip.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The results folder; a run that was stopped goes on from it.")] = Path(
        "results"
    ),
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON in place of a scoreboard.")] = False,
    student: OneStudent = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Submissions graded at a time; with slurm, jobs.", show_default="one for each core"),
    ] = None,
    regrade: Annotated[
        bool, typer.Option("--regrade", help="Grade finished submissions again, too; the better result counts.")
    ] = False,
    accept_lower: Annotated[
        bool, typer.Option("--accept-lower", help="Let a lower result of the same file count, too.")
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Draw the cases of an earlier grading again.", show_default="fresh and secret"),
    ] = None,
    allow_untrusted: Annotated[
        bool, typer.Option("--allow-untrusted", help="Grade even where student code can't be isolated.")
    ] = False,
    isolation: IsolationTier = None,
    executor: Annotated[
        Executor, typer.Option(help="Where: on this machine, or as jobs of a Slurm cluster.")
    ] = Executor.HERE,
    sbatch: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="With slurm: an option of sbatch, e.g. partition=gpu; may be repeated."),
    ] = None,
) -> int:
    """Grade every submission of a lab; each gets a score with reasons, whatever happens."""
    from autograder import classroom, handed_in, rubric, temporary
    from autograder.classroom import Done, Session
    from autograder.report.progress import watched
    from autograder.store import Store
    from gpulabs import devices

    lab_id = rubric.load(lab).id
    finished: list[Done] = []
    session = Session(
        lab_id,
        again=regrade,
        accept_lower=accept_lower,
        options={} if seed is None else {"seed": seed},
        say=complain,
    )
    if executor is Executor.SLURM:
        session.elsewhere, session.gpus = _cluster(out, jobs, sbatch or [], isolation, allow_untrusted)
    elif sbatch:
        raise BadInputError("--sbatch goes with --executor slurm; leave it out, or add that")
    else:
        session = replace(session, jobs=jobs or classroom.sensible_jobs(), gpus=range(devices.gpu_count()))
    temporary.sweep()
    with handed_in.opened(submissions, lab_id, student, out) as entries:
        if session.elsewhere is None:
            classroom.require_isolation(allow_untrusted, isolation)
        try:
            with Store.writing(out) as session.store, contextlib.closing(watched(entries, session)) as stream:
                for done in stream:
                    finished.append(done)
                    if not json:
                        print(classroom.line(done), flush=True)  # goes above the progress bar; a console would not
                    if done.remark:
                        complain(f"note: {done.remark}")
        except KeyboardInterrupt as stop:
            sentence = (
                f"stopped by Ctrl-C; {session.finished} of {len(entries)} are graded and kept in {out}: "
                "run the same command to go on"
            )
            if isinstance(stop, classroom.StopAtOnce):
                # Threads that grade would be waited for. Their processes end with this one, the next run sweeps up.
                complain(f"autograder: {sentence}")
                os._exit(ExitCode.INTERRUPTED)
            raise Interrupted(sentence) from None
    results = sorted((done.result for done in finished), key=lambda result: result.student)
    if json:
        _print_results(results)
    else:
        _scoreboard(results)
        console().print(f"Results: {out}\nNext: autograder dashboard {out} --out class", soft_wrap=True)
    return int(_exit_code(results))


@app.command()
def report(
    results: ResultsFolder,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    lab: OneLab = None,
    student: OneStudent = None,
    title: Annotated[str, typer.Option(help="The page's heading.")] = "",
) -> None:
    """Write one self-contained HTML page: a scoreboard and every student's verdicts."""
    from autograder.report import write

    chosen = chosen_results(results, lab, student)
    console().print(f"Report: {write(chosen, out, title)} ({len(chosen)} submissions)", soft_wrap=True)


app.command()(results_commands.dashboard)
app.command()(results_commands.export)


@app.command()
def scores(
    results: ResultsFolder,
    lab: OneLab = None,
    student: OneStudent = None,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Show the scoreboard of a results folder; with --student, every verdict."""
    from autograder.report.scoreboard import verdict_lines

    chosen = chosen_results(results, lab, student)
    if json:
        _print_results(chosen)
    elif student:
        for result in chosen:
            console().print("\n".join(verdict_lines(result, _unicode())), soft_wrap=True)
    else:
        _scoreboard(chosen)


@app.command()
def calibrate(
    lab: Annotated[str | None, typer.Argument(metavar="[LAB]", help="Only this lab's workloads.")] = None,
    launches: Annotated[int, typer.Option(min=2, help="Separate processes that measure each workload.")] = 5,
    rounds: Annotated[int, typer.Option(min=5, help="Timed runs of each kernel in a launch.")] = 30,
    out: Annotated[Path | None, typer.Option(help="The calibration file; the user's own by default.")] = None,
    traces: Annotated[Path | None, typer.Option(help="Keep the raw pairs of all launches in this file.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Measure nothing, show the calibration that holds.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the calibration as JSON.")] = False,
) -> None:
    """Measure the ladder and cuDNN on this GPU, so that grading knows what undisturbed looks like."""
    from autograder.calibration import show as page

    found = page.load(out) if show else page.measure(lab, launches, rounds, out, traces)
    if json:
        print_json(page.payload(found))
    else:
        page.tables(found)


@app.command()
def build(
    lab: Annotated[str | None, typer.Argument(metavar="[LAB]", help="One lab; all of them if left out.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; compare, grade solution and stub.")] = False,
    solutions: Annotated[Path, typer.Option(help="The folder of the labs' sources.")] = Path("solutions"),
    labs: Annotated[Path, typer.Option(help="The folder of the released labs.")] = Path("labs"),
) -> int:
    """Build the released labs and the ladder from their sources."""
    from autograder import authoring

    if not check:
        for path in authoring.build(lab, solutions, labs):
            console().print(f"wrote {path}", soft_wrap=True)
        return int(ExitCode.OK)
    problems = authoring.check(lab, solutions, labs)
    for problem in problems:
        complain(problem)
    if not problems:
        console().print("labs/ is what solutions/ builds; each solution earns all, each release 0", soft_wrap=True)
    return int(ExitCode.FAILED if problems else ExitCode.OK)


app.command()(handing_out.release)
app.command()(handing_out.course)
app.command()(handing_out.leaks)
app.command()(similar.similar)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("demo-report"),
    repository: Annotated[Path, typer.Option(help="A checkout of the gpulabs repository.")] = Path(),
    jobs: Annotated[int, typer.Option(min=1, help="Submissions graded at a time.")] = 2,
) -> int:
    """Grade three example submissions of Lab 1 and write the report: a right one, a wrong halo, a stub."""
    import tempfile

    from autograder import authoring, classroom
    from autograder.classroom import Session
    from autograder.report import write
    from autograder.report.progress import watched

    with tempfile.TemporaryDirectory(prefix="gpulabs-demo-") as scratch:
        folder = authoring.demo_submissions(repository, Path(scratch))
        entries = classroom.find(folder, authoring.DEMO_LAB)
        console().print(f"Grading {len(entries)} example submissions of {authoring.DEMO_LAB}", soft_wrap=True)
        results = []
        for done in watched(entries, Session(authoring.DEMO_LAB, jobs=jobs)):
            print(f"  {classroom.line(done)}", flush=True)
            results.append(done.result)
    order = {name: index for index, name in enumerate(authoring.DEMO)}
    results.sort(key=lambda result: order.get(result.student, len(order)))
    _scoreboard(results)
    path = write(results, out / "report.html", "Lab 1: three example submissions")
    console().print(f"Report: {path.resolve()}", soft_wrap=True)
    if any(item.status.value == "withheld" for result in results for item in result.items):
        raise GraderError("the grader failed on an example; the report says where")
    return int(ExitCode.OK)


def main() -> NoReturn:
    """Runs the command line; ends the process with an exit code of `gpulabs.exit_codes`."""
    run_cli(app, "autograder")


def _cluster(
    out: Path, jobs: int | None, sbatch: Sequence[str], isolation: str | None, allow_untrusted: bool
) -> tuple[Cluster, range]:
    """What grades a class as Slurm jobs, and its GPUs as far as they matter to what was graded before."""
    from autograder import class_jobs, slurm

    flags = slurm.flags(sbatch)
    slurm.require()
    wishes = slurm.Wishes(jobs, slurm.has_gpus(flags.get("partition")), flags)
    return class_jobs.Cluster(out, wishes, isolation, allow_untrusted), range(wishes.gpu)


def _print_results(results: Sequence[Result]) -> None:
    from autograder.result import SCHEMA_VERSION
    from autograder.store import to_json

    print_json({"schema_version": SCHEMA_VERSION, "results": [to_json(result) for result in results]})


def _scoreboard(results: Sequence[Result]) -> None:
    from autograder.report.scoreboard import tables

    for table in tables(results, _unicode()):
        console().print(table)


def _unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32")


def _exit_code(results: Sequence[Result]) -> ExitCode:
    withheld = any(item.status.value == "withheld" for result in results for item in result.items)
    return ExitCode.GRADER_FAILED if withheld else ExitCode.OK


if __name__ == "__main__":
    main()
