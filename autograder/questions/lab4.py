"""Questions of Lab 4 on given numbers: throughput from times, a model of the step, what busy means, learning rates."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder.evidence import Case, FaultKind
from autograder.questions.question import Complaint, Question, clipped, complained, number, numbers
from autograder.result import Status
from autograder.rigs import Log
from autograder.verdict import Verdict
from gpulabs.recorded_steps import RecordedSteps, recorded_steps
from gpulabs.timing import median_order
from gpulabs.toy_device import ToyCurve, noisy_times, utilisation

if TYPE_CHECKING:
    from autograder.rubric import CaseSpec, Item

POWERS = tuple(1 << power for power in range(14))
"""The batches of a sweep: 1 to 8192."""
FEWEST_TIMES = 30
"""With fewer, the middle half of the times can pass for a 95 % interval of the median."""
TAILS = (0.01, 0.05)
"""How often the median may lie beyond one end of a 95 % interval, exactly 0.025: bootstraps and normal approximations
fall between these."""
CLOSE_FIT = 0.1
"""Of a fitted parameter; least squares of relative errors miss by 3 % at most on the made-up sweeps."""
BUSY = 0.9
_EXACT = 1e-6

# Throughput ------------------------------------------------------------------------------------------------------


def _draw_times(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """Every second one recorded, where a recording is long enough; the others made up, with outliers and a drift."""
    recorded = [
        (batch, times)
        for device in recorded_steps()
        for batch, times in device.times_ms.items()
        if len(times) >= FEWEST_TIMES
    ]
    if index % 2 == 1 and recorded:
        batch, trace = recorded[int(rng.integers(len(recorded)))]
        count = int(rng.integers(FEWEST_TIMES, min(len(trace), 80) + 1))
        start = int(rng.integers(len(trace) - count + 1))
        return batch, [round(time_ms, 4) for time_ms in trace[start : start + count]]
    step_ms, count = float(np.exp(rng.uniform(np.log(0.5), np.log(50)))), int(rng.integers(FEWEST_TIMES, 81))
    while True:  # until a mean would be seen
        seed, drift = int(rng.integers(2**31)), float(rng.choice([0.0, 0.03]))
        times = noisy_times(step_ms, count, seed, outliers=0.1, drift=drift)
        if statistics.fmean(times) > 1.08 * statistics.median(times):
            return int(rng.choice(POWERS)), [round(time_ms, 4) for time_ms in times]


def _judge_throughput(
    complain: Callable[[int, list[float], list[float]], Complaint | None], item: Item, case: Case, value: Any, log: Log
) -> Verdict:
    batch, times = case.arguments
    found = numbers(value, 3)
    if found is None or min(found) <= 0:
        text = f"returned {clipped(value)}, expected (images_per_s, low, high), three numbers above 0"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    judged = complain(batch, sorted(times), found)
    return complained(case, *judged) if judged else Verdict(Status.EARNED)


def _middle(batch: int, ranked: list[float], found: list[float]) -> Complaint | None:
    count, got = len(ranked), found[0]
    slowest, fastest = batch * 1e3 / ranked[count // 2], batch * 1e3 / ranked[(count - 1) // 2]
    if slowest * (1 - _EXACT) <= got <= fastest * (1 + _EXACT):
        return None
    slips = (
        (batch * 1e3 / statistics.fmean(ranked), "That is the mean, which a few outliers drag along: take the median."),
        (statistics.fmean(batch * 1e3 / one for one in ranked), "That is a mean of throughputs: take the median."),
        (batch * 1e3 / ranked[0], "That is the fastest step, which is luck: take the median."),
        (1e3 / statistics.median(ranked), "Those are steps a second: how many images has a step?"),
        (batch / statistics.median(ranked), "Times are in milliseconds, throughput is a second's."),
        (statistics.median(ranked), "That is a time, not a throughput."),
    )
    hint = next((text for wrong, text in slips if math.isclose(got, wrong, rel_tol=1e-4)), "Do it by hand, with units.")
    return f"gives {got:,.6g} images/s, expected {slowest:,.6g}, from the median time", hint


def _interval(batch: int, ranked: list[float], found: list[float]) -> Complaint | None:
    _, low, high = found
    if low > high:
        return (
            f"gives low {low:,.6g} above high {high:,.6g}",
            "The longest time makes the lowest throughput: the ends change places.",
        )
    count = len(ranked)
    inside = sum(batch * 1e3 / high * (1 - _EXACT) <= one <= batch * 1e3 / low * (1 + _EXACT) for one in ranked)
    backwards = [-one for one in reversed(ranked)]
    sides = (_side(ranked, batch * 1e3 / high), _side(backwards, -batch * 1e3 / low))
    text = f"gives {low:,.6g} to {high:,.6g} images/s, which holds {inside} of the {count} times"
    if "narrow" in sides:
        return (
            f"{text}: too narrow for 95 %",
            f"Count ranks: of {count} sorted times a 95 % interval of the median goes from number "
            f"{median_order(count)} to number {count + 1 - median_order(count)}.",
        )
    if "wide" in sides:
        return (
            f"{text}: that is wider than 95 % of the median asks for",
            "The interval is for the median, not for single times: it gets narrower with more of them.",
        )
    return None


def _side(ranked: Sequence[float], edge: float) -> str:
    """Judges one end of an interval of the median by its rank: `wide`, `narrow`, or nothing when it is right."""
    slack = _EXACT * abs(edge)
    below = sum(one < edge - slack for one in ranked)
    reached = sum(one <= edge + slack for one in ranked)
    right = median_order(len(ranked))
    ranks = range(min(reached, below + 1), max(reached, below + 1) + 1)
    if any(abs(rank - right) <= 1 or TAILS[0] <= _beyond(len(ranked), rank) <= TAILS[1] for rank in ranks):
        return ""
    return "wide" if max(ranks) < right else "narrow"


def _beyond(count: int, rank: int) -> float:
    """How probable it is that the median lies below the value of this rank, from 1."""
    return float(sum(math.comb(count, heads) for heads in range(min(rank, count + 1))) / 2**count)


# A model of the step ---------------------------------------------------------------------------------------------


def fit_step_time(batches: Sequence[int], times_ms: Sequence[float]) -> tuple[float, float]:
    """Fits `fixed + batch * image` by least squares of the relative errors."""
    weights = 1 / np.asarray(times_ms, float)
    rows = np.stack([weights, weights * np.asarray(batches, float)], axis=1)
    (fixed_ms, image_ms), *_ = np.linalg.lstsq(rows, np.ones(len(weights)), rcond=None)
    return float(fixed_ms), float(image_ms)


def _draw_fit(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    image_ms = float(np.exp(rng.uniform(np.log(0.002), np.log(0.05))))
    curve = ToyCurve(image_ms * float(np.exp(rng.uniform(np.log(20), np.log(60)))), image_ms)
    spread = 1 + 0.02 * rng.standard_normal(len(POWERS))
    jump = float(rng.choice([-0.08, 0.08]))  # as where a library chooses other kernels
    spread[-2:] *= 1 - jump, 1 + jump
    return list(POWERS), [
        round(curve.step_ms(batch) * float(one), 5) for batch, one in zip(POWERS, spread, strict=True)
    ]


def _draw_recorded_fit(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """Every second batch of a recording; a made-up sweep that the model fits only roughly where there is none."""
    recorded = [device for device in recorded_steps() if len(device.batches) >= 8]
    if recorded:
        device = recorded[(index + int(rng.integers(len(recorded)))) % len(recorded)]
        batches = device.batches[int(rng.integers(2)) :: 2]
        return list(batches), [round(device.step_ms(batch), 5) for batch in batches]
    curve = ToyCurve(float(rng.uniform(0.3, 2)), float(rng.uniform(0.003, 0.02)), sharpness=float(rng.uniform(1.2, 2)))
    return list(POWERS[::2]), [round(curve.step_ms(batch), 5) for batch in POWERS[::2]]


def _judge_fit(complain: Callable[..., Complaint | None], item: Item, case: Case, value: Any, log: Log) -> Verdict:
    found = numbers(value, 2)
    if found is None:
        text = f"returned {clipped(value)}, expected (fixed_ms, image_ms), two numbers"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    judged = complain(*case.arguments, *found)
    return complained(case, *judged) if judged else Verdict(Status.EARNED)


def _fits(batches: list[int], times: list[float], fixed_ms: float, image_ms: float) -> Complaint | None:
    right = fit_step_time(batches, times)
    if all(abs(got / one - 1) <= CLOSE_FIT for got, one in zip((fixed_ms, image_ms), right, strict=True)):
        return None
    text = f"= ({fixed_ms:.4g}, {image_ms:.4g}), expected about ({right[0]:.4g}, {right[1]:.4g})"
    return text, _slip_of_fit(batches, times, fixed_ms, image_ms)


def _fits_roughly(batches: list[int], times: list[float], fixed_ms: float, image_ms: float) -> Complaint | None:
    allowed = 1.25 * _miss(batches, times, *fit_step_time(batches, times)) + 0.02
    missed = _miss(batches, times, fixed_ms, image_ms)
    if missed <= allowed:
        return None
    text = f"= ({fixed_ms:.4g}, {image_ms:.4g}): its predictions miss these times by {missed:.0%} on average, "
    return f"{text}at most {allowed:.0%} is needed", _slip_of_fit(batches, times, fixed_ms, image_ms)


def _miss(batches: Sequence[int], times: Sequence[float], fixed_ms: float, image_ms: float) -> float:
    misses = [abs(fixed_ms + image_ms * batch - one) / one for batch, one in zip(batches, times, strict=True)]
    return statistics.fmean(misses)


def _slip_of_fit(batches: list[int], times: list[float], fixed_ms: float, image_ms: float) -> str:
    right = fit_step_time(batches, times)
    slope, at_zero = np.polyfit(batches, times, 1)
    if math.isclose(fixed_ms, right[1], rel_tol=0.2) and math.isclose(image_ms, right[0], rel_tol=0.2):
        return "The fixed part comes first, then what each image adds."
    if math.isclose(fixed_ms, at_zero, rel_tol=0.02) and math.isclose(image_ms, slope, rel_tol=0.02):
        return "Plain least squares let the largest batch decide alone: make relative errors small."
    if fixed_ms <= 0.02 * right[0]:
        return "What does a step take when the batch is nearly nothing?"
    return "Predict each time with your numbers: at which batches are they off?"


def batch_for(share: float, fixed_ms: float, image_ms: float) -> int:
    """The smallest batch with this share of the throughput that the model ends in."""
    return math.ceil(share / (1 - share) * fixed_ms / image_ms)


def _draw_share(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    share = (0.5, 0.8, 0.9, 0.95)[index % 4]
    while True:  # not so near a whole number that rounding decides
        fixed_ms, image_ms = round(float(rng.uniform(0.2, 5)), 3), round(float(rng.uniform(0.002, 0.05)), 5)
        exact = share / (1 - share) * fixed_ms / image_ms
        if 0.05 < exact % 1 < 0.95 and exact > 4:
            return share, fixed_ms, image_ms


def _slips_of_share(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    share, fixed_ms, image_ms = arguments
    exact = share / (1 - share) * fixed_ms / image_ms
    return [
        (exact, "A batch is a whole number of images."),
        (right - 1, "Rounded down it just misses the share."),
        (math.ceil(fixed_ms / image_ms), "That is the knee, where half of the limit is reached."),
        (fixed_ms / image_ms, "That is the knee, where half of the limit is reached."),
        (
            math.ceil(share * fixed_ms / image_ms),
            "Solve batch / (fixed + image * batch) = share / image for batch.",
        ),
        (math.ceil((1 - share) / share * fixed_ms / image_ms), "A larger share needs a larger batch."),
    ]


# Busy and fast ---------------------------------------------------------------------------------------------------


def _draw_kernels(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """Apart, overlapping, out of order, beyond both ends of the window."""
    begins = sorted(float(one) for one in rng.uniform(0, 9, int(rng.integers(4, 9))))
    kernels = [(round(begin, 2), round(begin + float(rng.uniform(0.3, 2.0)), 2)) for begin in begins]
    if index % 2:
        longest = max(range(len(kernels)), key=lambda place: kernels[place][1])
        begin, _ = kernels[longest]
        kernels.append((round(begin + 0.01, 2), round(begin + 0.2, 2)))  # inside another: the last begun ends first
        kernels = [kernels[int(place)] for place in rng.permutation(len(kernels))]
    return [list(kernel) for kernel in kernels], 1.0, 9.0


def _slips_of_busy(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    kernels, start, end = arguments
    return [
        (
            sum(b - a for a, b in kernels) / (end - start),
            "Overlapping kernels count once, and only inside the window.",
        ),
        (
            sum(max(0.0, min(b, end) - max(a, start)) for a, b in kernels) / (end - start),
            "Two kernels at once are no busier than one: time in which any runs counts once.",
        ),
        (utilisation(kernels, 0, 100) * 100 / (end - start), "Cut off what sticks out of the window."),
        (right * (end - start), "The share of the window, 0 to 1."),
        (right * 100, "The share of the window, 0 to 1."),
    ]


def _draw_busy_sweep(rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    """A recorded GPU's sweep where there is one, else made up: busy long before it is fast, slower at the end."""
    recorded = [device for device in recorded_steps() if _tells_busy_from_fast(device)]
    if recorded and index == 0:
        device = recorded[int(rng.integers(len(recorded)))]
        batches = [batch for batch in device.batches if batch in device.utilisation]
        busy = [round(device.utilisation[batch], 3) for batch in batches]
        return batches, busy, [round(device.images_per_s(batch), 1) for batch in batches]
    curve = ToyCurve(float(rng.uniform(0.3, 2)), float(rng.uniform(0.002, 0.02)))
    first = int(rng.integers(2, 5))
    slopes = (0.02 if place >= first else 0.2 for place in range(14))
    busy = [round(min(0.99, BUSY + 0.03 + (place - first) * slope), 3) for place, slope in enumerate(slopes)]
    rates = [round(curve.images_per_s(batch), 1) for batch in POWERS]
    return list(POWERS), [max(one, 0.05) for one in busy], [*rates[:-1], round(0.9 * rates[-2], 1)]


