import numpy as np
import pytest

from autograder.evidence import Argument, ArraySpec, Launch
from autograder.numba_abi import array_type, check_layout, pack, parameter_kinds, probe
from gpulabs.errors import GraderError


def test_array_is_five_words_and_two_for_each_axis() -> None:
    assert parameter_kinds(["array(float32, 2d, C)", "int32", "boolean"]) == ("u64",) * 9 + ("u32", "u8")
    assert array_type("array(float32, 4d, C)") == ("float32", 4)
    assert array_type("array(float32, 4d, F)") is None


def test_values_by_hand() -> None:
    launch = Launch(
        "k",
        (1, 1, 1),
        (1, 1, 1),
        0,
        (
            Argument(1, None, "array(float32, 3d, C)"),
            Argument(None, 7, "int64"),
            Argument(None, 2, "int32"),
            Argument(None, 0.5, "float32"),
            Argument(None, True, "boolean"),
        ),
    )
    arrays = (ArraySpec("x", (1,), "float32"), ArraySpec("w", (2, 3, 5), "float32"))
    values = pack(launch, arrays, [1000, 2000])
    assert values[:11] == (0, 0, 30, 4, 2000, 2, 3, 5, 60, 20, 4)
    assert values[11:] == (7, 2, 0.5, 1)
    assert [type(value) for value in values[11:]] == [int, np.int32, np.float32, np.uint8]
    assert all(type(value) is int for value in values[:11])


def test_installed_numba_cuda_agrees() -> None:
    assert probe().startswith("0.")


def test_another_layout_is_the_graders_own_failure() -> None:
    with pytest.raises(GraderError, match=r"numba-cuda 9\.9 lays out"):
        check_layout(("u64",) * 8, ["array(float32, 2d, C)"], "9.9")
