"""The records of a rubric: tasks, what their points are given for, what the cases of an item are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from autograder.toml_table import Range

TASK_KINDS = ("kernel", "function")
ITEM_KINDS = (
    "exact", "close", "coalescing", "structure", "speedup", "speed_curve", "cpu_speedup", "values",
    "learns", "accuracy_curve", "training_speed",
)  # fmt: skip
TIMED_KINDS = ("speedup", "speed_curve")
"""Items with a workload, which is raced on a GPU."""
TRAINED_KINDS: dict[str, str] = {"learns": "digits", "accuracy_curve": "cifar10", "training_speed": "cifar10"}
"""Items for which the network and the plan that a submission declares are trained, and on what."""
ARRAY_VALUES = ("integers", "normals", "impulse", "photo", "special")
LIMITS = (
    "must_use_shared", "min_barriers", "min_products_per_load", "min_load_bits_global", "min_load_bits_shared",
    "max_spill_bytes", "max_stack_bytes", "max_fp64",
)  # fmt: skip
"""What a `structure` item may ask of the compiled code; see `autograder.judge_structure`."""
PADDINGS = ("valid", "same")
DIMENSIONS = ("n", "h", "w", "c", "k", "r", "s")

T = TypeVar("T", "Task", "Item")


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
        threshold: The least speedup or accuracy; what else a question measures with it.
        low: Rung of the ladder where a `speed_curve` begins.
        high: Rung where it ends.
        curve: Its steps: (position between the rungs, points); of an `accuracy_curve` (share above the baseline's
            accuracy, points).
        limits: What a `structure` item asks of the compiled code, `LIMITS` -> number.
        flag_above: The gain of an `accuracy_curve` above which a person is asked to look.
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
    flag_above: float | None = None
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

    def kind_of(self, task_id: str, item_id: str) -> str:
        """The kind of a task's item, one of `ITEM_KINDS`; raises KeyError."""
        return self.task(task_id).item(item_id).kind


def _named(things: tuple[T, ...], wanted: str) -> T:
    for thing in things:
        if thing.id == wanted:
            return thing
    raise KeyError(f"there is no {wanted!r}; there are: {', '.join(thing.id for thing in things)}")
