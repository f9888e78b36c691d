"""What is special about Winograd's rung: its rounding, its padded temporary, shared memory beyond 48 KiB."""

import json
import subprocess
import sys
from pathlib import Path

from autograder import ladder
from autograder.assemble import own_environment
from autograder.evidence import Case

SHARED_BYTES_86 = 99 << 10
"""A block's shared memory on compute capability 8.6, 8.9 and 12.0, the smallest of those that have `cp.async`."""
SHARED_BYTES_90 = 228 << 10
"""A multiprocessor's on 9.0; each block takes 1 KiB more than it asks for."""
ROUNDING = """
import json, sys
from pathlib import Path
import numpy as np
import simulate_rung
from autograder.build.ladder import load
from autograder.evidence import Case
from gpulabs import simulator
from gpulabs.convolution import conv2d

simulator.install()
module = load(Path(sys.argv[1]))
random = np.random.default_rng(0)
x = random.standard_normal((2, 9, 9, 20)).astype(np.float32)
w = random.standard_normal((3, 3, 20, 8)).astype(np.float32)
expected = conv2d(x.astype(float), w.astype(float), 1, "same")
case = Case("c", "t", "i", "f", x.shape, w.shape, 1, "same")
_, y = simulate_rung.launch(module, module.VARIANTS[0], case, x, w)
print(json.dumps([float(np.max(np.abs(y - expected)) / np.max(np.abs(expected))), module.TOLERANCE]))
"""


def test_rounding_is_as_derived() -> None:
    here = Path(__file__).parent
    source = here.parents[1] / "solutions" / ladder.rung("winograd").source
    environment = own_environment() | {"NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(here)!r})\n{ROUNDING}", str(source)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    error, tolerance = json.loads(done.stdout)
    derived = 0.7 * 2**-24 * 20**0.5
    assert 0 < error < 2 * derived < tolerance


def test_filters_are_padded_for_whole_rounds_and_blocks() -> None:
    plan, _ = ladder.plan_for(ladder.rung("winograd"), Case("c", "t", "i", "f", (3, 9, 10, 9), (3, 3, 9, 65)))
    assert plan.arrays[-1].shape == (16, 16, 128)  # positions; 9 channels to a multiple of 8, 65 filters to one of 64
    transform, product = plan.launches
    assert transform.grid == (2, 8, 1)
    assert product.grid == (2, 3, 1)  # 2 x 64 filters; 3 images of 4 x 4 tiles, 16 a block


def test_shared_memory_suits_small_gpus_and_two_blocks_of_a_large_one() -> None:
    plan, _ = ladder.plan_for(ladder.rung("winograd"), Case("c", "t", "i", "f", (1, 8, 8, 8), (3, 3, 8, 8)))
    needed = plan.launches[-1].shared_bytes
    assert needed <= SHARED_BYTES_86
    assert 2 * (needed + 1024) <= SHARED_BYTES_90


def test_other_filters_and_strides_are_refused() -> None:
    winograd = ladder.rung("winograd").variants
    for shape, stride in [((5, 5, 4, 4), 1), ((3, 3, 4, 4), 2)]:
        known = ladder.sizes(Case("c", "t", "i", "f", (1, 9, 9, 4), shape, stride))
        assert not any(ladder.fits(variant, known) for variant in winograd)
