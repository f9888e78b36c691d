"""Makes the inputs of a case from its seed: whole numbers, normals, impulses, photographs, NaN and infinity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.evidence import Case
from autograder.rubric import MAX_INTEGER_TAPS, MAX_W, MAX_X
from gpulabs.data.bundled import photograph
from gpulabs.errors import GraderError

Floats = NDArray[np.float32]

PHOTOGRAPHS = ("china.jpg", "flower.jpg")  # shipped with scikit-learn
# Filters of the photo cases, by output channel: edges along x, edges along y, sharpened, blurred (times 16).
FILTER_NAMES = ("edges along x (Sobel)", "edges along y (Sobel)", "sharpened", "blurred")
_FILTERS = np.array(
    [
        [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
        [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
        [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
        [[1, 2, 1], [2, 4, 2], [1, 2, 1]],
    ],
    np.float32,
)
# Red, green, blue count 1, 2, 1: close to how bright an eye finds them, and a swapped or missing channel shows.
_BRIGHTNESS = np.array([1, 2, 1], np.float32)


def inputs(case: Case) -> tuple[Floats, Floats]:
    """Makes x and w of a case: the same for the same case, wherever it is called.

    Args:
        case: One that passes arrays.

    Returns:
        x (N, H, W, C) and w (R, S, C, K), float32, C order.

    Raises:
        GraderError: The case passes no arrays, or its whole numbers could exceed 2**24.
        MissingPackageError: A photograph is needed and scikit-learn isn't installed.
    """
    makers = {
        "integers": _integers, "normals": _normals, "impulse": _impulse, "photo": _photo, "special": _special,
    }  # fmt: skip
    if case.values not in makers or len(case.x_shape) != 4 or len(case.w_shape) != 4:
        raise GraderError(f"case {case.id}: {case.values} passes no arrays")
    x, w = makers[case.values](case, np.random.default_rng(case.seed))
    return np.ascontiguousarray(x, np.float32), np.ascontiguousarray(w, np.float32)


def _integers(case: Case, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Odd |x| <= 4095 take all 12 bits that fp16 and TF32 lack; no w is 0, so that every tap counts."""
    taps = math.prod(case.w_shape[:3])
    if taps > MAX_INTEGER_TAPS:
        raise GraderError(f"case {case.id}: {taps} taps; at most {MAX_INTEGER_TAPS} keep every sum below 2**24")
    half = (MAX_X + 1) // 2
    x = 2 * rng.integers(-half, half, case.x_shape, np.int32) + 1
    w = rng.integers(1, MAX_W, case.w_shape, np.int32, endpoint=True) * rng.choice([-1, 1], case.w_shape)
    return x.astype(np.float32), w.astype(np.float32)


def _normals(case: Case, rng: np.random.Generator) -> tuple[Floats, Floats]:
    return rng.standard_normal(case.x_shape, np.float32), rng.standard_normal(case.w_shape, np.float32)


def _impulse(case: Case, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Ones in the corners, the middles of the edges and the centre of black images; taps count 1, 2, 3 ...

    Each output then spells out which taps reached it, and each border is met by some window.
    """
    x = np.zeros(case.x_shape, np.float32)
    rows = [0, case.x_shape[1] // 2, case.x_shape[1] - 1]
    columns = [0, case.x_shape[2] // 2, case.x_shape[2] - 1]
    x[:, [[row] for row in rows], columns, :] = 1
    w = np.arange(1, math.prod(case.w_shape) + 1, dtype=np.float32)
    return x, w.reshape(case.w_shape)


def _photo(case: Case, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Photographs of bytes 0 to 255 and small whole-number filters: exact in float32."""
    n, h, width, c = case.x_shape
    first = int(rng.integers(len(PHOTOGRAPHS)))
    x = np.empty(case.x_shape, np.float32)
    for i in range(n):
        x[i] = _fit(photograph(PHOTOGRAPHS[(first + i) % len(PHOTOGRAPHS)]), h, width)[:, :, np.arange(c) % 3]
    w = np.zeros(case.w_shape, np.float32)
    r, s, _, k = case.w_shape
    taps = _FILTERS[np.arange(k) % len(_FILTERS)][:, :r, :s].transpose(1, 2, 0)
    w[: taps.shape[0], : taps.shape[1]] = taps[:, :, None, :] * _BRIGHTNESS[np.arange(c) % 3][:, None]
    return x, w


def _special(case: Case, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Normals with NaN and both infinities in three corners, a pixel and a tap of zeros; most outputs stay finite."""
    x, w = _normals(case, rng)
    corners = rng.permutation(np.array([(0, 0), (0, -1), (-1, 0), (-1, -1)]))
    for (row, column), value in zip(corners, (np.nan, np.inf, -np.inf), strict=False):
        x[0, row, column, int(rng.integers(case.x_shape[3]))] = value
    x[0, case.x_shape[1] // 2, case.x_shape[2] // 2, :] = 0
    # The tap that meets a pixel's own output: 0 * infinity is NaN there, which skipping zeros would miss.
    w[(case.w_shape[0] - 1) // 2, (case.w_shape[1] - 1) // 2, :, 0] = 0
    return x, w


def _fit(photo: NDArray[Any], h: int, width: int) -> NDArray[Any]:
    """Takes every t-th pixel and crops the middle; mirrors a photograph that is too small."""
    step = max(1, min(photo.shape[0] // h, photo.shape[1] // width))
    small = photo[::step, ::step]
    missing = max(0, h - small.shape[0]), max(0, width - small.shape[1])
    small = np.pad(small, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
    top, left = (small.shape[0] - h) // 2, (small.shape[1] - width) // 2
    return small[top : top + h, left : left + width]
