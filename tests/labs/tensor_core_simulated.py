"""Runs variants of the tensor-core rung in the simulator; prints a line of JSON. Started by test_tensor_core.py."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

from autograder import ladder
from autograder.build.ladder import load
from autograder.evidence import Case
from autograder.worker import simulation
from gpulabs.convolution import conv2d

SOURCE = Path(__file__).parents[2] / "solutions/lab2_fast_conv/ladder/tensor_core.py"


def run(variant: int, case: Case, x: Any, w: Any) -> Any:
    """One variant's output, whatever shapes it is meant for."""
    module = load(SOURCE)
    chosen = replace(module.VARIANTS[variant], needs={})
    kernels = {step.kernel: "" for step in chosen.steps}
    plan, _ = ladder.plan_for(ladder.Rung("tensor_core", (chosen,), kernels, "", "", "", "", ""), case)
    arrays = [x.copy(), w.copy(), *(np.full(spec.shape, np.nan, np.float32) for spec in plan.arrays[2:])]
    for launch in plan.launches:
        values = [
            FakeCUDAArray(arrays[argument.array]) if argument.array is not None else np.int32(argument.scalar)
            for argument in launch.arguments
        ]
        kernel = getattr(module, launch.kernel.removeprefix("ladder:"))
        kernel[launch.grid, launch.block, 0, launch.shared_bytes](*values)
    assert np.array_equal(arrays[0], x)
    assert np.array_equal(arrays[1], w)
    return arrays[2]


def main() -> None:
    """Arguments: variant, shape of x, of w, stride, padding, and `integers` or `normals`."""
    variant, x_shape, w_shape, stride, padding, kind = json.loads(sys.argv[1])
    simulation.install()
    rng = np.random.default_rng(0)
    if kind == "integers":  # exact in TF32, whose mantissa counts to 2,048
        x = rng.integers(-2048, 2049, x_shape).astype(np.float32)
        w = rng.integers(-3, 4, w_shape).astype(np.float32)
    else:
        x = rng.standard_normal(x_shape).astype(np.float32)
        w = rng.standard_normal(w_shape).astype(np.float32)
    case = Case("c", "t", "i", "f", tuple(x_shape), tuple(w_shape), stride, padding)
    y = run(variant, case, x, w)
    expected = conv2d(x.astype(np.float64), w.astype(np.float64), stride, padding)
    print(json.dumps({"shape": y.shape, "worst": float(np.abs(y - expected).max()), "most": float(np.abs(y).max())}))


if __name__ == "__main__":
    main()
