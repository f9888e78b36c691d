from dataclasses import asdict
from pathlib import Path

import pytest

from autograder import ladder
from autograder.assemble import assemble
from autograder.build.ladder import SOURCES, compile_rung, sha256
from autograder.evidence import Case, Kernel
from autograder.validate import check_plan, check_ptx
from gpulabs.errors import GraderError

ROOT = Path(__file__).parents[2]
CASE = Case("c", "t", "exact", "f", (2, 7, 10, 3), (4, 3, 3, 33), 2, "same")


@pytest.mark.parametrize("name", ladder.ALL)
def test_shipped_ptx_is_built_from_the_sources(name: str) -> None:
    shipped = ladder.rung(name)
    assert shipped.source_sha256 == sha256(ROOT / "solutions" / shipped.source), "run `autograder build`"


@pytest.mark.parametrize("name", ladder.ALL)
def test_rebuilt_ptx_takes_the_same_arguments(name: str) -> None:
    ptx, metadata = compile_rung(name, ROOT / "solutions" / SOURCES[name])
    shipped = ladder.rung(name)
    assert [asdict(variant) for variant in shipped.variants] == metadata["variants"]
    assert ptx.keys() == shipped.ptx.keys()
    for kernel, text in shipped.ptx.items():
        assert ptx[kernel].count(".param") == text.count(".param")
        assert "NumbaEnv" not in text


@pytest.mark.parametrize("name", ladder.NAMES)
def test_rungs_pass_the_graders_own_rules(name: str) -> None:
    plan, kernels = ladder.plan_for(ladder.rung(name), CASE)
    assert [check_ptx(kernel) for kernel in kernels.values()] == [None] * len(kernels)
    assert check_plan(plan, CASE, kernels) is None


@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
def test_rungs_assemble_without_spills_or_doubles(architecture: str) -> None:
    rungs = [ladder.rung(name) for name in ladder.ALL]
    texts = {kernel: text for each in rungs if each.target <= architecture for kernel, text in each.ptx.items()}
    kernels = {name: Kernel(name, name, text) for name, text in texts.items()}
    assembled = assemble(kernels, architecture)
    assert assembled.faults == {}
    for _, found in assembled.cubins.values():
        assert (found.spill_store_bytes, found.spill_load_bytes, found.fp64_instructions) == (0, 0, 0)
        assert found.stack_bytes == 0  # a local array with an index that is no constant


def test_plan_covers_every_output_with_tensorflows_padding() -> None:
    plan, _ = ladder.plan_for(ladder.rung("naive"), CASE)
    assert plan.arrays[2].shape == (2, 4, 5, 33)
    (launch,) = plan.launches
    assert launch.grid == (1, 1, 66)  # 5 columns by 32, 4 rows by 8, 2 images times 33 channels
    # rows: (4 - 1) * 2 + 4 - 7 = 3 of padding, 1 on top; columns: (5 - 1) * 2 + 3 - 10 = 1, none on the left
    assert [a.scalar for a in launch.arguments[3:]] == [2, 1, 0]
    assert ladder.plan_for(ladder.rung("coalesced"), CASE)[0].launches[0].grid == (2, 1, 8)


def test_more_than_a_grid_holds_is_said() -> None:
    with pytest.raises(GraderError, match="needs the grid"):
        ladder.plan_for(ladder.rung("naive"), Case("c", "t", "i", "f", (4096, 3, 3, 1), (1, 1, 1, 64)))


def test_rung_that_does_not_fit_gives_way_to_the_one_below() -> None:
    odd_channels, large_filter = CASE, Case("c", "t", "i", "f", (1, 16, 16, 3), (7, 7, 3, 8))
    for name, case, taken in [("buffered", odd_channels, "blocked"), ("tiled", large_filter, "coalesced")]:
        assert ladder.plan_for(ladder.rung(name), case)[0].launches[0].kernel == f"ladder:{taken}"


def test_unknown_rung_is_named() -> None:
    with pytest.raises(GraderError, match=r"'fast'.*naive, coalesced"):
        ladder.rung("fast")
