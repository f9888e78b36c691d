"""How numba-cuda lays out a kernel's arguments: the one place that knows.

An array of D axes is 5 + 2 D parameters of 64 bits: meminfo (0), parent (0), number of items, item
size, pointer, shape..., strides... (in bytes). A scalar is one parameter of its own type. `probe`
compiles a small kernel and raises when an update of numba-cuda has changed that; 0.22 and 0.30
agree (both `_prepare_args` and the array's data model were read).
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autograder.evidence import ArraySpec, Launch
from autograder.ptx import entry_parameters
from gpulabs.errors import GraderError, MissingPackageError

_ARRAY_TYPE = re.compile(r"^array\((\w+), ([1-9]\d?)d, C\)$")

SCALARS: Mapping[str, tuple[str, type[np.generic]]] = {
    "int8": ("u8", np.int8),
    "int16": ("u16", np.int16),
    "int32": ("u32", np.int32),
    "int64": ("u64", np.int64),
    "uint8": ("u8", np.uint8),
    "uint16": ("u16", np.uint16),
    "uint32": ("u32", np.uint32),
    "uint64": ("u64", np.uint64),
    "float32": ("f32", np.float32),
    "float64": ("f64", np.float64),
    "bool": ("u8", np.uint8),
    "boolean": ("u8", np.uint8),
}
"""Numba's name of a scalar type -> (PTX parameter, the NumPy scalar that holds it)."""


def array_type(name: str) -> tuple[str, int] | None:
    """Reads `array(float32, 4d, C)`; returns (dtype, axes), or None for any other type."""
    match = _ARRAY_TYPE.match(name)
    return (match.group(1), int(match.group(2))) if match else None


def parameter_kinds(types: Sequence[str]) -> tuple[str, ...]:
    """The PTX parameters that a kernel with these Numba argument types has.

    Raises:
        KeyError: A type that the grader can't pass to a kernel.
    """
    kinds: list[str] = []
    for name in types:
        array = array_type(name)
        kinds.extend(("u64",) * (5 + 2 * array[1]) if array else (SCALARS[name][0],))
    return tuple(kinds)


def pack(launch: Launch, arrays: Sequence[ArraySpec], addresses: Sequence[int]) -> tuple[Any, ...]:
    """The values to launch a kernel with.

    Args:
        launch: The launch; validated.
        arrays: The plan's arrays, C order.
        addresses: Device address of each array, bytes.

    Returns:
        Python ints for parameters of 64 bits (cuda.core passes an int as 64 bits), NumPy scalars for others.
    """
    values: list[Any] = []
    for argument in launch.arguments:
        if argument.array is None:
            kind, scalar = SCALARS[argument.type]
            value = scalar(argument.scalar)
            values.append(int(value) if kind == "u64" else value)
            continue
        spec = arrays[argument.array]
        itemsize = np.dtype(spec.dtype).itemsize
        strides = [itemsize]
        for size in reversed(spec.shape[1:]):
            strides.insert(0, strides[0] * size)
        items = int(np.prod(spec.shape, dtype=np.int64))
        values += [0, 0, items, itemsize, addresses[argument.array], *spec.shape, *strides]
    return tuple(values)


def check_layout(parameters: tuple[str, ...] | None, types: Sequence[str], version: str) -> None:
    """Raises GraderError when compiled parameters are not those that `pack` makes."""
    expected = parameter_kinds(types)
    if parameters != expected:
        raise GraderError(
            f"numba-cuda {version} lays out kernel arguments in another way than this grader knows: expected "
            f"{' '.join(expected)}, compiled {' '.join(parameters or ('nothing',))}; "
            f'pip install "numba-cuda>=0.22,<=0.30.4"'
        )


@functools.cache
def probe() -> str:
    """Compiles a tiny kernel and compares its parameters with the layout; cached.

    Returns:
        numba-cuda's version.

    Raises:
        MissingPackageError: numba-cuda or its compiler is not installed.
        GraderError: The layout has changed.
    """
    import importlib.metadata

    try:
        from numba import cuda, types

        version = importlib.metadata.version("numba-cuda")
        signature = (types.Array(types.float32, 2, "C"), types.int64, types.float32)
        ptx, _ = cuda.compile_ptx(_probe_kernel, signature, cc=(7, 5))
    except (ImportError, AttributeError, OSError) as error:  # AttributeError: the simulator has no compiler
        raise MissingPackageError(f'no CUDA compiler for Numba: pip install "numba-cuda[cu12]" ({error})') from error
    entry = re.search(r"\.visible\s+\.entry\s+(\w+)", ptx)
    parameters = entry_parameters(ptx, entry.group(1)) if entry else None
    check_layout(parameters, ("array(float32, 2d, C)", "int64", "float32"), version)
    check_roles(ptx, entry.group(1) if entry else "")
    return version


@functools.cache
def probe_apart() -> None:
    """Runs `probe` in a process of its own, once: this one may have Numba's simulator switched on.

    Raises:
        GraderError: The layout has changed, or the compiler can't be asked.
    """
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    folder = str(Path(__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join([folder, *(path for path in sys.path if path)])
    command = [sys.executable, "-P", "-m", "autograder.numba_abi"]
    asked = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if asked.returncode != 0:
        said = (asked.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise GraderError(f"the probe of numba-cuda's argument layout failed: {said[:300]}")


def check_roles(ptx: str, entry: str) -> None:
    """Raises GraderError unless the probe's only global pointer is parameter 4.

    The list of types alone would not show two parameters of 64 bits trading places.
    """
    loads = dict(re.findall(rf"ld\.param\.[ub]64\s+(%rd\d+),\s*\[{re.escape(entry)}_param_(\d+)\]", ptx))
    pointers = re.findall(r"cvta\.to\.global\.u64\s+%rd\d+,\s*(%rd\d+)", ptx)
    if [loads.get(register) for register in pointers] != ["4"]:
        raise GraderError("numba-cuda passes an array's pointer in another place than this grader knows")


def _probe_kernel(array: Any, index: Any, value: Any) -> None:
    array[index, 0] = value


if __name__ == "__main__":
    print(probe())
