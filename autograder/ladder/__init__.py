"""The ladder: the grader's own kernels, shipped as PTX, that every speed is compared with.

    naive       one thread an output, neighbouring threads along the columns
    coalesced   one thread an output, neighbouring threads along the channels

`autograder.build.ladder` makes the files from `solutions/lab1_conv_kernel/ladder`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib import resources

from autograder.evidence import Argument, ArraySpec, Case, Kernel, Launch, Plan
from gpulabs.convolution import output_shape, same_padding
from gpulabs.errors import GraderError

NAMES = ("naive", "coalesced")
MAX_GRID = (2**31 - 1, 65535, 65535)


@dataclass(frozen=True)
class Rung:
    """One kernel of the ladder.

    Attributes:
        name: `naive`, `coalesced`.
        entry: The PTX entry point.
        ptx: The PTX text.
        block: Threads in x, y, z.
        axes: What the grid's x, y and z cover, products written `n*k`.
        signature: Numba's types of the arguments x, w, y, stride, pad_top, pad_left.
        source: The source it was built from, below `solutions/`, and its sha256.
        source_sha256: Of the source.
        target: Compute capability it was compiled for, e.g. `sm_75`; runs on later ones.
        numba_cuda: Version of the compiler.
        toolkit: Version of the CUDA toolkit.
    """

    name: str
    entry: str
    ptx: str
    block: tuple[int, int, int]
    axes: tuple[str, str, str]
    signature: tuple[str, ...]
    source: str
    source_sha256: str
    target: str
    numba_cuda: str
    toolkit: str


def rung(name: str) -> Rung:
    """Reads a rung from the package.

    Raises:
        GraderError: There is no such rung, or its files are missing or damaged.
    """
    folder = resources.files(__name__)
    try:
        data = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        ptx = (folder / f"{name}.ptx").read_text(encoding="utf-8")
        for key in ("block", "axes", "signature"):
            data[key] = tuple(data[key])
        return Rung(ptx=ptx, **data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        known = ", ".join(NAMES)
        raise GraderError(
            f"ladder: can't read rung {name!r} ({error}); there are {known}; rebuild with `autograder build`"
        ) from error


def plan_for(of: Rung, case: Case) -> tuple[Plan, Kernel]:
    """Lays a rung out over a case's shapes.

    Args:
        of: The rung.
        case: A case with arrays; stride and padding as TensorFlow means them.

    Returns:
        A plan of one launch under the kernel key `ladder:<name>`, and the kernel.

    Raises:
        GraderError: The case has no output, or more than a grid can cover.
    """
    n, h_out, w_out, k = output_shape(case.x_shape, case.w_shape, case.stride, case.padding)
    pad_top = pad_left = 0
    if case.padding == "same":
        pad_top, _ = same_padding(case.x_shape[1], case.w_shape[0], case.stride)
        pad_left, _ = same_padding(case.x_shape[2], case.w_shape[1], case.stride)
    sizes = {"n": n, "h_out": h_out, "w_out": w_out, "k": k}
    covered = [math.prod(sizes[factor] for factor in axis.split("*")) for axis in of.axes]
    grid = tuple(-(-threads // block) for threads, block in zip(covered, of.block, strict=True))
    if not all(0 < blocks <= limit for blocks, limit in zip(grid, MAX_GRID, strict=True)):
        raise GraderError(f"ladder {of.name}: case {case.id} needs the grid {grid}, allowed is 1 to {MAX_GRID}")
    arrays = (
        ArraySpec("x", case.x_shape, "float32"),
        ArraySpec("w", case.w_shape, "float32"),
        ArraySpec("temporary", (n, h_out, w_out, k), "float32"),
    )
    scalars = (case.stride, pad_top, pad_left)
    arguments = (
        *(Argument(index, None, kind) for index, kind in enumerate(of.signature[:3])),
        *(Argument(None, value, kind) for value, kind in zip(scalars, of.signature[3:], strict=True)),
    )
    key = f"ladder:{of.name}"
    launch = Launch(key, (grid[0], grid[1], grid[2]), of.block, 0, arguments)
    return Plan(case.id, arrays, (launch,), result=2), Kernel(of.name, of.entry, of.ptx)
