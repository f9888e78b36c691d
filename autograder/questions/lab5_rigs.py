"""Questions of Lab 5 to functions that try things out: peaks from two measurements, the largest batch that fits."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder import wire
from autograder.evidence import Case, FaultKind
from autograder.questions.lab5 import PEAK_WITHIN
from autograder.questions.question import Complaint, Question, clipped, complained, numbers
from autograder.result import Status
from autograder.rigs import Log, MemoryRig, PeakRig, Setting
from autograder.verdict import Verdict
from gpulabs.errors import GraderError, OutOfMemory
from gpulabs.recorded_memory import recorded_on_cpu
from gpulabs.toy_memory import ToyMemory

if TYPE_CHECKING:
    from autograder.rubric import CaseSpec, Item

MEASUREMENTS, LARGEST_MEASURED = 2, 512
GPU_BATCHES = (32, 256, 2048, 8192)
SPARE_TRIES = 4
"""Beyond twice the doublings: 2 * floor(log2 n) + 2 tries find n."""
LONG_SEARCH = 20_000

Complain = Callable[[int, Log], Complaint | None]


# Peaks from two measurements -------------------------------------------------------------------------------------


def _draw_line(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    batches = sorted({int(one) for one in np.exp(rng.uniform(math.log(600), math.log(8192), 3))})
    return [32, *batches], wire.call("measure")


def line_device(case: Case) -> Callable[[int], int]:
    """Batch -> peak of a case's device: the lab CNN as recorded, or a made-up one with a lump of its own."""
    if case.seed % 2:
        return _recorded
    rng = np.random.default_rng(case.seed)
    fixed = 2**20 * float(np.exp(rng.uniform(math.log(150), math.log(2000))))
    image = 2**20 * float(np.exp(rng.uniform(math.log(0.1), math.log(3))))
    return lambda batch: round(fixed + image * batch)


def _recorded(batch: int) -> int:
    """XLA's assignment for the lab CNN; beyond the ends of the recording on the straight line that it is."""
    recorded = recorded_on_cpu("lab_cnn")
    low, high = recorded.batches[0], recorded.batches[-1]
    if low <= batch <= high:
        return recorded.peak_bytes(batch)
    slope = (recorded.peak_bytes(high) - recorded.peak_bytes(low)) / (high - low)
    return round(recorded.peak_bytes(low) + slope * (batch - low))


def _line_rig(case: Case, setting: Setting) -> PeakRig:
    device = line_device(case)
    return PeakRig(device, lambda: [device(batch) for batch in case.arguments[0]], MEASUREMENTS, LARGEST_MEASURED)


