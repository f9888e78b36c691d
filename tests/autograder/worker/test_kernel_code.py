"""Kernels travel as text and data: what is kernel code comes through whole, nothing else comes through at all."""

import json
import linecache
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograder.evidence import Function, decode, encode
from autograder.worker import kernel_code, vocabulary
from autograder.worker.kernel_code import KernelCodeError
from autograder.worker.portable import portable
from gpulabs import intrinsics

ROOT = Path(__file__).parents[3]
TILE, TABLE, PAIR, HALF = 16, np.arange(3, dtype=np.float32), (1, 2), np.float32(0.5)


def outer(factor):
    def kernel(x, y):
        """Says nothing."""
        y[0] = x[0] * factor + TILE + TABLE[1] + PAIR[0] + HALF + math.sqrt(np.float32(4))

    return kernel


def test_names_travel_as_words_and_numbers():
    (found,) = portable(outer(3))

    assert found.name == "kernel"
    assert found.text.startswith("def kernel(x, y):")
    assert found.names == {
        "factor": {"number": 3},
        "TILE": {"number": 16},
        "TABLE": {"array": [0.0, 1.0, 2.0], "dtype": "float32"},
        "PAIR": {"tuple": [1, 2]},
        "HALF": {"array": 0.5, "dtype": "float32"},
        "math": {"word": "math"},
        "np": {"word": "numpy"},
    }
    assert decode(Function, json.loads(json.dumps(encode(found)))) == found


def test_what_can_not_be_said_is_left_out():
    space = {"os": os, "thing": object(), "big": np.zeros(10_000), "open_": open, "text": "t"}
    source = "def kernel(y):\n    y[0] = os.getpid() + thing + big[0] + open_ + text\n"
    linecache.cache["<cell t>"] = (len(source), None, source.splitlines(keepends=True), "<cell t>")
    exec(compile(source, "<cell t>", "exec"), space)

    assert portable(space["kernel"])[0].names == {}


def test_a_kernel_without_source_is_none():
    space = {}
    exec("def kernel(y):\n    y[0] = 1", space)

    assert portable(space["kernel"]) == ()


def check(body, **names):
    said = {"cuda": {"word": "numba.cuda"}, "np": {"word": "numpy"}, "math": {"word": "math"}} | names
    text = "@cuda.jit\ndef kernel(x, y, n):\n" + "".join(f"    {line}\n" for line in body.split("\n"))
    return kernel_code._compiled(Function("kernel", text, "t", 7, said))


@pytest.mark.parametrize(
    "body",
    [
        '"""A docstring."""\ni = cuda.grid(1)\nif i < x.size: y[i] = x[i] * np.float32(2)',
        "tile = cuda.shared.array((8, 8), np.float32)\ntile[cuda.threadIdx.x, 0] = 1\ncuda.syncthreads()",
        "tile = cuda.local.array(4, dtype='float32')\nfor i in range(4): tile[i] = math.sqrt(abs(x[i]))",
        "a, b = divmod(cuda.blockIdx.x, n)\nwhile a < x.shape[0] and not b:\n    a += 1\n    if a > 3: break",
        "flat = y.reshape(-1)\nflat[0] = x.flat[3] + x.T[0] + x[0].real if n else max(1, min(2, int(x[0])))",
        "cuda.atomic.add(y, (0, 1), x[0, 1])\nreturn",
        "y[1:3, ::2] = (x[0] if (k := n) else -x[1]) ** 2 // 3 % 5 << 1",
    ],
)
def test_kernel_code_passes(body):
    check(body)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("import os", "uses Import"),
        ("y[0] = __import__('os').system('id')", "calls __import__"),
        ("y[0] = ().__class__", "uses .__class__"),
        ("y[0] = x.__array_interface__", "uses .__array_interface__"),
        ("y[0] = cuda.grid.__globals__", "uses .__globals__"),
        ("y[0] = np.load('a.npy')", "uses numpy.load"),
        ("y[0] = np.lib.format.open_memmap('a')", "uses numpy.lib"),
        ("m = np\ny[0] = m.load", "passes the module np on"),
        ("y[0] = cuda.shared", "passes numba.cuda.shared on"),
        ("y[0] = cuda.to_device(x)", "uses numba.cuda.to_device"),
        ("f = np.float32\ny[0] = f(1)", "calls f"),
        ("y[0] = x(1)", "calls x"),
        ("y[0] = open('a')", "calls open"),
        ("y[0] = eval('1')", "calls eval"),
        ("y[0] = getattr(x, 'base')", "calls getattr"),
        ("y[0] = x.base", "uses .base"),
        ("y.shape = (1,)", "sets .shape"),
        ("cuda.grid = n", "sets .grid"),
        ("y[0] = (lambda: 1)()", "Lambda|calls"),
        ("y[0] = [i for i in x][0]", "uses ListComp"),
        ("def inner(): pass", "uses FunctionDef"),
        ("try:\n    y[0] = 1\nexcept: pass", "uses Try"),
        ("global TILE", "uses Global"),
        ("y[0] = f'{x}'", "uses JoinedStr"),
        ("y[0] = 'text'", "a text"),
        ("y[0] = b'bytes'", "a text"),
        ("del x", "uses Delete"),
        ("yield x", "uses Yield"),
        ("x.reshape(-1).tofile('a')", "calls|uses .tofile"),
        ("y[0] = x.astype(n)", "calls|uses"),
        ("with x: pass", "uses With"),
        ("raise ValueError", "uses Raise"),
        ("class A: pass", "uses ClassDef"),
        ("y[0] = " + "(" * 60 + "-" * 20_000 + "1" + ")" * 60, "can't be read"),
    ],
)
def test_anything_else_is_refused_with_a_place(body, why):
    import re

    with pytest.raises(KernelCodeError, match=why) as caught:
        check(body)
    assert re.search(r"\(cell t, line \d+\)|can't be read", str(caught.value))


