"""What the template shows: results as cleaned text and numbers, so that the template holds no logic."""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autograder import rubric
from autograder.report.clean import clean, one_line
from autograder.report.values import device_rows, points, rows
from autograder.result import Figure, ItemScore, Result, Status
from gpulabs.errors import GpulabsError

Rows = list[tuple[str, str]]
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Segment:
    """One stretch of the points bar, in percent of its length."""

    status: str
    points: str
    start: float
    width: float


@dataclass(frozen=True)
class ItemView:
    """One rubric item."""

    title: str
    status: str
    points: str
    max_points: str
    reason: str
    hint: str
    fault: str
    place: str
    evidence: Rows


@dataclass(frozen=True)
class FigureView:
    """One picture; `source` is a data URI of a checked PNG."""

    title: str
    alt: str
    source: str


@dataclass(frozen=True)
class TaskView:
    """One task: its items and pictures."""

    anchor: str
    id: str
    title: str
    status: str
    points: str
    max_points: str
    items: list[ItemView]
    figures: list[FigureView]


@dataclass(frozen=True)
class ResultView:
    """One student's section."""

    anchor: str
    student: str
    lab: str
    lab_title: str
    points: str
    max_points: str
    percent: int
    bar: list[Segment]
    summary: str
    explanation: str
    header: Rows
    next_task: str
    next_hint: str
    tasks: list[TaskView]
    how: Rows
    device: Rows
    notes: list[str]


def view(result: Result, index: int = 0) -> ResultView:
    """Returns what the template shows of one result.

    Args:
        result: The graded submission; every text in it is taken as hostile.
        index: Makes anchors unique in a file that shows several results.
    """
    anchor = f"s{index + 1}"
    titles = _titles(result.lab)
    tasks = list(dict.fromkeys(item.task for item in result.items))
    source = f"{one_line(result.source, 200)}, sha256 {one_line(result.sha256, 64)}"
    how: Rows = [
        ("graded file", source),
        ("isolation", one_line(result.isolation) or "not recorded"),
        ("oracle", one_line(result.oracle) or "not recorded"),
        *((f"data set {one_line(name, 80)}", one_line(sha, 120)) for name, sha in result.data_sets.items()),
        ("seed of the cases", str(result.seed)),
        ("started", _moment(result.started_at)),
        ("duration", f"{result.duration_s:.1f} s"),
    ]
    # Tasks build on each other, so the first hint of a lab is where to go on.
    following = next((item for item in result.items if item.status is Status.LOST and item.hint), None)
    return ResultView(
        anchor=anchor,
        student=one_line(result.student, 120) or "your submission",
        lab=one_line(result.lab, 80),
        lab_title=titles.get("", one_line(result.lab, 80)),
        points=points(result.points),
        max_points=points(result.max_points),
        percent=round(100 * result.points / result.max_points) if result.max_points else 0,
        bar=bar(result.items),
        summary=summary(result.items),
        explanation=explanation(result.items),
        header=_header(result),
        next_task=one_line(following.task, 80) if following else "",
        next_hint=clean(following.hint).strip() if following else "",
        tasks=[_task(result, task, titles, f"{anchor}-t{number}") for number, task in enumerate(tasks, start=1)],
        how=how,
        device=device_rows(result.device),
        notes=[clean(note) for note in result.notes],
    )


def overall(items: Sequence[ItemScore]) -> str:
    """Returns one status word for a task: what was lost shows even where other points are still pending."""
    sums = tally(items)
    if sums["withheld"]:
        return "withheld"
    if sums["lost"]:
        return "partly" if sums["earned"] else "lost"
    return "pending" if sums["pending"] else "earned"


def bar(items: Sequence[ItemScore]) -> list[Segment]:
    """Returns the points bar: earned, lost, pending, withheld, leaving out what is empty."""
    total = sum(item.max_points for item in items)
    start, segments = 0.0, []
    for status, value in tally(items).items():
        if value <= 0 or total <= 0:
            continue
        width = 100 * value / total
        segments.append(Segment(status, points(value), round(start, 3), round(width, 3)))
        start += width
    return segments


