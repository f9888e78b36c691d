"""The tensor-core rung without a GPU: its outputs in the simulator, its registers after assembling."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autograder.assemble import assemble
from autograder.build.ladder import compile_rung, load
from autograder.evidence import Kernel

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "solutions/lab2_fast_conv/ladder/tensor_core.py"
NARROW, SMALL, MEDIUM, WIDE = range(4)


def simulated(*arguments: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.labs.tensor_core_simulated", json.dumps(arguments)]
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("variant", "x", "w", "stride", "padding", "shape"),
    [
        # neither channels nor filters fill a tile; the image is smaller than the filter
        (NARROW, (1, 2, 7, 4), (3, 5, 4, 8), 1, "same", [1, 2, 7, 8]),
        # two blocks of filters, stride 2, two images in one block
        (SMALL, (2, 5, 6, 20), (3, 3, 20, 68), 2, "same", [2, 3, 3, 68]),
        (MEDIUM, (1, 3, 5, 40), (2, 1, 40, 64), 1, "valid", [1, 2, 5, 64]),
        (WIDE, (1, 3, 5, 36), (1, 2, 36, 36), 2, "valid", [1, 2, 2, 36]),
    ],
)
def test_whole_numbers_come_out_exact(variant: int, x: Any, w: Any, stride: int, padding: str, shape: Any) -> None:
    found = simulated(variant, x, w, stride, padding, "integers")
    assert found["shape"] == shape
    assert found["worst"] == 0


def test_real_numbers_are_off_by_tf32s_rounding() -> None:
    found = simulated(NARROW, (1, 8, 8, 16), (3, 3, 16, 32), 1, "same", "normals")
    tolerance = load(SOURCE).TOLERANCE
    assert 2**-14 < found["worst"] / found["most"] < tolerance / 2


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_no_kernel_spills(architecture: str) -> None:
    ptx, _ = compile_rung("tensor_core", SOURCE)
    done = assemble({name: Kernel(name, name, text) for name, text in ptx.items()}, architecture)
    assert done.faults == {}
    for name, (_, found) in done.cubins.items():
        assert (found.spill_store_bytes, found.spill_load_bytes, found.fp64_instructions) == (0, 0, 0), name
    assert all("mma.sync" in text for name, text in ptx.items() if name != "tensor_core_pack")


def test_blocks_meet_the_device_s_limits() -> None:
    for variant in load(SOURCE).VARIANTS:
        step = variant.steps[-1]
        # Compute capability 8.6 gives a block the least of all with TF32: 99 KB. An H100 has 227 KB for all blocks.
        assert step.shared_bytes <= 99 * 1024
        assert (step.shared_bytes + 1024) * step.resident <= 228 * 1024