def _tells_busy_from_fast(device: RecordedSteps) -> bool:
    return any(one >= BUSY for one in device.utilisation.values())


def _judge_busy_sweep(item: Item, case: Case, value: Any, log: Log) -> Verdict:
    batches, busy, rates = case.arguments
    found = numbers(value, 2)
    if found is None:
        text = f"returned {clipped(value)}, expected (batch, share of the best throughput)"
        return complained(case, text, "", FaultKind.WRONG_TYPE)
    place = next(place for place, one in enumerate(busy) if one >= BUSY)
    share = rates[place] / max(rates)
    if found[0] != batches[place]:
        text = f"names batch {found[0]:g}, expected {batches[place]}"
        return complained(case, text, f"The first batch at which the GPU is busy {BUSY:.0%} of the time, or more.")
    if not math.isclose(found[1], share, rel_tol=1e-4):
        last = math.isclose(found[1], rates[place] / rates[-1], rel_tol=1e-4)
        hint = "The best throughput need not be the last." if last else "Its throughput over the best one, 0 to 1."
        return complained(case, f"gives the share {found[1]:.4g}, expected {share:.4g}", hint)
    return Verdict(Status.EARNED)


# Learning rates --------------------------------------------------------------------------------------------------


def learning_rate(step: int, batch: int, base_batch: int, base_rate: float, warm_up_steps: int) -> float:
    """In proportion to the batch; up to it in a straight line from the rate of the base batch."""
    peak = base_rate * batch / base_batch
    return base_rate + (peak - base_rate) * step / warm_up_steps if step < warm_up_steps else peak


