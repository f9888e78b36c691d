"""Reads `rubrics/*.toml`, strictly."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import tomllib
from typing import Any

from autograder import questions
from autograder.rubric.records import (
    ARRAY_VALUES,
    DIMENSIONS,
    ITEM_KINDS,
    LIMITS,
    PADDINGS,
    TASK_KINDS,
    TIMED_KINDS,
    TRAINED_KINDS,
    CaseSpec,
    Item,
    Rubric,
    Task,
    Workload,
)
from autograder.toml_table import Table
from gpulabs.errors import RubricError

# Integer inputs: |x| <= 4095 and |w| <= 3. float32 holds every integer up to 2**24, so that sums over
# at most this many taps are exact in any order (grading.md).
MAX_X, MAX_W = 4095, 3
MAX_INTEGER_TAPS = (2**24 - 1) // (MAX_X * MAX_W)

_ITEM_KEYS: dict[str, tuple[str, ...]] = {  # what an item of each kind must say besides id, title, kind, points
    "exact": ("case",),
    "close": ("case", "max_relative_error"),
    "coalescing": ("case", "max_sectors_per_load", "max_sectors_per_store"),
    "speedup": ("workload", "baseline", "threshold"),
    "structure": (),
    "speed_curve": ("workload", "low", "high", "curve"),
    "cpu_speedup": ("baseline", "threshold"),
    "values": ("case", "function"),
    "learns": ("threshold",),
    "accuracy_curve": ("curve",),
    "training_speed": ("threshold",),
}
_OPTIONAL: dict[str, tuple[str, ...]] = {
    "speed_curve": ("max_relative_error",),
    "values": ("threshold",),
    "accuracy_curve": ("flag_above",),
}


def labs() -> tuple[str, ...]:
    """Lists the ids of all labs that have a rubric, in order."""
    folder = importlib.resources.files("autograder") / "rubrics"
    return tuple(sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".toml")))


def load(lab: str) -> Rubric:
    """Reads a lab's rubric, once.

    Args:
        lab: Its id, `lab1_conv_kernel`, or short name, `lab1`.

    Raises:
        RubricError: There is no such lab, or its file has a wrong key or value.
    """
    found = [name for name in labs() if lab in (name, name.partition("_")[0])]
    if not found:
        raise RubricError(f"there is no lab {lab!r}; the labs are: {', '.join(labs())}")
    return _load(found[0])


@functools.cache
def _load(lab: str) -> Rubric:
    file = importlib.resources.files("autograder") / "rubrics" / f"{lab}.toml"
    rubric = parse(file.read_text(encoding="utf-8"), f"rubrics/{lab}.toml")
    if rubric.id != lab:
        raise RubricError(f"rubrics/{lab}.toml: lab.id is {rubric.id!r}: it must be the file's name, {lab!r}")
    return rubric


def parse(text: str, where: str) -> Rubric:
    """Turns a rubric's TOML into records.

    Args:
        text: The file's content.
        where: Its name, for errors.

    Raises:
        RubricError: With file and key.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RubricError(f"{where}: not TOML: {error}") from error
    top = Table(data, where)
    lab = top.table("lab")
    tasks = tuple(_task(table) for table in top.tables("task"))
    rubric = Rubric(lab.text("id"), lab.text("short"), lab.text("title"), tasks)
    lab.close()
    top.close()
    if rubric.short != rubric.id.partition("_")[0]:
        raise RubricError(f"{where}: lab.short is {rubric.short!r}: it must be what lab.id has before the first _")
    _check_unique(tasks, f"{where}: task")
    return rubric


def _task(table: Table) -> Task:
    hints = table.get("hints", (list,))
    if not hints or any(type(hint) is not str or not hint for hint in hints):
        raise table.fail("hints", "expected sentences")
    task = Task(
        id=table.text("id"),
        title=table.text("title"),
        kind=table.text("kind", TASK_KINDS),
        function=table.text("function"),
        signature=table.text("signature"),
        hints=tuple(hints),
        items=tuple(_item(item) for item in table.tables("item")),
    )
    table.close()
    _check_unique(task.items, f"{table.where}: item")
    for item in task.items:
        if item.function is not None and item.function not in task.functions:
            raise table.fail(f"item {item.id}: function", f"{item.function!r} is none of {task.function}")
        for kind, shared in (("cpu_speedup", ("speedup",)), ("structure", TIMED_KINDS)):
            if item.kind == kind and all(other.kind not in shared for other in task.items):
                names = " or ".join(shared)
                raise table.fail(
                    f"item {item.id}: kind", f"{kind} needs an item of kind {names}: it shares its workload"
                )
        asked = {spec.values for other in task.items for spec in other.cases}
        if item.kind in TRAINED_KINDS and not set(questions.DECLARED) <= asked:
            needed = " and ".join(questions.DECLARED)
            raise table.fail(
                f"item {item.id}: kind", f"{item.kind} needs cases of {needed}: they declare what is trained"
            )
    return task


