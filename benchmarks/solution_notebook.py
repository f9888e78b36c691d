"""Runs a lab's solution notebook from top to bottom and records each check and the time.

    python -m benchmarks.solution_notebook build lab1_conv_kernel NOTEBOOK      (needs jupytext)
    python -m benchmarks.solution_notebook run NOTEBOOK --out FILE.json         (needs nbclient)

Two steps, because a GPU machine may lack jupytext. The executed notebook is left beside the record.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import record

COMMAND = "PYTHONPATH=src:. python -m benchmarks.solution_notebook run NOTEBOOK --out benchmarks/results/{}"


def build(lab: str, target: Path) -> int:
    """Writes the solution notebook."""
    import nbformat

    from autograder.build import solution_notebook

    nbformat.write(solution_notebook(lab), target)
    return 0


def run(notebook: Path, out: Path) -> int:
    """Executes the notebook; returns 1 if a cell raised or a check lost points."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    read = nbformat.read(notebook, as_version=4)
    failure = ""
    began = time.monotonic()
    try:
        NotebookClient(read, timeout=600, kernel_name="python3").execute()
    except CellExecutionError as error:
        failure = str(error)[-2000:]
    seconds = round(time.monotonic() - began, 1)
    nbformat.write(read, out.with_suffix(".ipynb"))
    checks = dict(_check(cell) for cell in read.cells if "check(" in cell.source and cell.get("outputs"))
    found = {"notebook": notebook.name, "seconds": seconds, "checks": checks, "failure": failure}
    record.write(out, record.record("solution_notebook", COMMAND.format(out.name), found))
    for name, text in checks.items():
        print(f"== {name}\n{text}")
    print(f"{notebook.name}: {seconds} s; {failure or 'no cell raised'}")
    return int(bool(failure) or any(re.search(r"^\s*lost\b", text, re.MULTILINE) for text in checks.values()))


def _check(cell: Any) -> tuple[str, str]:
    name = re.search(r"check\(\s*[\"'](\w+)", cell.source)
    texts = []
    for output in cell.outputs:
        data = output.get("data", {})
        texts.append(output.get("text") or data.get("text/plain") or "")
    return (name.group(1) if name else cell.id), "\n".join("".join(text) for text in texts)


def main() -> int:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    one = steps.add_parser("build")
    one.add_argument("lab")
    one.add_argument("notebook", type=Path)
    two = steps.add_parser("run")
    two.add_argument("notebook", type=Path)
    two.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.step == "build":
        return build(options.lab, options.notebook)
    return run(options.notebook, options.out)


if __name__ == "__main__":
    sys.exit(main())
