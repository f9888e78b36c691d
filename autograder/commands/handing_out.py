"""`autograder release`, `course`, `leaks`: what students get, and that nothing more is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpulabs.exit_codes import ExitCode
from gpulabs.terminal import complain, console, print_json

if TYPE_CHECKING:
    from autograder.leaks import Leak

MOST_SHOWN = 20
SCHEMA_VERSION = 1

Solutions = Annotated[Path, typer.Option(help="The folder of the labs' sources.")]
Repository = Annotated[Path, typer.Option(help="A checkout of the gpulabs repository.")]
Json = Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")]


def release(
    labs: Annotated[
        list[str] | None, typer.Argument(metavar="[LAB]...", help="Labs to hand out; all by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the folder and the archive go.")] = Path("release"),
    repository: Repository = Path(),
    json: Json = False,
) -> int:
    """Make what students get, a folder and an archive: labs, package, guide. Anything that leaks fails it."""
    from autograder.release import release as make

    made = make(repository, out, labs or ())
    if json:
        paths = {"folder": str(made.folder), "archive": str(made.archive)} if made.archive else {}
        _print(made.leaks, files=list(made.files), **paths)
        return _code(made.leaks)
    if made.leaks:
        return _complain(made.leaks, "nothing is released")
    console().print(
        f"Looked through {len(made.files)} files and the archives among them: no solution, no reference code\n"
        f"Folder:  {made.folder}\nArchive: {made.archive}",
        soft_wrap=True,
    )
    return int(ExitCode.OK)


def course(
    lab: Annotated[str, typer.Argument(metavar="LAB", help="The lab: lab1 or lab1_conv_kernel.")],
    course: Annotated[Path, typer.Option(help="The nbgrader course folder.")] = Path("course"),
    solutions: Solutions = Path("solutions"),
) -> None:
    """Put a lab, with its solutions, into an nbgrader course folder; settings included."""
    from autograder import authoring

    for path in authoring.course(lab, solutions, course):
        console().print(f"wrote {path}", soft_wrap=True)
    lab_id = authoring.labs_in(solutions, lab)[0]
    console().print(f"Next: cd {course} && nbgrader generate_assignment {lab_id} --create", soft_wrap=True)


def leaks(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Releases, wheels, zips, feedback folders.")],
    submissions: Annotated[
        Path | None,
        typer.Option(help="The submissions: what a student's own notebook holds is no leak on that student's page."),
    ] = None,
    solutions: Solutions = Path("solutions"),
    json: Json = False,
) -> int:
    """Look through what students get for solutions, reference code, marks and files that don't belong there."""
    from autograder import leaks as scanner

    secrets = scanner.secrets_of(solutions)
    found: list[Leak] = []
    for path in paths:
        pages = path.is_dir() and not (path / "MANIFEST.json").is_file() and not list(path.glob("*.whl"))
        if pages and any(path.rglob("*.html")):
            found += scanner.scan_feedback(path, submissions, secrets)
        else:
            found += scanner.scan_path(path, secrets, scanner.COURSE)
    if json:
        _print(found, paths=[str(path) for path in paths])
        return _code(found)
    if found:
        return _complain(found, "don't hand this out")
    console().print(f"nothing leaks: {', '.join(map(str, paths))}", soft_wrap=True)
    return int(ExitCode.OK)


def _complain(found: Sequence[Leak], verdict: str) -> int:
    for leak in found[:MOST_SHOWN]:
        complain(str(leak))
    more = f" ({len(found) - MOST_SHOWN} more not shown)" if len(found) > MOST_SHOWN else ""
    complain(f"{len(found)} leak{'s' if len(found) > 1 else ''}{more}: {verdict}")
    return _code(found)


def _code(found: Sequence[Leak]) -> int:
    return int(ExitCode.FAILED if found else ExitCode.OK)


def _print(found: Sequence[Leak], **more: object) -> None:
    listed = [{"kind": leak.kind, "where": leak.where, "what": leak.what} for leak in found]
    print_json({"schema_version": SCHEMA_VERSION, "leaks": listed, **more})
