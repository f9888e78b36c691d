"""The ladder: the grader's own kernels, shipped as PTX, that every speed is compared with.

    naive        one thread an output, neighbouring threads along the columns
    coalesced    one thread an output, neighbouring threads along the channels
    tiled        a block's pixels and filters pass through shared memory
    blocked      each thread computes a patch of pixels times filters in registers
    vectorised   16 bytes a load, from global and from shared memory
    buffered     the next tile arrives by asynchronous copies while this one is computed

and, beside it,

    few_channels the first layer of a network, which memory limits
    winograd     F(2x2, 3x3): fewer multiplications, float32
    tensor_core  TF32: lower precision, far more multiplications a second

`autograder.build.ladder` makes the files from `solutions/*/ladder`; `layout` says how they are laid out.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any

from autograder.evidence import Argument, ArraySpec, Case, Kernel, Launch, Plan
from autograder.ladder.layout import ARGUMENTS, Step, Variant, fits, grid, product, sizes
from gpulabs.errors import GraderError

NAMES = ("naive", "coalesced", "tiled", "blocked", "vectorised", "buffered")
"""From the bottom to the top; where one does not fit a convolution, the rung below stands in for it."""
BESIDE = ("few_channels", "winograd", "tensor_core")
"""Kernels beside the ladder: for a first layer, by another algorithm, in another precision."""
ALL = NAMES + BESIDE
MAX_GRID = (2**31 - 1, 65535, 65535)


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder.

    Attributes:
        name: `naive`, `coalesced`, ...
        variants: Ways to compute a convolution; the first that fits the shapes is taken.
        ptx: Kernel name -> PTX text.
        source: The source it was built from, below `solutions/`.
        source_sha256: Of the source.
        target: Compute capability it was compiled for, e.g. `sm_75`; runs on later ones.
        numba_cuda: Version of the compiler.
        toolkit: Version of the CUDA toolkit.
    """

    name: str
    variants: tuple[Variant, ...]
    ptx: dict[str, str]
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
        variants = tuple(read_variant(variant) for variant in data.pop("variants"))
        kernels = sorted({step.kernel for variant in variants for step in variant.steps})
        ptx = {kernel: (folder / f"{kernel}.ptx").read_text(encoding="utf-8") for kernel in kernels}
        return Rung(variants=variants, ptx=ptx, **data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        known = ", ".join(ALL)
        raise GraderError(
            f"ladder: can't read rung {name!r} ({error}); there are {known}; rebuild with `autograder build`"
        ) from error


def identity(name: str) -> str:
    """The SHA-256 of a rung's PTX: a record holds it, so that a kernel that has changed since is told."""
    ptx = rung(name).ptx
    return hashlib.sha256("".join(ptx[kernel] for kernel in sorted(ptx)).encode()).hexdigest()


def read_variant(data: dict[str, Any]) -> Variant:
    """Makes a variant from its JSON, which has lists for tuples."""

    def without_lists(step: dict[str, Any]) -> dict[str, Any]:
        return {key: tuple(each) if isinstance(each, list) else each for key, each in step.items()}

    return Variant(
        tuple(Step(**without_lists(step)) for step in data["steps"]),
        data["needs"],
        {name: tuple(shape) for name, shape in data["temporaries"].items()},
    )


def obstacle(name: str, case: Case, architecture: str) -> str:
    """Says why a rung itself can't run a case on a GPU; empty where it can.

    Args:
        name: The rung.
        case: A case with arrays.
        architecture: e.g. `sm_75`.
    """
    found = rung(name)
    if not runs_on(name, architecture):
        return f"needs {found.target}, this GPU is {architecture}"
    known = sizes(case)
    return "" if any(fits(variant, known) for variant in found.variants) else "does not take these shapes"


def runs_on(name: str, architecture: str) -> bool:
    """Whether there is such a rung, and for this GPU: asynchronous copies need a later one than a T4."""
    return name in ALL and _number(rung(name).target) <= _number(architecture)


def _number(architecture: str) -> int:
    return int(re.sub(r"\D", "", architecture))


def plan_for(of: Rung, case: Case) -> tuple[Plan, dict[str, Kernel]]:
    """Lays a rung out over a case's shapes.

    Args:
        of: The rung.
        case: A case with arrays; stride and padding as TensorFlow means them.

    Returns:
        A plan, and its kernels by the keys that it names, `ladder:<kernel>`. Where no variant fits the shapes it is the
        plan of the rung below.

    Raises:
        GraderError: The case has no output, nothing fits it, or it is more than a grid can cover.
    """
    known = sizes(case)
    variant = next((variant for variant in of.variants if fits(variant, known)), None)
    if variant is None and of.name in NAMES[1:]:
        return plan_for(rung(NAMES[NAMES.index(of.name) - 1]), case)
    if variant is None:
        raise GraderError(f"ladder {of.name}: neither it nor a rung below it fits case {case.id}")
    shapes = {name: tuple(product(text, known) for text in shape) for name, shape in variant.temporaries.items()}
    shapes = {"y": (known["n"], known["h_out"], known["w_out"], known["k"])} | shapes
    arrays = [ArraySpec("x", case.x_shape, "float32"), ArraySpec("w", case.w_shape, "float32")]
    arrays += [ArraySpec("temporary", shape, "float32") for shape in shapes.values()]
    index = {name: number for number, name in enumerate(("x", "w", *shapes))}
    launches = []
    for step in variant.steps:
        blocks = grid(step, known)
        if not all(0 < count <= limit for count, limit in zip(blocks, MAX_GRID, strict=True)):
            raise GraderError(f"ladder {of.name}: case {case.id} needs the grid {blocks}, allowed is 1 to {MAX_GRID}")
        arguments = [
            Argument(index[name], None, f"array(float32, {len(arrays[index[name]].shape)}d, C)") for name in step.arrays
        ]
        arguments += [Argument(None, known[name], "int32") for name in ARGUMENTS]
        launches.append(Launch(f"ladder:{step.kernel}", blocks, step.block, step.shared_bytes, tuple(arguments)))
    kernels = {f"ladder:{step.kernel}": Kernel(step.kernel, step.kernel, of.ptx[step.kernel]) for step in variant.steps}
    return Plan(case.id, tuple(arrays), tuple(launches), result=2), kernels
