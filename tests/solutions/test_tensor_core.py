"""What is special about the tensor-core rung: it rounds, and it wants more shared memory than others."""

import json
import subprocess
import sys
from pathlib import Path

from autograder.assemble import own_environment
from autograder.build.ladder import SOURCES, load

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "solutions" / SOURCES["tensor_core"]
REAL_NUMBERS = """
import simulate_rung
import json, pathlib, numpy as np
simulate_rung.simulator.install()
module = simulate_rung.load(pathlib.Path(SOURCE))
random = np.random.default_rng(0)
x = random.standard_normal((1, 8, 8, 16)).astype(np.float32)
w = random.standard_normal((3, 3, 16, 32)).astype(np.float32)
case = simulate_rung.Case("c", "t", "i", "f", x.shape, w.shape, 1, "same")
_, y = simulate_rung.launch(module, module.VARIANTS[0], case, x, w)
expected = simulate_rung.conv2d(x.astype(np.float64), w.astype(np.float64), 1, "same")
error = (y - expected).ravel()
size = np.sqrt(np.mean(expected**2))
shrink = error @ expected.ravel() / (expected.ravel() @ expected.ravel())
print(json.dumps([np.abs(error).max() / np.abs(expected).max(), np.sqrt(np.mean(error**2)) / size, shrink]))
"""


def test_real_numbers_are_off_by_the_rounding_that_the_tolerance_is_derived_from():
    code = REAL_NUMBERS.replace("SOURCE", repr(str(SOURCE)))
    environment = own_environment()
    environment["PYTHONPATH"] += f":{Path(__file__).parent}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    worst, spread, shrink = json.loads(done.stdout)
    assert worst < load(SOURCE).TOLERANCE
    assert 2.6e-4 < spread < 3.2e-4  # 2.9e-4; cutting x would make it 4.6e-4
    assert abs(shrink) < 4e-5  # cutting x would make every output smaller by 3.5e-4 of itself


def test_blocks_keep_to_the_devices_limits():
    for variant in load(SOURCE).VARIANTS:
        step = variant.steps[-1]
        assert step.shared_bytes <= 99 * 1024  # compute capability 8.6 and 12.0, which have the least
        assert (step.shared_bytes + 1024) * step.resident <= 228 * 1024  # 9.0, with the 1 KB a block that it keeps
