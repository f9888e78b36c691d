import numpy as np
import pytest

from autograder.evidence import ArraySpec
from autograder.launch.arena import (
    ALIGNMENT,
    GUARD_WORD,
    LARGEST_GUARD,
    PAGE,
    SMALLEST_GUARD,
    Arena,
    constant,
    count_poison,
    guard_bytes,
    lay_out,
)
from tests.autograder.launch.fake_gpu import FakeGpu

SPECS = (
    ArraySpec("x", (3, 5), "float32"),
    ArraySpec("w", (7,), "uint8"),
    ArraySpec("temporary", (2, 3), "float64"),
    ArraySpec("view", (6,), "float64", view_of=2),
)


def test_arrays_and_guards_tile_the_allocation() -> None:
    layout = lay_out(SPECS)
    assert all(offset % ALIGNMENT == 0 for offset in layout.offsets)
    assert layout.offsets[3] == layout.offsets[2]
    sizes = (60, 8, 48)  # 7 bytes are filled up to a word
    pieces = sorted([*zip(layout.offsets[:3], sizes, strict=True), *layout.guards])
    end = 0
    for offset, size in pieces:
        assert offset == end
        end = offset + size
    assert end == layout.size
    assert layout.size % PAGE == 0


def test_guard_is_one_step_of_the_first_axis_within_limits() -> None:
    assert guard_bytes(ArraySpec("x", (64, 58, 58, 64), "float32")) == 58 * 58 * 64 * 4
    assert guard_bytes(ArraySpec("x", (2,), "float32")) == SMALLEST_GUARD
    assert guard_bytes(ArraySpec("x", (1, 1 << 26), "float32")) == LARGEST_GUARD


def test_arrays_begin_poisoned_and_guards_notice_one_byte() -> None:
    gpu = FakeGpu()
    arena = Arena(gpu, SPECS)
    assert count_poison(arena.download(2)) == 6
    arena.upload(2, np.ones((2, 3)))
    assert count_poison(arena.download(3)) == 0
    assert arena.download(3).shape == (6,)
    assert arena.guards_intact()
    gpu.upload(arena.address(2) + 48, np.zeros(1, np.uint8))
    assert not arena.guards_intact()


def test_a_read_past_an_array_gives_nan() -> None:
    assert np.isnan(np.array([GUARD_WORD], np.uint32).view(np.float32)[0])


def test_poison_is_told_from_other_nans() -> None:
    values = np.array([0x7FC0BEEF, 0x7FC00000, 0x7FFFFFFF, 0], np.uint32).view(np.float32)
    assert count_poison(values) == 1
    assert count_poison(np.zeros(4, np.uint8)) == 0
    halves = np.array([0x7FC0BEEF, 0x7FC0BEEF, 0x7FC0BEEF, 0], np.uint32).view(np.float64)
    assert count_poison(halves) == 1


@pytest.mark.parametrize("dtype", ["float32", "int32", "float64"])
def test_constants_fill_or_list(dtype: str) -> None:
    filled, listed = ArraySpec("constant", (2, 2), dtype, (3.0,)), ArraySpec("constant", (2,), dtype, (1.0, 2.0))
    arena = Arena(FakeGpu(), (filled, listed))
    arena.set_constant(0, filled)
    arena.set_constant(1, listed)
    assert np.array_equal(arena.download(0), np.full((2, 2), 3, dtype))
    assert np.array_equal(arena.download(1), constant(listed))
    assert arena.guards_intact()
