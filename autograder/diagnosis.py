"""Guesses the fault behind wrong outputs from their pattern: a pure function, for feedback only.

First it replays common mistakes: a wrong convolution that gives every single output of the student
is very likely the student's. If none fits, it looks at where the wrong outputs lie. It is never
needed for a verdict, and says nothing where it isn't sure.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.evidence import Case
from gpulabs.convolution import conv2d, flops, same_padding

Array = NDArray[Any]

# A replay costs one convolution: above this many operations only the first image is replayed.
_MAX_FLOPS = 100_000_000
# bf16 keeps 8 bits: outputs that are right to 2**-7 of their usual size were computed in lower precision; a lost
# tap, even of a 7x7x8 filter, costs about 1 / sqrt(392) of it.
_LOW_PRECISION = 2.0**-7
_REPLAY_RTOL = 1e-5  # a replay in float64 against a student's float32; whole numbers agree exactly anyway
_MIN_INFORMATIVE = 3  # equal outputs that a replay must explain; fewer fit by chance


@dataclass(frozen=True)
class Diagnosis:
    """A guess at the fault.

    Attributes:
        name: Short and stable, e.g. `halo`.
        pattern: What was seen, to follow "18 of 35 outputs differ, ".
        check: What to check, a few words.
        hint: One sentence that points the way and doesn't give the answer.
    """

    name: str
    pattern: str
    check: str
    hint: str


@dataclass(frozen=True)
class Evidence:
    """What there is to look at: a case, its inputs, the student's and the right output, and which ones are wrong."""

    case: Case
    x: Array
    w: Array
    got: Array
    expected: Array
    wrong: NDArray[np.bool_]


def diagnose(case: Case, inputs: tuple[Array, Array], got: Array, expected: Array, wrong: Array) -> Diagnosis | None:
    """Guesses what went wrong.

    Args:
        case: The case, for stride and padding.
        inputs: Its x and w.
        got: The student's output, (N, H_out, W_out, K); NaN where it was never written.
        expected: The right output.
        wrong: Where they differ, boolean, at least one True.

    Returns:
        The first guess that fits, or None.
    """
    evidence = Evidence(case, *inputs, got, expected, wrong)
    for look in (
        _unwritten,
        _all_zero,
        _not_finite,
        _scaled,
        _replayed,
        _shifted,
        _halo,
        _tail,
        _whole,
        _low_precision,
    ):
        found = look(evidence)
        if found is not None:
            return found
    return None


def _unwritten(e: Evidence) -> Diagnosis | None:
    missing = np.isnan(e.got) & ~np.isnan(e.expected)
    if not missing.any() or not np.isfinite(e.x).all():  # with NaN or infinity in x, a NaN may well have been computed
        return None
    if missing.all():
        return Diagnosis(
            "unwritten", "all of them are NaN, which y holds before the launch", "check that every thread assigns to y",
            "Fresh memory holds garbage, here NaN: is each output assigned once, or only added to, or never reached?",
        )  # fmt: skip
    tail = _tail_text(missing)
    if tail:
        return Diagnosis(
            "grid tail", f"never written: {tail}", "check the tail of the grid",
            "Count blocks * threads along each axis: is it enough when the size is no multiple of the block?",
        )  # fmt: skip
    return Diagnosis(
        "unwritten", f"{missing.sum()} of them never written", "check which threads reach their write",
        "Some outputs have no thread that writes them: check the mapping from thread to output and the guard.",
    )  # fmt: skip


def _all_zero(e: Evidence) -> Diagnosis | None:
    if e.got.any() or not e.expected.any():
        return None
    return Diagnosis(
        "all zero", "every output is 0", "check that the sum reaches y",
        "Follow one product on its way: into the accumulator, then into y.",
    )  # fmt: skip


def _low_precision(e: Evidence) -> Diagnosis | None:
    finite = np.isfinite(e.expected)
    size = float(np.sqrt(np.mean(np.square(e.expected[finite], dtype=np.float64)))) if finite.any() else 0.0
    if not np.isfinite(e.got[finite]).all() or (e.got[~finite] == 0).any():
        return None
    if size == 0 or np.abs(e.got[finite] - e.expected[finite]).max() > _LOW_PRECISION * size:
        return None
    return Diagnosis(
        "precision", "each by less than 1 % of the outputs' size", "check that every step is float32",
        "Something rounds: float16, bfloat16 or TF32 in a step, or a conversion to an integer.",
    )  # fmt: skip


