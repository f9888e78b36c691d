"""Compiles the ladder's sources to the PTX that ships in `autograder/ladder`.

Students race these kernels without reading them, so PTX ships and the sources don't. PTX for
compute capability 7.5 runs on every later GPU: the driver's assembler finishes it there.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

from gpulabs.errors import GraderError, MissingPackageError

RUNGS = ("naive", "coalesced")
SOURCES = Path("lab1_conv_kernel") / "ladder"
COMPUTE_CAPABILITY = (7, 5)
PTX_VERSION = "7.0"
"""Written into the header in place of the compiler's own version, which an older nvJitLink (that of
an older Colab, say) would refuse. Nothing here is newer than PTX 7.0; the tests assemble it."""

SIGNATURE = ("array(float32, 4d, C)",) * 3 + ("int32",) * 3
"""Numba's types of (x, w, y, stride, pad_top, pad_left)."""


def build_ladder(solutions: Path, target: Path) -> tuple[Path, ...]:
    """Compiles every rung and writes `<rung>.ptx` and `<rung>.json`.

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
    for name in RUNGS:
        source = solutions / SOURCES / f"{name}.py"
        ptx, metadata = compile_rung(source)
        for path, text in (
            (target / f"{name}.ptx", ptx),
            (target / f"{name}.json", json.dumps(metadata, indent=2) + "\n"),
        ):
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return tuple(written)


def compile_rung(source: Path) -> tuple[str, dict[str, object]]:
    """Compiles one rung; returns its PTX and its metadata."""
    try:
        from numba import cuda, types
    except ImportError as error:
        raise MissingPackageError(f'the ladder needs numba-cuda: pip install "numba-cuda[cu12]" ({error})') from error
    if not hasattr(cuda, "compile_ptx") or cuda.__name__.endswith("simulator"):
        raise GraderError("the ladder can't be built in the simulator: unset NUMBA_ENABLE_CUDASIM")
    name = source.stem
    module = _load(source)
    array = types.Array(types.float32, 4, "C")
    ptx, _ = cuda.compile_ptx(
        getattr(module, name).py_func, (array, array, array, *[types.int32] * 3), cc=COMPUTE_CAPABILITY
    )
    toolkit = re.search(r"Cuda compilation tools, release (\S+?),", ptx)
    metadata: dict[str, object] = {
        "name": name,
        "entry": name,
        "block": list(module.BLOCK),
        "axes": list(module.AXES),
        "signature": list(SIGNATURE),
        "source": (SOURCES / source.name).as_posix(),
        "source_sha256": sha256(source),
        "target": "sm_{}{}".format(*COMPUTE_CAPABILITY),
        "numba_cuda": importlib.metadata.version("numba-cuda"),
        "toolkit": toolkit.group(1) if toolkit else "unknown",
    }
    return _simplify(ptx, name), metadata


def sha256(source: Path) -> str:
    """The identity of a source file, whatever its line endings."""
    return hashlib.sha256(source.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _load(source: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ladder_{source.stem}", source)
    if spec is None or spec.loader is None:
        raise GraderError(f"{source}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _simplify(ptx: str, name: str) -> str:
    """Gives the entry its Python name, drops Numba's unused environment and lowers the version."""
    entry = re.search(r"\.visible \.entry (\w+)\(", ptx)
    if entry is None:
        raise GraderError(f"ladder {name}: no entry in the compiled PTX")
    lines = [line for line in ptx.splitlines() if "NumbaEnv" not in line and not line.startswith("//")]
    text = "\n".join(lines).replace(entry.group(1), name).strip() + "\n"
    return re.sub(r"^\.version \S+", f".version {PTX_VERSION}", text, flags=re.MULTILINE)
