"""Draws the cases of a lab from its rubric and a seed, and says what each must give.

Nothing is hidden: the rubric publishes what is drawn from, this module how, and a run's seed stands
in its result, so that anyone can draw the same cases again. Each case has a random stream of its own,
keyed by its place in the rubric: what a case looks like doesn't depend on which tasks are chosen.

Of several cases of one specification the first two are drawn on purpose: the *smallest* images with
the largest filter (a 1x1 image; under "same" a filter larger than the image), then an *awkward* one
(largest batch, prime sizes, H != W). The others are uniform over their ranges. A list of strides is
gone through in turn, so that each of them appears.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from autograder import drawing, questions
from autograder.case_inputs import inputs
from autograder.evidence import Case
from autograder.rubric import CaseSpec, Item, Rubric, Task
from gpulabs import convolution
from gpulabs.errors import BadInputError, GraderError, RubricError

__all__ = ["EXACT_VALUES", "draw", "exact", "inputs", "reference"]

TARGETS = ("gpu", "simulator")
EXACT_VALUES = ("integers", "impulse", "photo")  # inputs whose every result is a whole number below 2**24
_EXACT_LIMIT = 2**24


def draw(rubric: Rubric, seed: int, target: str, tasks: Collection[str] | None = None) -> tuple[Case, ...]:
    """Draws all cases of some tasks.

    Args:
        rubric: The lab's.
        seed: Any non-negative integer; the same seed gives the same cases.
        target: `gpu` (large shapes, speed workloads) or `simulator` (small shapes).
        tasks: Ids of the tasks wanted; None for all.

    Returns:
        The cases in the rubric's order, ids `task-item-i`. A workload of a speed item is a case too, on
        a GPU or where a `structure` item looks at it; that and a `cpu_speedup` item have none of their own.

    Raises:
        BadInputError: An unknown target or task.
    """
    if target not in TARGETS:
        raise BadInputError(f"target is {target!r}: it must be one of {', '.join(TARGETS)}")
    known = [task.id for task in rubric.tasks]
    for name in tasks or ():
        if name not in known:
            raise BadInputError(f"{rubric.short} has no task {name!r}; its tasks are: {', '.join(known)}")
    drawn: list[Case] = []
    for t, task in enumerate(rubric.tasks):
        if tasks is None or task.id in tasks:
            for i, item in enumerate(task.items):
                drawn += _draw_item(task, item, seed, (t, i), target)
    return tuple(drawn)


def exact(case: Case) -> NDArray[np.float32]:
    """Computes the exact output of a case with whole-number inputs.

    Every product and every partial sum is a whole number below 2**24, in whatever order a library
    adds them. float64 holds whole numbers up to 2**53, so that its BLAS rounds nothing, and the result
    fits float32 exactly: int64 would give the same bits, many times slower.

    Args:
        case: With `values` one of `EXACT_VALUES`.

    Returns:
        (N, H_out, W_out, K), float32.

    Raises:
        GraderError: Inputs of this case aren't whole numbers, or their sums grew too large.
    """
    if case.values not in EXACT_VALUES:
        raise GraderError(f"case {case.id}: {case.values} inputs have no exact output: ask the oracle")
    y = reference(case)
    if np.abs(y).max(initial=0) >= _EXACT_LIMIT:
        raise GraderError(f"case {case.id}: an output reaches 2**24, where float32 isn't exact: use fewer taps")
    return y


def reference(case: Case) -> NDArray[np.float32]:
    """Computes the output of any case with the NumPy reference, summed in float64, as float32."""
    x, w = inputs(case)
    return convolution.conv2d(x, w, case.stride, case.padding).astype(np.float32, copy=False)


def _draw_item(task: Task, item: Item, seed: int, place: tuple[int, int], target: str) -> list[Case]:
    drawn: list[Case] = []
    for number, spec in enumerate(item.cases):
        turn = int(_random(seed, *place, number).integers(len(spec.stride)))
        for index in range(spec.count):
            rng = _random(seed, *place, number, index)
            stride = spec.stride[(turn + index) % len(spec.stride)]
            case_id = f"{task.id}-{item.id}-{len(drawn)}"
            drawn.append(_draw_case(task, item, case_id, spec.on(target), rng, (index, stride)))
    # Without a GPU a workload is planned and compiled, never run: its structure counts there too.
    if target == "gpu" or any(other.kind == "structure" for other in task.items):
        for number, load in enumerate(item.workloads):
            rng = _random(seed, *place, len(item.cases) + number)
            shapes = (load.n, load.h, load.w, load.c), (load.r, load.s, load.c, load.k)
            case_id = f"{task.id}-{item.id}-{len(drawn)}"
            drawn.append(_array_case(task, item, case_id, "integers", shapes, load.stride, load.padding, rng))
    return drawn


def _draw_case(
    task: Task, item: Item, case_id: str, spec: CaseSpec, rng: np.random.Generator, turn: tuple[int, int]
) -> Case:
    index, stride = turn
    if question := questions.ALL.get(spec.values):
        arguments = question.draw(rng, index, spec)
        function = item.function or task.functions[0]
        seed = int(rng.integers(2**63)) if question.rig else 0
        return Case(case_id, task.id, item.id, function, values=spec.values, seed=seed, arguments=arguments)
    size = drawing.sizes(spec, index, rng)
    r_max, s_max = spec.r[1], spec.s[1]
    if spec.padding == "valid":
        r_max, s_max = min(r_max, size["h"]), min(s_max, size["w"])
    if drawing.is_smallest(spec, index):
        r, s = r_max, s_max
    else:
        r, s = drawing.uniform(rng, (spec.r[0], r_max)), drawing.uniform(rng, (spec.s[0], s_max))
    shapes = (size["n"], size["h"], size["w"], size["c"]), (r, s, size["c"], size["k"])
    return _array_case(task, item, case_id, spec.values, shapes, stride, spec.padding, rng)


def _array_case(
    task: Task, item: Item, case_id: str, values: str, shapes: tuple[tuple[int, ...], tuple[int, ...]],
    stride: int, padding: str, rng: np.random.Generator,
) -> Case:  # fmt: skip
    function = item.function or task.functions[0]
    return Case(
        id=case_id, task=task.id, item=item.id, function=function, x_shape=shapes[0], w_shape=shapes[1],
        stride=stride, padding=padding, values=values, seed=int(rng.integers(2**63)),
        arguments=tuple({"stride": stride, "padding": padding}[name] for name in _further(task, function)),
    )  # fmt: skip


def _further(task: Task, function: str) -> list[str]:
    """Names what a kernel task's function takes after x and w, from its signature in the rubric."""
    found = re.search(rf"\b{re.escape(function)}\(([^)]*)\)", task.signature)
    names = [name.strip() for name in found.group(1).split(",")] if found else []
    if names[:2] != ["x", "w"] or not set(names[2:]) <= {"stride", "padding"}:
        raise RubricError(f"task {task.id}: signature: {task.signature!r} must be {function}(x, w[, stride, padding])")
    return names[2:]


def _random(seed: int, *place: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))
