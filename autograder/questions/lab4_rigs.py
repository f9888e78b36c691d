"""Questions of Lab 4 to functions that measure: a meter of steps, a sweep over batches, the choice of one."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import statistics
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder import wire
from autograder.assemble import own_environment
from autograder.evidence import Case, FaultKind
from autograder.questions.lab4 import POWERS
from autograder.questions.question import Complaint, Question, clipped, complained, numbers
from autograder.result import Status
from autograder.rigs import BatchRig, DeviceRig, Log, Setting
from autograder.verdict import Verdict
from gpulabs.devices import cuda_name
from gpulabs.errors import GraderError, OutOfMemory
from gpulabs.recorded_steps import RecordedSteps, recorded_steps
from gpulabs.toy_device import Character, ToyCurve, ToyDevice, noisy_times

if TYPE_CHECKING:
    from autograder.rubric import CaseSpec, Item

METER_TOLERANCE = 0.05
"""Of a median time: with 30 samples and 2 % of noise it misses by 0.5 %."""
COLD = 1.15
"""A sample this many times above a calm device's step was taken before the device was warm."""
SAMPLES = 30
SLOW_STEPS = 10
PATIENCE_S = 60.0
"""Of a device's time, for one meter: 30 samples of 30 ms take one second."""
METER_CALLS = 60_000
RATE_TOLERANCE = 0.03
FALLS_SHORT = 0.97
"""Of the share that a choice must reach: what 1 % of noise in each measurement may cost."""
TRIES = 10
GPU_BATCHES = tuple(1 << power for power in range(4, 13))
GPU_TRIES = 8
GPU_SECONDS = 0.5


# A meter of steps ------------------------------------------------------------------------------------------------


def character(kind: str, seed: int) -> Character:
    """What a case's device is like: `long` steps, a `cold` device, `short` steps, a `busy` one."""
    rng = np.random.default_rng(seed)

    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    launch_ms, wait_ms = between(0.02, 0.04), between(0.06, 0.12)
    if kind == "short":
        return Character(between(0.06, 0.2), launch_ms, wait_ms, noise=0.01)
    calm = Character(between(6, 60), launch_ms, wait_ms, noise=0.005)
    if kind == "long":
        return calm
    if kind == "cold":
        return Character(calm.step_ms, launch_ms, wait_ms, between(2, 20), SLOW_STEPS, noise=0.005)
    return Character(
        between(6, 40), launch_ms, wait_ms, 1.0, SLOW_STEPS, noise=0.02, drift=0.02, interruptions_per_s=2.5
    )