def _whole(e: Evidence) -> Diagnosis | None:
    got, right = e.got[np.isfinite(e.got)], e.expected[np.isfinite(e.expected)]
    if got.size < _MIN_INFORMATIVE or (got != np.round(got)).any() or (right == np.round(right)).mean() > 0.5:
        return None
    return Diagnosis(
        "whole numbers", "all outputs are whole numbers and shouldn't be", "check the accumulator's type",
        "Something drops the digits after the point: with which value does the accumulator start, and of which type?",
    )  # fmt: skip


def _not_finite(e: Evidence) -> Diagnosis | None:
    """All wrong outputs are due to be NaN or infinite."""
    if np.isfinite(e.expected[e.wrong]).any():
        return None
    return Diagnosis(
        "not finite", "all of them where NaN or infinity is due", "check that every product is added",
        "0 * infinity is NaN, and NaN + 1 is NaN: is a product left out, or a value compared or clipped?",
    )  # fmt: skip


def _scaled(e: Evidence) -> Diagnosis | None:
    used = np.isfinite(e.expected) & (e.expected != 0)
    if (
        (e.wrong & ~np.isfinite(e.expected)).any()
        or used.sum() < _MIN_INFORMATIVE
        or np.unique(e.expected[used]).size < 2
    ):
        return None
    ratios = e.got[used].astype(np.float64) / e.expected[used]
    ratio = float(np.median(ratios))
    if ratio == 0 or not np.allclose(ratios, ratio, rtol=_REPLAY_RTOL) or (e.got[e.expected == 0] != 0).any():
        return None
    return Diagnosis(
        "scaled", f"all of them by the factor {ratio:g}", "check what is added, and how often",
        "Every sum is off by one factor: look for a product added twice, or a division that doesn't belong.",
    )  # fmt: skip


def _replayed(e: Evidence) -> Diagnosis | None:
    images = 1 if flops(e.expected.shape, e.w.shape) > _MAX_FLOPS else e.x.shape[0]
    x, got, expected = e.x[:images], e.got[:images], e.expected[:images]
    with np.errstate(invalid="ignore", over="ignore"):
        for replay, diagnosis in _mistakes(e.case, x, e.w, expected):
            output = replay()
            if output.shape == got.shape and _same(output, got) and not _same(output, expected):
                return diagnosis
    return None