def _judge_line(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    batches = case.arguments[0]
    found, measured, truth = numbers(value, len(batches)), log.facts["measured"], log.facts["truth"]
    if found is None:
        text = f"returned {clipped(value)}, expected {len(batches)} numbers of bytes, one a batch"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    if not measured:
        return complained(case, "predicts without a measurement", "Another device has other peaks: measure this one.")
    for batch, got, right in zip(batches, found, truth, strict=True):
        if abs(got / right - 1) > PEAK_WITHIN:
            text = f"gives {got / 2**20:,.1f} MiB for batch {batch}; measured {right / 2**20:,.1f} MiB"
            return complained(case, text, _slip_of_line(found, batches, measured, log))
    return Verdict(Status.EARNED)


def _slip_of_line(found: list[float], batches: list[int], measured: list[int], log: Log) -> str:
    if len(set(measured)) < 2:
        return "One measurement can't tell what is there at any batch from what each image adds: take two."
    rates = [got / batch for got, batch in zip(found, batches, strict=True)]
    if max(rates) < 1.01 * min(rates):
        return "In proportion to the batch alone: parameters and optimizer state do not grow with it."
    if max(measured) / min(measured) < 4:
        return "Two batches so near each other tell a slope badly: take them far apart."
    return "A straight line through both measurements: what does an image add, what is left at batch 0?"


def _draw_gpu_line(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return list(GPU_BATCHES), wire.call("measure")


def _gpu_rig(case: Case, setting: Setting) -> PeakRig:
    """The lab CNN on this machine's GPU, each batch in a fresh process; the truth is measured last."""
    from gpulabs.measured_step import Settings, measure
    from gpulabs.training_step import StepPlan

    peaks: dict[int, int] = {}

    def on_gpu(batch: int) -> int:
        if setting.stop.is_set():
            raise GraderError("the submission ended while its batch was measured")
        if batch not in peaks:
            peaks[batch] = int(measure(StepPlan(batch), Settings(seconds=0)).peak_bytes or 0)
        return peaks[batch]

    def truth() -> list[int]:
        try:
            return [on_gpu(batch) for batch in GPU_BATCHES]
        except OutOfMemory as error:
            raise GraderError(f"this GPU is too small for batch {GPU_BATCHES[-1]}: {error}") from None

    return PeakRig(on_gpu, truth, MEASUREMENTS, LARGEST_MEASURED)


# The largest batch -----------------------------------------------------------------------------------------------


def memory_device(kind: str, seed: int) -> ToyMemory:
    """A case's device, `state + image * batch` bytes of a stated memory.

    Args:
        kind: `made up`; `recorded`, the lab CNN as XLA assigns it on a CPU; `too small` for even one image.
        seed: The case's.
    """
    rng = np.random.default_rng(seed)
    largest = int(np.exp(rng.uniform(math.log(40), math.log(6000))))
    if kind == "recorded":
        return ToyMemory((_recorded(largest) + _recorded(largest + 1)) // 2, _recorded)
    image = 2**20 * float(np.exp(rng.uniform(math.log(0.2), math.log(2))))
    state = round(2**20 * rng.uniform(10, 100))
    limit = state + round((largest + 0.5) * image) if kind == "made up" else state
    return ToyMemory(limit, lambda batch: state + round(batch * image))


def _draw_search(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return wire.call("try_batch"), wire.call("release")


def _search_rig(kind: str, case: Case, setting: Setting) -> MemoryRig:
    return MemoryRig(memory_device(kind, case.seed))


def _judge_search(complain: Complain, item: Item, case: Case, value: Any, log: Log) -> Verdict:
    if type(value) is not int:
        text = f"returned {clipped(value)}, expected the largest batch that fits, a whole number"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    judged = complain(value, log)
    return complained(case, *judged) if judged else Verdict(Status.EARNED)


def _largest(value: int, log: Log) -> Complaint | None:
    right, tries = log.facts["largest"], log.facts["tries"]
    if value == right and not tries:
        return f"names {value} without a try", "What fits depends on the device: try it."
    if value == right:
        return None
    text = f"= {value}; on this device {right} is the largest that fits" + (" (not even one image does)" * (right == 0))
    if any(not fitted and batch <= right for batch, fitted in tries):
        return text, (
            "A try that fitted, or failed half-way, holds memory until release() is called: release after each try, "
            "whatever became of it, or the next one is too large beside it."
        )
    if value > right:
        return text, "What did the last try_batch() say of it?"
    largest_tried = max((batch for batch, fitted in tries if fitted), default=0)
    return text, (
        "Go on after the first that does not fit: the answer lies between it and the last that did."
        if value == largest_tried
        else "Return the largest that fitted."
    )


def _few(value: int, log: Log) -> Complaint | None:
    if wrong := _largest(value, log):
        return wrong
    right, tries = log.facts["largest"], len(log.facts["tries"])
    allowed = 2 * math.floor(math.log2(max(right, 1))) + SPARE_TRIES
    if tries <= allowed:
        return None
    return (
        f"found {value} with {tries} tries, {allowed} are enough",
        "Double until it does not fit, then halve the gap between the last that fitted and the first that did not.",
    )


def _usable(value: int, log: Log) -> Complaint | None:
    tries, held = log.facts["tries"], log.facts["held"]
    if all(fitted for _, fitted in tries):
        return f"= {value}, and no try of {len(tries)} ran out of memory", "How do you know that no larger one fits?"
    if held:
        return (
            f"returns with {held / 2**20:,.0f} MiB still held",
            "Whoever trains next in this process finds it full: release() after the last try too.",
        )
    return None


def _guarded(complain: Complain) -> Complain:
    """Before all else: is the process still there?"""

    def judge(value: int, log: Log) -> Complaint | None:
        if lost := log.facts["lost"]:
            return (
                f"has lost the process: {lost}",
                "Come from below: after a batch that fits, twice as many is never far too much.",
            )
        return complain(value, log)

    return judge


def _search(name: str, kind: str, complain: Complain) -> Question:
    judged = functools.partial(_judge_search, _guarded(complain))
    return Question(name, _draw_search, judged, rig=functools.partial(_search_rig, kind), max_calls=LONG_SEARCH)


QUESTIONS = (
    Question("peaks_from_two", _draw_line, _judge_line, rig=_line_rig),
    Question("peaks_on_gpu", _draw_gpu_line, _judge_line, rig=_gpu_rig, needs_gpu=True),
    _search("largest_batch", "made up", _largest),
    _search("largest_recorded", "recorded", _largest),
    _search("nothing_fits", "too small", _largest),
    _search("few_tries", "made up", _few),
    _search("still_usable", "made up", _usable),
)