def _draw_rate(warming: bool, rng: np.random.Generator, index: int, spec: CaseSpec) -> tuple[Any, ...]:
    base_batch = int(rng.choice([16, 32, 64]))
    batch, base_rate = base_batch * int(rng.choice([2, 4, 8, 16])), float(rng.choice([0.01, 0.02, 0.05]))
    steps = int(rng.integers(20, 200))
    if warming:
        step = (0, steps - 1)[index] if index < 2 else int(rng.integers(1, steps - 1))
        return step, batch, base_batch, base_rate, steps
    if index == 0:  # no warm-up at all
        return 0, batch, base_batch, base_rate, 0
    step = steps if index == 1 else steps + int(rng.integers(1, 1000))
    return step, batch if index != 2 else base_batch // 2, base_batch, base_rate, steps


def _slips_of_rate(arguments: Sequence[Any], right: float) -> list[tuple[float, str]]:
    step, batch, base_batch, base_rate, warm_up_steps = arguments
    peak, done = base_rate * batch / base_batch, step / max(warm_up_steps, 1)
    return [
        (peak, "The first steps take less: how far is the warm-up?"),
        (peak * done, "The warm-up starts from base_rate, not from 0."),
        (
            base_rate + (peak - base_rate) * (step + 1) / max(warm_up_steps, 1),
            "Step 0 takes base_rate.",
        ),
        (base_rate * math.sqrt(batch / base_batch), "In proportion to the batch, not to its root."),
        (base_rate * base_batch / batch, "A larger batch takes a larger rate."),
        (base_rate, "How much larger than base_batch is the batch?"),
        (base_rate + (peak - base_rate) * done, "The warm-up ends at warm_up_steps: from there on the rate stays."),
    ]


QUESTIONS = (
    Question("throughput", _draw_times, functools.partial(_judge_throughput, _middle)),
    Question("throughput_interval", _draw_times, functools.partial(_judge_throughput, _interval)),
    Question("fit_made_up", _draw_fit, functools.partial(_judge_fit, _fits)),
    Question("fit_recorded", _draw_recorded_fit, functools.partial(_judge_fit, _fits_roughly)),
    number("batch_for", _draw_share, batch_for, _slips_of_share),
    number("utilisation", _draw_kernels, utilisation, _slips_of_busy, whole=False),
    Question("busy_sweep", _draw_busy_sweep, _judge_busy_sweep),
    number("rate_after", functools.partial(_draw_rate, False), learning_rate, _slips_of_rate, whole=False),
    number("rate_warming", functools.partial(_draw_rate, True), learning_rate, _slips_of_rate, whole=False),
)