def _mistakes(case: Case, x: Array, w: Array, y: Array) -> Iterator[tuple[Callable[[], Array], Diagnosis]]:
    """The mistakes that are replayed: what each would give, and what to say then."""
    stride, padding = case.stride, case.padding

    def run(x: Array, w: Array) -> Array:
        return conv2d(x, w, stride, padding)

    def only(*keep: Any) -> Array:
        part = np.zeros_like(w)
        part[keep] = w[keep]
        return part

    yield lambda: run(x, w[::-1, ::-1]), Diagnosis(
        "flipped", "as if the filter were flipped", "check the order of the taps",
        "Deep learning's convolution doesn't turn the filter around: tap (0, 0) meets the window's upper left pixel.",
    )  # fmt: skip
    yield lambda: run(x, w.transpose(1, 0, 2, 3)) if w.shape[0] == w.shape[1] else y, Diagnosis(
        "transposed", "as if the filter's rows and columns were swapped", "check r and s",
        "w is (R, S, C, K): r belongs to the rows, s to the columns.",
    )  # fmt: skip
    yield lambda: y.transpose(0, 2, 1, 3), Diagnosis(
        "transposed", "as if rows and columns of y were swapped", "check which index is the row",
        "Numba's x axis is the fastest one: it belongs to the columns of y, not to its rows.",
    )  # fmt: skip
    yield lambda: run(x, w.transpose(0, 1, 3, 2)) if w.shape[2] == w.shape[3] else y, Diagnosis(
        "transposed", "as if the filter's channels in and out were swapped", "check c and k in w",
        "w is (R, S, C, K): the channel of x comes before the channel of y.",
    )  # fmt: skip
    channels = Diagnosis(
        "channels", "as if some input channels were left out", "check the loop over c",
        "An output sums over all channels of x: check the limits of that loop.",
    )  # fmt: skip
    yield lambda: run(x[..., :1], w[:, :, :1]), channels
    yield lambda: run(x[..., :-1], w[:, :, :-1]) if w.shape[2] > 1 else y, channels
    taps = Diagnosis(
        "taps", "as if some taps were left out", "check the loops over r and s",
        "An output sums over all R * S taps: check the limits of both loops.",
    )  # fmt: skip
    yield lambda: run(x, only(slice(0, -1))), taps
    yield lambda: run(x, only(slice(None), slice(0, -1))), taps
    yield lambda: run(x, only(slice(0, -1), slice(0, -1))), taps
    overwritten = Diagnosis(
        "overwritten", "as if only the last product counted", "check = against +=",
        "Each product has to be added to the accumulator, none may replace it.",
    )  # fmt: skip
    yield lambda: run(x, only(-1, -1, -1)), overwritten
    yield lambda: np.cumsum(y, axis=3), Diagnosis(
        "accumulator", "as if the sum went on from channel to channel", "check where the accumulator starts",
        "Each output starts from 0: where is the accumulator set?",
    )  # fmt: skip
    yield lambda: np.broadcast_to(y[..., :1], y.shape), Diagnosis(
        "one filter", "all output channels are alike", "check k in w",
        "Each output channel has its own filter: which index of w chooses it?",
    )  # fmt: skip
    yield lambda: np.broadcast_to(y[:1], y.shape), Diagnosis(
        "one image", "every image has the output of the first", "check n in x",
        "Each image of the batch has its own output: which index of x chooses it?",
    )  # fmt: skip
    yield from _window_mistakes(case, x, w, y)