def tally(items: Sequence[ItemScore]) -> dict[str, float]:
    """Returns points by status; what an earned item misses of its maximum counts as lost."""
    sums = dict.fromkeys((status.value for status in Status), 0.0)
    for item in items:
        if item.status is Status.EARNED:
            sums["earned"] += item.points
            sums["lost"] += max(item.max_points - item.points, 0.0)
        else:
            sums[item.status.value] += item.max_points
    return sums


def summary(items: Sequence[ItemScore]) -> str:
    """Returns the points in words that stand without the bar: `91 earned, 9 pending.` and what that means."""
    counts = ", ".join(f"{points(value)} {status}" for status, value in tally(items).items() if value)
    return f"{counts or '0 earned'}. {explanation(items)}".strip()


def explanation(items: Sequence[ItemScore]) -> str:
    """Returns what pending and withheld mean, where there are such points."""
    sums = tally(items)
    words = []
    if sums["pending"]:
        words.append("Pending points need something that this machine lacks; they are neither earned nor lost.")
    if sums["withheld"]:
        words.append("Withheld points wait for the grader, which failed there; grading again settles them.")
    return " ".join(words)


def place(item: ItemScore) -> str:
    """Returns where the reason points at: `cell conv_first, line 7`, or nothing."""
    if item.cell is None:
        return ""
    cell = one_line(item.cell, 80)
    return f"cell {cell}, line {item.line}" if item.line is not None else f"cell {cell}"


def _task(result: Result, task: str, titles: dict[str, str], anchor: str) -> TaskView:
    items = [item for item in result.items if item.task == task]
    figures = (_figure(figure) for figure in result.figures if figure.task == task)
    return TaskView(
        anchor=anchor,
        id=one_line(task, 80),
        title=titles.get(task, one_line(task, 80)),
        status=overall(items),
        points=points(sum(item.points for item in items)),
        max_points=points(sum(item.max_points for item in items)),
        items=_items(items),
        figures=[figure for figure in figures if figure is not None],
    )


def _items(items: Sequence[ItemScore]) -> list[ItemView]:
    """Returns the items; a hint that several share is shown at the first of them only."""
    views: list[ItemView] = []
    for item in items:
        shown = _item(item)
        views.append(replace(shown, hint="") if shown.hint in {earlier.hint for earlier in views} else shown)
    return views


def _item(item: ItemScore) -> ItemView:
    return ItemView(
        title=one_line(item.title, 200),
        status=item.status.value,
        points=points(item.points),
        max_points=points(item.max_points),
        reason=clean(item.reason).strip(),
        hint=clean(item.hint).strip(),
        fault=one_line(item.fault, 80),
        place=place(item),
        # The number of cases alone repeats what the reason says.
        evidence=[] if set(item.evidence) <= {"cases"} else rows(item.evidence),
    )


def _header(result: Result) -> Rows:
    """Where a score comes from, short enough to stand above it."""
    gpu = result.device.get("gpu")
    on = one_line(gpu, 120) if gpu and gpu != "none" else "no GPU: Numba's simulator, speed is pending"
    return [
        ("Graded on", on),
        ("isolation", one_line(result.isolation, 60).partition(":")[0] or "not recorded"),
        ("on", _moment(result.started_at)),
    ]


def _moment(iso: str) -> str:
    """Returns a time as people read it, `2026-11-24 22:26 UTC`; one that is none as it stands."""
    try:
        moment = datetime.datetime.fromisoformat(iso)
    except ValueError:
        return one_line(iso, 40) or "not recorded"
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _figure(figure: Figure) -> FigureView | None:
    try:
        image = base64.b64decode(re.sub(r"\s", "", figure.png_base64), validate=True)
    except (binascii.Error, ValueError):
        return None
    if not image.startswith(_PNG):
        return None
    source = "data:image/png;base64," + base64.b64encode(image).decode()
    return FigureView(one_line(figure.title, 300), one_line(figure.alt, 1000) or "no description", source)


def _titles(lab: str) -> dict[str, str]:
    """Returns task id -> title, and the lab's own under the empty name; empty for an unknown lab."""
    try:
        known = rubric.load(lab)
    except GpulabsError:  # a stored result of a lab that this version lacks
        return {}
    return {"": known.title, **{task.id: task.title for task in known.tasks}}