@pytest.mark.parametrize(
    "text",
    [
        "kernel = 1",
        "def other(x): pass",
        "x = 1\ndef kernel(): pass",
        "def kernel(x=open('a')): pass",
        "def kernel(*a): pass",
        "def (",
    ],
)
def test_the_text_is_one_plain_function(text):
    with pytest.raises(KernelCodeError):
        kernel_code._compiled(Function("kernel", text))


@pytest.mark.parametrize(
    "said",
    [
        {"word": "os"}, {"word": "numpy.load"}, {"word": "builtins.open"}, {"function": 0}, {"function": 9},
        {"number": "1"}, {"tuple": [[1]]}, {"array": ["a"], "dtype": "float32"}, {"array": [1], "dtype": "object"}, 7,
    ],
)  # fmt: skip
def test_a_name_stands_for_nothing_but_the_vocabulary(said):
    with pytest.raises(KernelCodeError):
        kernel_code._meaning(said, [None])


def test_the_vocabulary_holds_no_way_out():
    for word in vocabulary.WORDS:
        last = word.rpartition(".")[2]
        assert not last.startswith("__"), word
        assert last not in {"load", "save", "fromfile", "memmap", "jit", "open", "eval", "exec", "device_array"}, word


def test_a_kernel_with_device_functions_is_built_anew_and_runs():
    """In a process of its own: the simulator has to be chosen before Numba is imported."""
    kernel = "@cuda.jit\ndef kernel(x, y):\n    i = cuda.grid(1)\n    y[i] = twice(x[i]) + ONE\n"
    twice = "@cuda.jit(device=True)\ndef twice(a):\n    return a * TWO\n"
    names = {"cuda": {"word": "numba.cuda"}, "twice": {"function": 1}, "ONE": {"number": 1}}
    two = {"TWO": {"array": 2.0, "dtype": "float32"}}
    records = [Function("kernel", kernel, "t", 1, names), Function("twice", twice, "t", 9, two)]
    code = (
        "import json, sys, numpy as np\n"
        "from autograder.evidence import Function, decode\n"
        "from autograder.worker.kernel_code import build\n"
        "kernel = build([decode(Function, part) for part in json.loads(sys.argv[1])])\n"
        "x, y = np.arange(4, dtype=np.float32), np.zeros(4, np.float32)\n"
        "kernel[1, 4](x, y)\n"
        "print(y.tolist())\n"
    )
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-c", code, json.dumps([encode(one) for one in records])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    assert done.stdout.strip() == "[1.0, 3.0, 5.0, 7.0]", done.stderr


def test_every_intrinsic_can_be_replayed():
    assert {f"gpulabs.intrinsics.{name}" for name in intrinsics.__all__} <= vocabulary.WORDS
