"""Compiles the ladder's sources to the PTX that ships in `autograder/ladder`.

Students race these kernels without reading them, so PTX ships and the sources don't. PTX for
compute capability 7.5 runs on every later GPU: the driver's assembler finishes it there.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import math
import re
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from autograder.ladder.layout import ARGUMENTS, Step, Variant
from gpulabs.errors import GraderError, MissingPackageError

SOURCES = {
    "naive": "lab1_conv_kernel/ladder/naive.py",
    "coalesced": "lab1_conv_kernel/ladder/coalesced.py",
    "tiled": "lab2_fast_conv/ladder/tiled.py",
    "blocked": "lab2_fast_conv/ladder/blocked.py",
    "vectorised": "lab2_fast_conv/ladder/vectorised.py",
    "buffered": "lab2_fast_conv/ladder/buffered.py",
    "tensor_core": "lab2_fast_conv/ladder/tensor_core.py",
    "few_channels": "lab2_fast_conv/ladder/few_channels.py",
    "winograd": "lab2_fast_conv/ladder/winograd.py",
}
"""Rung -> its source, below `solutions/`."""
COMPUTE_CAPABILITY = (7, 5)
PTX_VERSION = "7.0"
"""Written into the header in place of the compiler's own version, which an older nvJitLink (that of
an older Colab, say) would refuse. Nothing here is newer than PTX 7.0; the tests assemble it."""


def build_ladder(solutions: Path, target: Path) -> tuple[Path, ...]:
    """Compiles every rung and writes `<kernel>.ptx` and `<rung>.json`.

    Args:
        solutions: The folder `solutions/` of a checkout.
        target: Folder to write into, e.g. `autograder/ladder`.

    Returns:
        The files written.

    Raises:
        MissingPackageError: numba-cuda or its compiler is not installed.
        GraderError: A rung does not compile to what is expected.
    """
    target.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, place in SOURCES.items():
        ptx, metadata = compile_rung(name, solutions / place)
        metadata["source"] = place
        texts = {f"{kernel}.ptx": text for kernel, text in ptx.items()}
        for file, text in (texts | {f"{name}.json": json.dumps(metadata, indent=2) + "\n"}).items():
            (target / file).write_text(text, encoding="utf-8")
            written.append(target / file)
    return tuple(written)


def compile_rung(name: str, source: Path) -> tuple[dict[str, str], dict[str, object]]:
    """Compiles one rung; returns the PTX of its kernels and its metadata."""
    try:
        from numba import cuda
    except ImportError as error:
        raise MissingPackageError(f'the ladder needs numba-cuda: pip install "numba-cuda[cu12]" ({error})') from error
    if not hasattr(cuda, "compile_ptx") or cuda.__name__.endswith("simulator"):
        raise GraderError("the ladder can't be built in the simulator: unset NUMBA_ENABLE_CUDASIM")
    module = load(source)
    cc = getattr(module, "COMPUTE_CAPABILITY", COMPUTE_CAPABILITY)
    ptx: dict[str, str] = {}
    toolkit = None
    for variant in module.VARIANTS:
        for step in variant.steps:
            if step.kernel not in ptx:
                text = compile_step(module, variant, step, cc)
                toolkit = re.search(r"Cuda compilation tools, release (\S+?),", text) or toolkit
                ptx[step.kernel] = _simplify(text, step.kernel, PTX_VERSION)
    metadata: dict[str, object] = {
        "name": name,
        "variants": [asdict(variant) for variant in module.VARIANTS],
        "source": source.name,
        "source_sha256": sha256(source),
        "target": "sm_{}{}".format(*cc),
        "numba_cuda": importlib.metadata.version("numba-cuda"),
        "toolkit": toolkit.group(1) if toolkit else "unknown",
    }
    return ptx, metadata


def compile_step(module: ModuleType, variant: Variant, step: Step, cc: tuple[int, int]) -> str:
    """Compiles the kernel of a step to PTX."""
    from numba import cuda, types

    axes = {name: len(shape) for name, shape in variant.temporaries.items()}
    arrays = [types.Array(types.float32, axes.get(name, 4), "C") for name in step.arrays]
    kernel = getattr(module, step.kernel)
    bounds = (math.prod(step.block), step.resident)
    kinds = (*arrays, *[types.int32] * len(ARGUMENTS))
    ptx, _ = cuda.compile_ptx(kernel.py_func, kinds, cc=cc, launch_bounds=bounds)
    return str(ptx)


def sha256(source: Path) -> str:
    """The identity of a source file, whatever its line endings."""
    return hashlib.sha256(source.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def load(source: Path) -> ModuleType:
    """Imports a rung's source."""
    spec = importlib.util.spec_from_file_location(f"ladder_{source.stem}", source)
    if spec is None or spec.loader is None:
        raise GraderError(f"{source}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _simplify(ptx: str, name: str, version: str) -> str:
    """Gives the entry its Python name, drops Numba's unused environment and lowers the version.

    Shared arrays are numbered anew: Numba counts them through the life of a process.
    """
    entry = re.search(r"\.visible \.entry (\w+)\(", ptx)
    if entry is None:
        raise GraderError(f"ladder {name}: no entry in the compiled PTX")
    lines = [line for line in ptx.splitlines() if "NumbaEnv" not in line and not line.startswith("//")]
    text = "\n".join(lines).replace(entry.group(1), name).strip() + "\n"
    shared = list(dict.fromkeys(re.findall(r"\b_cudapy_smem_\d+\b", text)))
    text = re.sub(r"\b_cudapy_smem_\d+\b", lambda found: f"shared_{shared.index(found.group()) + 1}", text)
    return re.sub(r"^\.version \S+", f".version {version}", text, flags=re.MULTILINE)
