"""The words that kernel code is made of: what a kernel may name of Numba, NumPy and math, by path.

A kernel travels from the process that ran student Python to the one that replays it as text and data.
Whatever it names of a library travels as a path of this list, so that no other object can come along.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

NAMESPACES = (
    "math",
    "numpy",
    "numba",
    "numba.types",
    "numba.cuda",
    "numba.cuda.shared",
    "numba.cuda.local",
    "numba.cuda.const",
    "numba.cuda.atomic",
    "gpulabs.intrinsics",
)

_NUMBERS = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64"
_MEMBERS = {
    "math": (
        "acos asin atan atan2 ceil copysign cos cosh erf erfc exp expm1 fabs floor fmod gamma hypot isfinite isinf "
        "isnan lgamma log log10 log1p log2 pow sin sinh sqrt tan tanh trunc pi e inf nan"
    ),
    "numpy": (
        f"{_NUMBERS} intp uintp float16 bool_ abs absolute ceil cos divmod exp fabs floor floor_divide fmod int_ "
        "isfinite isinf isnan log log2 maximum minimum mod power remainder sign sin sqrt square tan tanh pi inf nan"
    ),
    "numba": f"{_NUMBERS} float16 intp uintp boolean",
    "numba.types": f"{_NUMBERS} float16 intp uintp boolean",
    "numba.cuda": (
        "grid gridsize threadIdx blockIdx blockDim gridDim warpsize laneid syncthreads syncthreads_count "
        "syncthreads_and syncthreads_or syncwarp threadfence threadfence_block threadfence_system activemask "
        "lanemask_lt shfl_sync shfl_up_sync shfl_down_sync shfl_xor_sync all_sync any_sync eq_sync ballot_sync "
        "match_any_sync match_all_sync selp fma popc brev clz ffs cbrt"
    ),
    "numba.cuda.shared": "array",
    "numba.cuda.local": "array",
    "numba.cuda.const": "array_like",
    "numba.cuda.atomic": "add sub min max nanmin nanmax and_ or_ xor inc dec exch cas compare_and_swap",
    "gpulabs.intrinsics": "load1 load4 store4 copy4_async commit_copies wait_copies to_tf32 mma_tf32",
}
WORDS = frozenset(f"{space}.{name}" for space, names in _MEMBERS.items() for name in names.split())

BUILTINS = ("abs", "bool", "divmod", "enumerate", "float", "int", "len", "max", "min", "pow", "range", "round", "zip")


@functools.cache
def words_by_id() -> dict[int, str]:
    """Which object is which word or namespace; the shortest path where an object has several."""
    found: dict[int, str] = {}
    for path in sorted((*NAMESPACES, *WORDS), key=lambda path: (path.count("."), path)):
        try:
            found.setdefault(id(find(path)), path)
        except (AttributeError, ImportError):
            continue  # older versions lack some
    return found


def find(path: str) -> Any:
    """The object that a path of this list names.

    Raises:
        AttributeError: This version of the library has no such thing.
        KeyError: The path is not on the list.
    """
    if path not in WORDS and path not in NAMESPACES:
        raise KeyError(path)
    module, rest = ("numba.cuda", path[len("numba.cuda.") :]) if path.startswith("numba.cuda.") else (path, "")
    if not rest and path not in ("math", "numpy", "numba", "numba.cuda", "gpulabs.intrinsics"):
        module, _, rest = path.rpartition(".")
    found: Any = importlib.import_module(module)
    for name in rest.split(".") if rest else ():
        found = getattr(found, name)
    return found
