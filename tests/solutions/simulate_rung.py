"""Runs a rung of the ladder in Numba's simulator: `python simulate_rung.py SOURCE JSON`, a program of its own.

Numba decides at its import whether it simulates. JSON is a list of cases [n, h, w, c, k, r, s, stride, padding];
every variant that takes such a case runs it, also those meant for more pixels than a simulator has time for.
Prints, for each run, the kernel that was launched last and the largest error relative to the largest output.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ["NUMBA_ENABLE_CUDASIM"] = "1"

import numpy as np
from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

from autograder import ladder
from autograder.build.ladder import load
from autograder.evidence import Case
from autograder.ladder.layout import fits, sizes
from gpulabs import simulator
from gpulabs.convolution import conv2d


def run(module, n, h, width, c, k, r, s, stride, padding):
    """Runs every variant that fits one case."""
    random = np.random.default_rng(0)
    x = random.integers(-15, 16, (n, h, width, c)).astype(np.float32)
    w = random.integers(-3, 4, (r, s, c, k)).astype(np.float32)
    case = Case("c", "t", "i", "f", x.shape, w.shape, stride, padding)
    expected = conv2d(x, w, stride, padding)
    for variant in module.VARIANTS:
        needs = {key: bound for key, bound in variant.needs.items() if not key.endswith("_pixels")}
        variant = replace(variant, needs=needs)
        if fits(variant, sizes(case)):
            name, y = launch(module, variant, case, x, w)
            yield name, float(np.max(np.abs(y - expected)) / max(np.max(np.abs(expected)), 1))


def launch(module, variant, case, x, w):
    """Simulates a variant's launches; returns the last kernel's name and y."""
    kernels = {step.kernel: "" for step in variant.steps}
    plan, _ = ladder.plan_for(ladder.Rung("simulated", (variant,), kernels, "", "", "", "", ""), case)
    arrays = [x, w, *(np.full(spec.shape, np.nan, np.float32) for spec in plan.arrays[2:])]
    for each in plan.launches:
        values = [
            FakeCUDAArray(arrays[value.array]) if value.array is not None else np.int32(value.scalar)
            for value in each.arguments
        ]
        name = each.kernel.removeprefix("ladder:")
        getattr(module, name)[each.grid, each.block, 0, each.shared_bytes](*values)
    return name, arrays[2]


if __name__ == "__main__":
    simulator.install()
    source = load(Path(sys.argv[1]))
    print(json.dumps([found for case in json.loads(sys.argv[2]) for found in run(source, *case)]))