def _draw_meter(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return wire.call("step"), wire.call("synchronize"), wire.call("clock")


def _judge_meter(kind: str, item: Item, case: Case, value: Any, log: Log) -> Verdict:
    times = numbers(value)
    if not times or min(times) <= 0:
        text = f"returned {clipped(value)}, expected a list of times above 0, milliseconds a step"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    device = character(kind, case.seed)
    right, got = device.in_training_ms * (1 + device.drift / 4), statistics.median(times)
    if abs(got / right - 1) > METER_TOLERANCE:
        text = f"gives a median of {got:.4g} ms a step; in training this device takes {right:.4g} ms"
        return complained(case, text, _slip_of_meter(device, got, log))
    if kind == "cold" and max(times) > COLD * right:
        place = times.index(max(times))
        text = f"gives {max(times):,.4g} ms for sample {place + 1}; a warm step takes {right:.4g} ms"
        hint = f"The first call compiles, and the first {SLOW_STEPS} steps are slow: run them before you measure."
        return complained(case, text, hint)
    few = _too_few(times, log) if kind == "busy" else None
    return complained(case, *few) if few else Verdict(Status.EARNED)


def _slip_of_meter(device: Character, got: float, log: Log) -> str:
    single = device.step_ms + device.launch_ms + device.wait_ms
    if not log.named("clock"):
        return "Read the clock() that you are given: this device has a time of its own."
    queued = "step() only queues a step: synchronize() before you read the clock for the end."
    if len(log.named("synchronize")) < 5:
        return queued
    if math.isclose(got * 1e3, device.in_training_ms, rel_tol=0.1):
        return "The clock counts seconds: times are wanted in milliseconds."
    if got <= 2 * device.launch_ms < device.step_ms:
        return queued
    if math.isclose(got, single, rel_tol=0.1) and device.step_ms < 1:
        return "Waiting after every step costs more than the step: let many steps share one synchronize()."
    if device.interruptions_per_s and 1 < got / device.in_training_ms < 1.3:
        return (
            "Something interrupts this device every half a second, and a long block always meets it: 30 ms are enough."
        )
    if got > 3 * device.in_training_ms:
        return "Is a block's time divided by its steps, and are the first, slow steps left out?"
    return "A sample is the time of a block of steps, from a quiet device to a quiet device, over its steps."


def _too_few(times: list[float], log: Log) -> Complaint | None:
    if len(times) < SAMPLES:
        return (
            f"gives {len(times)} times, at least {SAMPLES} are wanted",
            "Something else interrupts this device now and then: how sure is a median of so few?",
        )
    waited, different = len(log.named("synchronize")), len(set(times))
    if waited < SAMPLES or different < 2 / 3 * len(times):
        return (
            f"gives {len(times)} times, {different} of them different, after {waited} calls of synchronize()",
            "Each time is a measurement of its own: queue, wait, read the clock, again and again.",
        )
    took = float(log.facts.get("seconds", 0.0))
    if took > PATIENCE_S:
        return (
            f"took {took:,.0f} s of the device, {PATIENCE_S:.0f} s are enough",
            "How many steps does a block need? About 30 ms of work; where one step is longer, a single one.",
        )
    return None


def _device_rig(kind: str, case: Case, setting: Setting) -> DeviceRig:
    return DeviceRig(ToyDevice(character(kind, case.seed), case.seed % 2**31))


# A sweep ---------------------------------------------------------------------------------------------------------


def _curve(seed: int) -> ToyCurve:
    """A made-up GPU; which batches fit is drawn from the middle of what is asked."""
    rng = np.random.default_rng(seed)
    image_ms = float(np.exp(rng.uniform(np.log(0.002), np.log(0.02))))
    fixed_ms = image_ms * float(np.exp(rng.uniform(np.log(8), np.log(150))))
    return ToyCurve(fixed_ms, image_ms, int(rng.integers(300, 4000)), float(rng.uniform(1, 2)))


def _draw_sweep(full: bool, rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """Ascending batches that all fit; or any, every second time out of order, of which 4096 and 8192 never do."""
    if not full:
        return [batch for batch in POWERS if batch <= 256][int(rng.integers(3)) :], wire.call("measure")
    batches = list(POWERS[int(rng.integers(3, 6)) :])
    if index % 2:
        while batches[-1] in (4096, 8192):  # something that fits comes after what does not
            batches = [batches[int(place)] for place in rng.permutation(len(batches))]
    return batches, wire.call("measure")


def _sweep_rig(case: Case, setting: Setting) -> BatchRig:
    curve, batches = _curve(case.seed), case.arguments[0]

    def measure(batch: int) -> list[float]:
        step_ms = curve.step_ms(batch)
        return [round(one, 6) for one in noisy_times(step_ms, 31, (case.seed + batch) % 2**31, outliers=0.12)]

    return BatchRig(measure, lambda: _true_rates(curve, batches), len(batches))


def _true_rates(curve: ToyCurve, batches: list[int]) -> dict[int, float]:
    return {batch: curve.images_per_s(batch) for batch in batches if batch <= curve.largest}


def _judge_sweep(rates: bool, item: Item, case: Case, value: Any, log: Log) -> Verdict:
    rows = [numbers(row, 2) for row in value] if isinstance(value, list | tuple) else [None]
    found = {row[0]: row[1] for row in rows if row is not None}
    if None in rows or len(found) < len(rows):
        text = f"returned {clipped(value)}, expected a pair (batch, images_per_s) for each batch that fits"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    failed, truth = log.facts["failed"], log.facts["truth"]
    if wasted := next((one for at, one in enumerate(failed) if any(one > before for before in failed[:at])), None):
        text = f"tried batch {wasted} after a smaller one did not fit"
        return complained(case, text, "A larger batch needs more memory still: leave it out.")
    if missing := [batch for batch in case.arguments[0] if batch in truth and batch not in found]:
        text = f"leaves out batch {missing[0]}, which fits"
        return complained(case, text, "After one batch that does not fit, go on with the smaller ones.")
    if extra := [batch for batch in found if batch not in truth]:
        text = f"has a throughput for batch {extra[0]:g}, which does not fit or was not asked for"
        return complained(case, text, "A batch that ran out of memory has no throughput.")
    for batch, rate in found.items() if rates else ():
        right = truth[int(batch)]
        if abs(rate / right - 1) > RATE_TOLERANCE:
            text = f"gives {rate:,.4g} images/s for batch {batch:g}, expected about {right:,.4g}"
            return complained(case, text, _slip_of_rate(int(batch), rate, right, log))
    return Verdict(Status.EARNED)


def _slip_of_rate(batch: int, rate: float, right: float, log: Log) -> str:
    times: list[float] = next(
        (call.value for call in log.named("measure") if call.arguments == (batch,) and call.value), []
    )
    if times and any(
        math.isclose(rate, wrong, rel_tol=1e-3)
        for wrong in (batch * 1e3 / statistics.fmean(times), statistics.fmean(batch * 1e3 / one for one in times))
    ):
        return "That is a mean; a tenth of these times are outliers: take the median."
    if times and math.isclose(rate, batch * 1e3 / times[0], rel_tol=1e-6):
        return "That is the first time alone: take the median of all."
    return "Images a second: the batch over the median time of its step, which is in milliseconds."


# The choice ------------------------------------------------------------------------------------------------------


def rising(device: RecordedSteps) -> bool:
    """Whether a recording has every batch and its throughput never falls but by noise: a search then finds its knee."""
    rates = [device.images_per_s(batch) for batch in device.batches]
    whole = len(rates) >= 8 and device.batches == POWERS[: len(rates)]
    return whole and all(after >= 0.97 * before for before, after in itertools.pairwise(rates))


def _draw_choice(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return list(POWERS), wire.call("measure"), (0.8, 0.9)[index % 2]


def _choice_curve(case: Case) -> tuple[dict[int, float], int]:
    """The true throughputs of a case's device by batch; made up, or as recorded in every third case."""
    devices = [device for device in recorded_steps() if device.on_gpu and rising(device)]
    if devices and case.seed % 3 == 0:
        device = devices[case.seed // 3 % len(devices)]
        return {batch: device.images_per_s(batch) for batch in device.batches}, max(device.batches)
    curve = _curve(case.seed)
    return _true_rates(curve, case.arguments[0]), curve.largest


def _choice_rig(case: Case, setting: Setting) -> BatchRig:
    truth, largest = _choice_curve(case)

    def measure(batch: int) -> float:
        if batch > largest:
            ToyCurve(1, 1, largest).step_ms(batch)
        if batch not in truth:
            raise ValueError(f"batch {batch} is none of those to choose from")
        noise = np.random.default_rng((case.seed, batch)).standard_normal()
        return float(truth[batch] * (1 + 0.01 * max(-2.0, min(2.0, float(noise)))))

    return BatchRig(measure, lambda: truth, TRIES)


def _judge_choice(
    complain: Callable[[int, dict[int, float], float, Log], Complaint | None],
    item: Item, case: Case, value: Any, log: Log,
) -> Verdict:  # fmt: skip
    batches, _, share = case.arguments
    if type(value) is not int or value not in batches:
        text = f"returned {clipped(value)}, expected one of {batches[0]}, {batches[1]} ... {batches[-1]}"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    truth = {int(batch): rate for batch, rate in log.facts["truth"].items()}
    judged = _falls_short(value, truth, share, log) or complain(value, truth, share, log)
    return complained(case, *judged) if judged else Verdict(Status.EARNED)


def _falls_short(chosen: int, truth: dict[int, float], share: float, log: Log) -> Complaint | None:
    if not log.named("measure"):
        return f"chose {chosen} without a measurement", "Another device has another knee: measure this one."
    if chosen not in truth:
        return f"chose {chosen}, which does not fit into this device's memory", "What did measure() say of it?"
    best = max(truth.values())
    if truth[chosen] >= FALLS_SHORT * share * best:
        return None
    return (
        f"chose {chosen}: {truth[chosen] / best:.0%} of the best throughput, {share:.0%} is asked for",
        "What is the best throughput, and is it measured? The largest batch that fits has it, nearly.",
    )


def _too_large(chosen: int, truth: dict[int, float], share: float, log: Log) -> Complaint | None:
    best = max(truth.values())
    smallest = min(batch for batch, rate in truth.items() if rate >= share * best)
    if chosen <= 2 * smallest:
        return None
    return (
        f"chose {chosen}; {smallest} already reaches {truth[smallest] / best:.0%} of the best throughput",
        "A larger batch than needed takes memory and makes fewer updates: find the smallest that is fast enough.",
    )


def _draw_gpu_choice(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    return list(GPU_BATCHES), wire.call("measure"), 0.9


def _gpu_rig(case: Case, setting: Setting) -> BatchRig:
    """The lab CNN on this machine's GPU, each batch in a process of its own; what was not asked is measured last."""
    from gpulabs.measured_step import Settings, measure
    from gpulabs.training_step import StepPlan

    rates: dict[int, float] = {}
    too_large: set[int] = set()
    # In bus order CUDA counts as NVML does: the GPU whose turn this case has.
    environment = own_environment() | {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": cuda_name(setting.gpu),
    }

    def on_gpu(batch: int) -> float:
        if batch not in GPU_BATCHES:
            raise ValueError(f"batch {batch} is none of those to choose from")
        if batch in rates:
            return rates[batch]
        try:
            if any(batch >= other for other in too_large):
                raise OutOfMemory(f"out of memory at batch {batch}")
            found = measure(StepPlan(batch), Settings(seconds=GPU_SECONDS), environment)
        except OutOfMemory:
            if batch == min(GPU_BATCHES):  # any GPU has room for this one
                raise GraderError("other programs hold the GPU's memory; end them, or restart the notebook") from None
            too_large.add(batch)
            raise
        if found.device != "gpu" or not found.images_per_s:
            raise GraderError("TensorFlow finds no GPU here, though the driver has one; `gpulabs doctor` says more")
        rates[batch] = found.images_per_s
        return rates[batch]

    def truth() -> Mapping[int, float]:
        for batch in GPU_BATCHES:
            if setting.stop.is_set():  # the function never returned: nobody compares
                break
            with contextlib.suppress(OutOfMemory):
                on_gpu(batch)
        return rates

    return BatchRig(on_gpu, truth, GPU_TRIES)


_METERS = {kind: functools.partial(_judge_meter, kind) for kind in ("long", "cold", "short", "busy")}
_SMALLEST = functools.partial(_judge_choice, _too_large)

QUESTIONS = (
    *(
        Question(f"meter_{kind}", _draw_meter, judged, rig=functools.partial(_device_rig, kind), max_calls=METER_CALLS)
        for kind, judged in _METERS.items()
    ),
    Question("sweep", functools.partial(_draw_sweep, False), functools.partial(_judge_sweep, True), rig=_sweep_rig),
    Question(
        "sweep_of_memory", functools.partial(_draw_sweep, True), functools.partial(_judge_sweep, False), rig=_sweep_rig
    ),
    Question("choice", _draw_choice, functools.partial(_judge_choice, lambda *_: None), rig=_choice_rig),
    Question("smallest_choice", _draw_choice, _SMALLEST, rig=_choice_rig),
    Question("choice_on_gpu", _draw_gpu_choice, _SMALLEST, rig=_gpu_rig, needs_gpu=True),
)
