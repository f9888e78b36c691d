"""Reads `rubrics/*.toml` into frozen records: what each task is worth and what decides it.

Strict on purpose: an unknown key, a wrong type, points that aren't positive, an empty range or an
unknown kind raises a `RubricError` that names file and key, so that a slip of an author shows at
once and never as a student's lost point.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from autograder import questions
from autograder.toml_table import Range, Table
from gpulabs.errors import RubricError

TASK_KINDS = ("kernel", "function")
ITEM_KINDS = (
    "exact", "close", "coalescing", "structure", "speedup", "speed_curve", "cpu_speedup", "values",
)  # fmt: skip
TIMED_KINDS = ("speedup", "speed_curve")
"""Items with a workload, which is raced on a GPU."""
ARRAY_VALUES = ("integers", "normals", "impulse", "photo", "special")
LIMITS = (
    "must_use_shared", "min_barriers", "min_products_per_load", "min_load_bits_global", "min_load_bits_shared",
    "max_spill_bytes", "max_stack_bytes", "max_fp64",
)  # fmt: skip
"""What a `structure` item may ask of the compiled code; see `autograder.judge_structure`."""
PADDINGS = ("valid", "same")
DIMENSIONS = ("n", "h", "w", "c", "k", "r", "s")

# Integer inputs: |x| <= 4095 and |w| <= 3. float32 holds every integer up to 2**24, so that sums over
# at most this many taps are exact in any order (grading.md).
MAX_X, MAX_W = 4095, 3
MAX_INTEGER_TAPS = (2**24 - 1) // (MAX_X * MAX_W)

T = TypeVar("T", "Task", "Item")

_ITEM_KEYS: dict[str, tuple[str, ...]] = {  # what an item of each kind must say besides id, title, kind, points
    "exact": ("case",),
    "close": ("case", "max_relative_error"),
    "coalescing": ("case", "max_sectors_per_load", "max_sectors_per_store"),
    "speedup": ("workload", "baseline", "threshold"),
    "structure": (),
    "speed_curve": ("workload", "low", "high", "curve"),
    "cpu_speedup": ("baseline", "threshold"),
    "values": ("case", "function"),
}
_OPTIONAL: dict[str, tuple[str, ...]] = {"speed_curve": ("max_relative_error",), "values": ("threshold",)}


@dataclass(frozen=True)
class CaseSpec:
    """What some cases of an item are drawn from.

    Attributes:
        values: How inputs are drawn, one of `ARRAY_VALUES`, or a question of `autograder.questions`.
        count: How many cases.
        n: Images, an inclusive range; the same for height h, width w, channels in c and out k, filter r x s.
            A question may draw from them what it likes.
        stride: The strides to choose from.
        padding: `same` or `valid`.
        gpu: The same, as it is on a GPU, where larger shapes are affordable; None if nothing changes.
    """

    values: str
    count: int
    n: Range = (1, 1)
    h: Range = (1, 1)
    w: Range = (1, 1)
    c: Range = (1, 1)
    k: Range = (1, 1)
    r: Range = (1, 1)
    s: Range = (1, 1)
    stride: tuple[int, ...] = (1,)
    padding: str = "valid"
    gpu: CaseSpec | None = None

    def on(self, target: str) -> CaseSpec:
        """Gives the specification for a target, `gpu` or `simulator`."""
        return self.gpu if target == "gpu" and self.gpu is not None else self


@dataclass(frozen=True)
class Workload:
    """The one shape that a speed item is timed at: images n x h x w x c, filter r x s x c -> k."""

    n: int
    h: int
    w: int
    c: int
    k: int
    r: int
    s: int
    stride: int = 1
    padding: str = "valid"


@dataclass(frozen=True)
class Item:
    """What points are given for.

    Attributes:
        id: Unique in its task.
        title: What it asks, in a few words.
        kind: One of `ITEM_KINDS`.
        points: What it is worth.
        function: The function it calls where the task has several, else None.
        cases: What its cases are drawn from.
        workloads: What a speed item is timed at.
        baseline: What a speed item is compared with.
        threshold: The least speedup; what else a question measures with it.
        low: Rung of the ladder where a `speed_curve` begins.
        high: Rung where it ends.
        curve: Its steps: (position between the rungs, points).
        limits: What a `structure` item asks of the compiled code, `LIMITS` -> number.
        max_relative_error: Of a `close` item; of a `speed_curve` whose kernels may round, else None.
        max_sectors_per_load: Sectors of 32 bytes that a warp's load may touch, on average.
        max_sectors_per_store: Likewise for stores.
    """

    id: str
    title: str
    kind: str
    points: float
    function: str | None = None
    cases: tuple[CaseSpec, ...] = ()
    workloads: tuple[Workload, ...] = ()
    baseline: str | None = None
    threshold: float | None = None
    low: str | None = None
    high: str | None = None
    curve: tuple[tuple[float, float], ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    max_relative_error: float | None = None
    max_sectors_per_load: float | None = None
    max_sectors_per_store: float | None = None


@dataclass(frozen=True)
class Task:
    """One thing that the student writes.

    Attributes:
        id: Also the name of its notebook cell.
        title: In a few words.
        kind: `kernel` (a host function that launches kernels) or `function` (plain Python).
        function: Name of the function, or several with commas between.
        signature: As students see it.
        hints: From a nudge to almost the answer.
        items: What its points are given for.
    """

    id: str
    title: str
    kind: str
    function: str
    signature: str
    hints: tuple[str, ...]
    items: tuple[Item, ...]

    @property
    def functions(self) -> tuple[str, ...]:
        """The names in `function`, one by one."""
        return tuple(name.strip() for name in self.function.split(","))

    def item(self, item_id: str) -> Item:
        """Finds an item; raises KeyError."""
        return _named(self.items, item_id)


@dataclass(frozen=True)
class Rubric:
    """All of a lab: id and short name (`lab1_conv_kernel`, `lab1`), title, tasks."""

    id: str
    short: str
    title: str
    tasks: tuple[Task, ...]

    @property
    def points(self) -> float:
        """What the whole lab is worth."""
        return sum(item.points for task in self.tasks for item in task.items)

    def task(self, task_id: str) -> Task:
        """Finds a task; raises KeyError."""
        return _named(self.tasks, task_id)


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
            for key in ("threshold", "max_relative_error", "max_sectors_per_load", "max_sectors_per_store")
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
    if item.curve and len(item.workloads) != 1:
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


def _named(things: tuple[T, ...], wanted: str) -> T:
    for thing in things:
        if thing.id == wanted:
            return thing
    raise KeyError(f"there is no {wanted!r}; there are: {', '.join(thing.id for thing in things)}")
