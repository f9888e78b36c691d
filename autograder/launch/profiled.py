r"""Runs one cuDNN plan a few times and nothing else, for a profiler to look at.

    ncu --csv --clock-control none --metrics gpu__time_duration.sum \
        python -m autograder.launch.profiled '{"x_shape": [...], "w_shape": [...], "y_shape": [...],
                                               "stride": 1, "layout": "NHWC", "index": 0}'

The profiler's kernel time, summed over the plan's kernels, is what the events of
`autograder.launch.cudnn` have to agree with.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from autograder.launch.cudnn import Session, convolution, frontend, plan_name
from autograder.launch.gpu import CudaGpu
from gpulabs.errors import GraderError

EXECUTIONS = 6


def main(arguments: list[str]) -> int:
    """Executes the plan `EXECUTIONS` times; prints its name on stderr."""
    asked = json.loads(arguments[0])
    what = convolution(asked["x_shape"], asked["w_shape"], asked["y_shape"], asked["stride"])
    gpu, cudnn = CudaGpu(), frontend()
    handle = cudnn.create_handle()
    cudnn.set_stream(handle=handle, stream=gpu.stream)
    random = np.random.default_rng(0)
    x, w = (random.normal(size=shape).astype(np.float32) for shape in (what.x_shape, what.w_shape))
    session = Session(cudnn, handle, gpu, what, asked["layout"], x, w)
    workspace = session.workspace(asked["index"])
    if workspace is None:
        raise GraderError("the plan wants more workspace than it is given")
    print(plan_name(session.graph, asked["index"]), file=sys.stderr)
    for _ in range(EXECUTIONS):
        session.execute(asked["index"], workspace)
    gpu.synchronize()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
