import pytest

from autograder import bench
from autograder.evidence import Resources
from gpulabs.errors import BadInputError


def test_shapes_are_read_as_they_are_written() -> None:
    found = bench.parse_workload("2x7x9x3 * 3x5x3->8", 2, "same")
    assert (found.x_shape, found.w_shape, found.stride, found.padding) == ((2, 7, 9, 3), (3, 5, 3, 8), 2, "same")
    assert bench.parse_workload("medium") == bench.WORKLOADS["medium"]


@pytest.mark.parametrize(
    "text", ["", "medium2", "2x7x9*3x3x3->8", "2x7x9x3*3x3x4->8", "0x7x9x3*3x3x3->8", "axbxcxd*3x3x3->8"]
)
def test_other_shapes_are_refused(text: str) -> None:
    with pytest.raises(BadInputError, match=r"--shape"):
        bench.parse_workload(text)


def test_row_by_hand() -> None:
    used = [Resources(f"ladder:{name}", "sm_90", registers, 0, 8, 0, 0) for name, registers in (("a", 10), ("b", 20))]
    found = bench.rung_row("r", [2.0] * 9, 4e9, 1e-6, used)
    assert (found.median_ms, found.gflops, found.runs) == (2.0, 2000.0, 9)
    assert (found.registers, found.spill_bytes, found.detail) == (20, 16, "a, b")


def test_workloads_are_exact_in_float32_and_tf32() -> None:
    for workload in bench.WORKLOADS.values():
        r, s, c, _ = workload.w_shape
        assert r * s * c * 15 * 3 < 2**24  # every partial sum is a whole number that float32 holds
