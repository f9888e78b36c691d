"""Runs the examples of docs/intrinsics.md, in the simulator or on a GPU: `python -m tests.gpulabs.intrinsics.page`."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numba import cuda, float32

from tests.gpulabs.intrinsics.kernels import _run

PAGE = Path(__file__).parents[3] / "docs/intrinsics.md"


def examples() -> dict[str, Any]:
    """The page's names, after its code."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    names: dict[str, Any] = {"cuda": cuda, "float32": float32}
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as file:  # Numba reads a kernel's source
        file.write(code)
    exec(compile(code, file.name, "exec"), names)
    return names


def check_all() -> None:
    """Runs each example and compares with NumPy; raises AssertionError."""
    names, rng = examples(), np.random.default_rng(0)
    x = rng.integers(-99, 99, (17, 4)).astype(np.float32)
    expected = np.concatenate([x[:-1] + x[1:], np.zeros((1, 4), np.float32)])
    np.testing.assert_array_equal(_run(names["add_rows"], x, np.zeros_like(x)), expected)
    x = rng.random(3072, np.float32)
    expected = x.reshape(12, 256).max(axis=0)
    np.testing.assert_array_equal(_run(names["largest"], x, np.zeros(256, np.float32), threads=256), expected)
    a, b = rng.integers(-99, 99, (16, 8)).astype(np.float32), rng.integers(-99, 99, (8, 8)).astype(np.float32)
    np.testing.assert_array_equal(_run(names["product"], a, b, np.zeros_like(a), threads=32), a @ b)


if __name__ == "__main__":
    check_all()
    print("all agree")
