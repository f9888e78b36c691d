"""What XLA is told, when, and where it keeps compiled programs.

XLA reads `XLA_FLAGS` once, unless `--xla_flags_reset` was among the flags it read: then every compilation reads them
again. `scoped_flags` relies on that to choose flags for our program alone and to leave other programs of the process,
such as a plain `model.fit` beside it, as they were. The folder of compiled programs is read when TensorFlow starts its
devices, so `prepare` comes before the first tensor.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gpulabs.data.registry import folder

RESET = "--xla_flags_reset=true"

FLAGS: dict[str, tuple[str, str]] = {
    # name: (ours, XLA's default)
    "xla_gpu_autotune_level": ("0", "4"),
    "xla_gpu_enable_triton_gemm": ("false", "true"),
    "xla_gpu_enable_llvm_module_compilation_parallelism": ("true", "false"),
    "xla_gpu_force_compilation_parallelism": ("16", "0"),
}
"""Compilation in seconds: no library kernel is tried out, and the others are compiled side by side."""

UID_STEP = 1 << 15


def prepare(keep: bool = True) -> bool:
    """Readies TensorFlow's start: call it before the first tensor, best before TensorFlow is imported.

    Args:
        keep: Keep compiled programs in `GPULABS_DATA` or the user's cache folder, so that the same training compiles
            once on a machine. They are machine code: the folder is as trustworthy as those who can write to it.

    Returns:
        Whether it came in time; too late, training works the same and compiles again.
    """
    if _started():
        return False
    if RESET not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {RESET}".strip()
    flags = os.environ.get("TF_XLA_FLAGS", "")
    if keep and "tf_xla_persistent_cache_directory" not in flags:
        os.environ["TF_XLA_FLAGS"] = f"{flags} --tf_xla_persistent_cache_directory={cache_folder()}".strip()
    return True


def cache_folder() -> Path:
    """Where compiled programs are kept."""
    return folder() / "xla"


@contextlib.contextmanager
def scoped_flags(search: bool = False, deterministic: bool = False) -> Iterator[None]:
    """Compilations inside get our flags, those after it XLA's defaults; flags of the user's own win.

    Args:
        search: Let XLA try the kernels of libraries: cuDNN's first guess may be a hundred times too slow.
        deterministic: The same bits every time.
    """
    users = os.environ.get("XLA_FLAGS", "")
    flags_of = FLAGS | ({"xla_gpu_exclude_nondeterministic_ops": ("true", "false")} if deterministic else {})
    if search:
        flags_of.pop("xla_gpu_autotune_level")
    chosen = {name: values for name, values in flags_of.items() if name not in users}

    def flags(which: int) -> str:
        return " ".join([users, RESET, *(f"--{name}={values[which]}" for name, values in chosen.items())]).strip()

    os.environ["XLA_FLAGS"] = flags(0)
    try:
        yield
    finally:
        os.environ["XLA_FLAGS"] = flags(1)


def steady_names() -> None:
    """Makes the name of the next traced function independent of what was traced before.

    A kept program is found by its function's name, which ends in a counter of the process; winding the counter on to
    the next round number makes a notebook with a few cells more find what an earlier run compiled.
    """
    try:
        from tensorflow.python.framework.ops import uid
    except ImportError:  # not public: without it the same training compiles once more
        return
    while uid() % UID_STEP:
        pass


def _started() -> bool:
    """Whether TensorFlow has started its devices."""
    import sys

    if "tensorflow" not in sys.modules:
        return False
    from tensorflow.python.eager import context

    return context.context()._context_handle is not None
