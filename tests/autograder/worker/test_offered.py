"""Graded code gets tools of our packages and no answers; what it may not have imports, and fails where it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

from autograder.worker.offered import OFFERED

ROOT = Path(__file__).parents[3]
REFUSED = "is not there while your work is graded"

ALLOWED = """
from gpulabs import conv2d
from gpulabs.convolution import output_shape, padding_before
from gpulabs.intrinsics import load4
from gpulabs.access import BANKS
from gpulabs.occupancy import LIMITS
import gpulabs.roofline
from gpulabs import intrinsics, occupancy as limits
assert callable(intrinsics.load4) and limits.LIMITS is LIMITS
assert output_shape((1, 4, 4, 2), (3, 3, 2, 5)) == (1, 2, 2, 5)
assert LIMITS["T4"]["warps_per_sm"] == BANKS
assert gpulabs.roofline.known_roof("NVIDIA H100").peak_gflops > 0
"""
ANSWERS = {
    "from gpulabs.convolution import flops": "flops((1, 2, 2, 3), (3, 3, 2, 3))",
    "import gpulabs.convolution": "gpulabs.convolution.min_bytes((1,), (1,), (1,))",
    "from gpulabs.access import bank_passes": "bank_passes(range(32))",
    "from gpulabs.occupancy import occupancy": "occupancy(32, 32, 0, {})",
    "from gpulabs.plots import occupancy_bars": "occupancy_bars({}, {}, '')",
    "from gpulabs.plots.bars import blocks_by_limit": "blocks_by_limit(1, 1, 1, {})",
    "from autograder.questions import ALL": "ALL['banks']",
    "import autograder.cases, autograder": "autograder.cases.answer(1)",
    "from gpulabs import check": "check('conv_first')",
    "import importlib": "importlib.import_module('gpulabs.access').bank_passes([1])",
}


def run(code: str) -> str:
    """What a fresh process says in which the worker has restricted imports."""
    early = "import gpulabs, gpulabs.convolution\nfrom autograder.worker.offered import restrict\nrestrict()\n"
    script = f"{early}try:\n" + "\n".join(f"    {line}" for line in code.strip().splitlines())
    script += "\nexcept BaseException as error:\n    print(type(error).__name__, error)\nelse:\n    print('ran')\n"
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "NUMBA_ENABLE_CUDASIM": "1", "PATH": "/usr/bin"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    return (done.stdout + done.stderr).strip()


def test_tools_are_there() -> None:
    assert run(ALLOWED) == "ran"


def test_importing_an_answer_costs_nothing_and_using_it_raises_one_sentence() -> None:
    code = "\n".join(
        f"{imports}\ntry:\n    {use}\nexcept ImportError as error:\n    assert {REFUSED!r} in str(error), error\n"
        f"else:\n    raise SystemExit({use!r})"
        for imports, use in ANSWERS.items()
    )
    assert run(code) == "ran"


@pytest.mark.parametrize("code", ["import gpulabs.no_such_module", "from gpulabs.no_such_module import anything"])
def test_what_does_not_exist_is_still_missing(code: str) -> None:
    assert "ModuleNotFoundError" in run(code)


def test_no_offered_name_answers_a_task() -> None:
    """A function that the grader's own answers use is an answer, whatever it is called."""
    import importlib

    from autograder.questions import ALL

    modules = {sys.modules[question.draw.__module__] for question in ALL.values()}
    graded = {value for module in modules for value in vars(module).values() if callable(value)}
    graded |= {vars(importlib.import_module("gpulabs.convolution"))[name] for name in ("flops", "min_bytes")}
    for module, names in OFFERED.items():
        space = vars(importlib.import_module(module))
        offered = {name: space[name] for name in names or () if callable(space.get(name))}
        assert not [name for name, value in offered.items() if value in graded and name not in TOOLS], module


TOOLS = ("conv2d", "output_shape", "same_padding", "padding_before")
"""The grader uses them too; the labs give them to students."""