def _item(table: Table) -> Item:
    kind = table.text("kind", ITEM_KINDS)
    needed = _ITEM_KEYS[kind]
    item = Item(
        id=table.text("id"),
        title=table.text("title"),
        kind=kind,
        points=table.positive("points"),
        function=table.text("function") if "function" in needed or table.has("function") else None,
        cases=tuple(_case(case) for case in table.tables("case")) if "case" in needed else (),
        workloads=tuple(_workload(load) for load in table.tables("workload")) if "workload" in needed else (),
        baseline=table.text("baseline") if "baseline" in needed else None,
        low=table.text("low") if "low" in needed else None,
        high=table.text("high") if "high" in needed else None,
        curve=table.steps("curve") if "curve" in needed else (),
        limits=_limits(table) if kind == "structure" else {},
        **{
            key: table.positive(key) if key in needed or (table.has(key) and key in _OPTIONAL.get(kind, ())) else None
            for key in (
                "threshold",
                "flag_above",
                "max_relative_error",
                "max_sectors_per_load",
                "max_sectors_per_store",
            )
        },
    )
    for spec in item.cases:
        question = questions.ALL.get(spec.values)
        if (question is None) == (kind == "values"):
            raise table.fail("case", f"an item of kind {kind!r} can't ask {spec.values!r}")
        for key in question.needs if question else ():
            if getattr(item, key) is None:
                raise table.fail(key, f"missing: {spec.values} needs it")
    table.close()
    if item.curve and item.curve[-1][1] != item.points:
        raise table.fail("curve", f"its last step gives {item.curve[-1][1]:g} points, the item {item.points:g}")
    if kind == "speed_curve" and len(item.workloads) != 1:
        raise table.fail("workload", f"{len(item.workloads)} of them: a curve is measured at one")
    return item


def _limits(table: Table) -> dict[str, float]:
    limits: dict[str, float] = {}
    for key in LIMITS:
        if table.has(key):
            limits[key] = float(table.flag(key) if key.startswith("must_") else table.not_negative(key))
    if not limits:
        raise table.fail("kind", f"a structure item asks for something: {', '.join(LIMITS)}")
    return limits


def _case(table: Table) -> CaseSpec:
    dimensions: dict[str, Any] = {key: table.range(key) for key in DIMENSIONS}
    spec = CaseSpec(
        values=table.text("values", (*ARRAY_VALUES, *questions.ALL)),
        count=table.count("count"),
        stride=table.counts("stride", [1]),
        padding=table.text("padding", PADDINGS, "valid"),
        **dimensions,
    )
    gpu = table.table("gpu", {})
    table.close()
    ranges: dict[str, Any] = {key: gpu.range(key) for key in DIMENSIONS if gpu.has(key)}
    gpu.close()
    _check_case(spec, table)
    if ranges:
        spec = dataclasses.replace(spec, gpu=dataclasses.replace(spec, **ranges))
        _check_case(spec.on("gpu"), gpu)
    return spec


def _check_case(spec: CaseSpec, table: Table) -> None:
    taps = spec.r[1] * spec.s[1] * spec.c[1]
    if spec.values == "integers" and taps > MAX_INTEGER_TAPS:
        raise table.fail("r, s, c", f"{taps} taps can exceed 2**24: at most {MAX_INTEGER_TAPS} are exact in float32")
    if spec.padding == "valid" and (spec.r[0] > spec.h[0] or spec.s[0] > spec.w[0]):
        raise table.fail("r, s", "the smallest filter doesn't fit the smallest image under padding = 'valid'")


def _workload(table: Table) -> Workload:
    load = Workload(
        **{key: table.count(key) for key in DIMENSIONS},
        stride=table.count("stride", 1),
        padding=table.text("padding", PADDINGS, "valid"),
    )
    table.close()
    if load.r * load.s * load.c > MAX_INTEGER_TAPS:
        raise table.fail("r, s, c", f"at most {MAX_INTEGER_TAPS} taps are exact in float32")
    return load


def _check_unique(things: tuple[Task, ...] | tuple[Item, ...], where: str) -> None:
    ids = [thing.id for thing in things]
    for one in ids:
        if ids.count(one) > 1:
            raise RubricError(f"{where} {one}: id: used twice")
