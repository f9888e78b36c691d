"""Occupancy, bound by each resource in turn."""

import pytest

from gpulabs.errors import BadInputError
from gpulabs.occupancy import LIMITS, blocks_by_limit, limits_of, occupancy


@pytest.mark.parametrize(
    ("kernel", "gpu", "share"),
    [
        ((256, 32, 0), "T4", 1.0),  # by threads: 4 blocks of 8 warps
        ((32, 16, 0), "T4", 0.5),  # by blocks: 16 of one warp
        ((256, 65, 0), "T4", 0.75),  # 65 registers are 72: 3 blocks
        ((256, 32, 32_768), "T4", 0.5),  # by shared memory: 2 blocks
        ((40, 16, 0), "H100", 1.0),  # 40 threads are two warps: 32 blocks of them
        ((1024, 72, 0), "H100", 0.0),  # not one block
    ],
)
def test_the_scarcest_resource_decides(kernel: tuple[int, int, int], gpu: str, share: float) -> None:
    assert occupancy(*kernel, LIMITS[gpu]) == share


def test_unused_resources_set_no_limit() -> None:
    assert blocks_by_limit(64, 0, 0, LIMITS["L4"]) == {"blocks": 24, "threads": 24}


def test_an_unlisted_gpu_gets_the_limits_of_another_and_its_name() -> None:
    assert limits_of("8.9") == ("L4", LIMITS["L4"])
    assert limits_of("99.0")[0] == limits_of("")[0] == "H100"


def test_a_block_has_threads() -> None:
    with pytest.raises(BadInputError, match="0 threads"):
        blocks_by_limit(0, 32, 0, LIMITS["T4"])