def _window_mistakes(case: Case, x: Array, w: Array, y: Array) -> Iterator[tuple[Callable[[], Array], Diagnosis]]:
    """Mistakes of where a window begins, and of what lies outside the image."""
    pads = [(0, 0), (0, 0)]
    if case.padding == "same":
        pads = [same_padding(x.shape[axis + 1], w.shape[axis], case.stride) for axis in (0, 1)]
    total = [sum(pad) for pad in pads]

    def run(before: list[int], strides: tuple[int, int], mode: Any = "constant") -> Array:
        """Convolves with `before` pixels of padding above and left, and enough below and right for all of y."""
        size = [(y.shape[axis + 1] - 1) * strides[axis] + 1 for axis in (0, 1)]
        need = [size[axis] - 1 + w.shape[axis] - x.shape[axis + 1] - before[axis] for axis in (0, 1)]
        widths = [(b, max(0, n)) for b, n in zip(before, need, strict=True)]
        padded = np.pad(x, [(0, 0), *widths, (0, 0)], mode=mode)
        return conv2d(padded, w)[:, : size[0] : strides[0], : size[1] : strides[1]]

    t, top_left = case.stride, [pad[0] for pad in pads]
    if t > 1:
        for strides, text in (((1, 1), "1"), ((t, 1), "1 along the columns"), ((1, t), "1 along the rows")):
            yield functools.partial(run, top_left, strides), Diagnosis(
                "stride", f"as if the stride were {text}", "check the stride",
                "Neighbouring windows lie stride pixels apart: where does the window of output (i, j) start?",
            )  # fmt: skip
    if case.padding != "same":
        return
    start = Diagnosis(
        "padding", "as if the padding were split otherwise", "check pad_top and pad_left",
        "How many rows of padding lie above the image and how many below, if their number is odd or the stride not 1?",
    )  # fmt: skip
    yield lambda: run([0, 0], (t, t)), Diagnosis(
        "no padding", "as if the windows started without padding", "check pad_top and pad_left",
        "Under 'same' the first window starts above and left of the image: by how much?",
    )  # fmt: skip
    yield lambda: run([-(-p // 2) for p in total], (t, t)), start
    yield lambda: run([f // 2 for f in w.shape[:2]], (t, t)), start
    yield lambda: run([(f - 1) // 2 for f in w.shape[:2]], (t, t)), start
    for mode, text in (("edge", "repeated"), ("wrap", "read from the opposite side")):
        yield functools.partial(run, top_left, (t, t), mode), _outside(text)
    # Negative indices wrap around in Numba; a guard below and right alone leaves those above and left.
    wrapped = np.pad(x, ((0, 0), (pads[0][0], 0), (pads[1][0], 0), (0, 0)), mode="wrap")
    wrapped = np.pad(wrapped, ((0, 0), (0, pads[0][1]), (0, pads[1][1]), (0, 0)))
    yield lambda: conv2d(wrapped, w, case.stride), _outside("read from the opposite side, above and left")


def _outside(text: str) -> Diagnosis:
    hint = "What does a thread read when a tap lies outside the image, and what should such a tap add?"
    return Diagnosis("halo", f"as if pixels outside the image were {text}", "check the halo", hint)


def _shifted(e: Evidence) -> Diagnosis | None:
    """Looks for outputs that are right but for one row or column of shift."""
    for di, dj, text in ((1, 0, "down"), (-1, 0, "up"), (0, 1, "right"), (0, -1, "left")):
        h, w = e.got.shape[1:3]
        here = e.got[:, max(0, di) : h + min(0, di), max(0, dj) : w + min(0, dj)]
        there = e.expected[:, max(0, -di) : h + min(0, -di), max(0, -dj) : w + min(0, -dj)]
        if here.size >= _MIN_INFORMATIVE and np.unique(there).size > 1 and _same(here, there):
            return Diagnosis(
                "shifted", f"the picture is shifted by one pixel {text}", "check where a window starts",
                "Compare the window's first row and column with the spec: one of them is off by one.",
            )  # fmt: skip
    return None


def _halo(e: Evidence) -> Diagnosis | None:
    """All wrong outputs have a window that leaves the image, and not every output has."""
    if e.case.padding != "same":
        return None
    leaves: dict[str, NDArray[np.bool_]] = {}  # by side: outputs whose window leaves the image there
    for axis, names in ((1, ("top", "bottom")), (2, ("left", "right"))):
        taps, size = e.w.shape[axis - 1], e.x.shape[axis]
        first = np.arange(e.expected.shape[axis]) * e.case.stride - same_padding(size, taps, e.case.stride)[0]
        for name, out in zip(names, (first < 0, first + taps > size), strict=True):
            shape = [-1 if a == axis else 1 for a in range(4)]
            leaves[name] = np.broadcast_to(out.reshape(shape), e.expected.shape)
    sides = sum(mask.astype(int) for mask in leaves.values())
    if np.all(sides) or (e.wrong & (sides == 0)).any():
        return None
    found = [name for name, mask in leaves.items() if (e.wrong & mask & (sides == 1)).any()] or ["corners"]
    return Diagnosis(
        "halo", f"all of them on the border ({', '.join(found)}), where the window leaves the image", "check the halo",
        "What does a thread do when a tap lies outside the image, on each of the four sides?",
    )  # fmt: skip


def _tail(e: Evidence) -> Diagnosis | None:
    text = _tail_text(e.wrong)
    if not text:
        return None
    return Diagnosis(
        "tail", f"all of them in {text}", "check the tail",
        "The first ones are right and the last ones aren't: look at how the index is split, and at the guards. In a "
        "kernel with a tile in shared memory a missing barrier can look the same.",
    )  # fmt: skip


def _tail_text(wrong: Array) -> str:
    """Names the axis along which only the last ones are concerned, or gives an empty text."""
    found = []
    for axis, names in enumerate(("images", "rows", "columns", "channels")):
        others = tuple(a for a in range(4) if a != axis)
        hit = np.flatnonzero(wrong.any(axis=others))
        if hit[0] > 0 and hit[-1] == wrong.shape[axis] - 1 and hit.size == wrong.shape[axis] - hit[0]:
            found.append((hit.size / wrong.shape[axis], f"the last {names} (from {hit[0]} of {wrong.shape[axis]})"))
    return min(found)[1] if found else ""


def _same(a: Array, b: Array) -> bool:
    size = float(np.abs(b[np.isfinite(b)]).max(initial=0))
    informative = math.prod(a.shape) > 0
    return informative and bool(np.allclose(a, b, rtol=_REPLAY_RTOL, atol=_REPLAY_RTOL * size, equal_nan=True))
