"""Numbers carry their unit and no needless digits."""

from typing import Any

import pytest

from autograder.report.values import device_rows, points, rows, show


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"time_ms": 0.41239}, [("time", "0.4124 ms")]),
        ({"gflop_s": 3217.0}, [("throughput", "3217 GFLOP/s")]),
        ({"bandwidth_gb_s": 3350.0}, [("bandwidth", "3350 GB/s")]),
        ({"wrong_outputs": 1234567}, [("wrong outputs", "1,234,567")]),
        ({"gpu": {"memory_bytes": 1024, "name": "H100"}}, [("gpu memory", "1,024 bytes"), ("gpu name", "H100")]),
        (
            {"kernels": [{"registers": 32}, {"registers": 40}]},
            [("kernels 1 registers", "32"), ("kernels 2 registers", "40")],
        ),
        ({"kernels": [{"registers": 32}]}, [("kernels registers", "32")]),
        ({"worst_s": None, "s": 2}, [("worst", "none"), ("s", "2")]),
        ({"time_ms": "not measured"}, [("time", "not measured")]),
        ({"empty": {}}, [("empty", "none")]),
    ],
)
def test_rows(values: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert rows(values) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (0.0, "0"),
        (1e-7, "1.000e-07"),
        (123456.7, "123,457"),
        (float("nan"), "not a number"),
        (float("-inf"), "minus infinite"),
        (10**40, "1.000e+40"),
        ([1, 2.5, "x"], "1, 2.5, x"),
        (list(range(100)), "0, 1, 2, 3, 4, 5, 6, 7, ... (100 in all)"),
        ("\x1b[31m<b>", "<b>"),
    ],
)
def test_show(value: Any, text: str) -> None:
    assert show(value) == text


def test_a_device_header_leaves_out_what_is_not_there() -> None:
    header = {"gpu": None, "driver": None, "memory_gb": 79.6, "packages": {"numpy": "2.4.6", "numba": "0.68.1"}}
    assert device_rows(header) == [
        ("gpu", "none"),
        ("memory", "79.6 GB"),
        ("packages", "numpy 2.4.6, numba 0.68.1"),
    ]


@pytest.mark.parametrize(("value", "text"), [(20.0, "20"), (7.5, "7.5"), (0.0, "0"), (1 / 3, "0.33"), (100, "100")])
def test_points(value: float, text: str) -> None:
    assert points(value) == text
