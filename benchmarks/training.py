"""The trainer beside `keras.Model.fit` and PyTorch, on one machine in one run, each case in a process of its own.

    python -m benchmarks.training                                all cases, on CIFAR-10 as `gpulabs data` has it
    python -m benchmarks.training --images FILE.npz --name "CIFAR-10, JPEG set" --budget-s 420 --resume

Importing is not counted. A case begins before its model is made, which starts the GPU, and ends with the trained one;
validation after every epoch included. Cases run one after the other, the most important first, each with a limit of its
own; the record is written after every case, and a case that was ended keeps what it had. With --resume, cases that
stand in the record without a failure are not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

RECORD = Path(__file__).parent / "results" / "training.json"
EPOCHS = 20
BATCH = 128
BF16 = {"precision": "mixed_bfloat16"}
PLAN = {
    "optimizer": {"name": "adamw", "weight_decay": 0.05},
    "schedule": {"name": "cosine", "rate": 4e-3, "warm_up": 0.15},
    "augmentation": {"flip": True, "shift": 2},
}
"""The better plan: the one that Lab 6's solution declares, with which held-out images were best classified."""

CASES: dict[str, dict[str, Any]] = {
    "cold": BF16 | {"how": "trainer", "limit_s": 60, "note": "nothing compiled before"},
    "second": BF16 | {"how": "trainer", "cache": "cold", "limit_s": 50, "note": "what cold compiled is kept"},
    "torch_compile": BF16 | {"how": "torch", "epochs": 5, "limit_s": 80, "note": "reduce-overhead, channels_last"},
    "keras_fit": BF16 | {"how": "keras", "epochs": 4, "limit_s": 90, "note": "jit_compile as Keras chooses"},
    "plan": BF16 | {"how": "plan", "plan": PLAN, "seeds": 5, "limit_s": 80, "note": "the better plan"},
    "given": {
        "how": "plan",
        "precision": "float32",
        "plan": {},
        "seeds": 5,
        "limit_s": 90,
        "note": "the plan as given",
    },
    "plan_float32": {"how": "plan", "precision": "float32", "plan": PLAN, "seeds": 3, "limit_s": 60},
    "plan_float16": {"how": "plan", "precision": "mixed_float16", "plan": PLAN, "seeds": 3, "limit_s": 60},
    "augmentation": BF16 | {"how": "augmentation", "epochs": 5, "limit_s": 60, "note": "epochs with and without it"},
    "cpu": {
        **{"how": "keras", "precision": "float32", "epochs": 2, "images": 12_800, "cpu": True, "limit_s": 60},
        "note": "stock fit on this machine's CPU",
    },
    "torch_eager": BF16 | {"how": "torch", "eager": True, "epochs": 3, "limit_s": 50, "note": "channels_last"},
    "float32": {"how": "trainer", "precision": "float32", "epochs": 6, "limit_s": 40},
    "float16": {"how": "trainer", "precision": "mixed_float16", "epochs": 6, "limit_s": 40},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="an npz with x_train, y_train, x_test, y_test")
    parser.add_argument("--name", default="CIFAR-10", help="what the images are, for the record")
    parser.add_argument("--only", help="cases, with commas")
    parser.add_argument("--out", type=Path, default=RECORD)
    parser.add_argument("--budget-s", type=float, default=3600.0, help="no case begins after it, none outlasts it")
    parser.add_argument("--resume", action="store_true", help="keep the cases that the record has already")
    arguments = parser.parse_args()
    from benchmarks import record

    ends = time.monotonic() + arguments.budget_s
    cases = kept(arguments.out, arguments.name) if arguments.resume else {}
    chosen = arguments.only.split(",") if arguments.only else list(CASES)
    if unknown := [name for name in chosen if name not in CASES]:
        parser.error(f"no case is called {', '.join(unknown)}; there are {', '.join(CASES)}")
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            left = ends - time.monotonic()
            if name in cases or left < 5:
                continue
            limit_s = min(CASES[name]["limit_s"], left)
            cases[name] = in_a_process(CASES[name], name, Path(folder), arguments.images, limit_s)
            print(name, json.dumps(summary(cases[name])), file=sys.stderr, flush=True)
            fields = {
                **{"images": arguments.name, "epochs": EPOCHS, "batch_size": BATCH},
                "cases": {each: cases[each] for each in CASES if each in cases},
            }
            record.write(arguments.out, record.record("training", "python -m benchmarks.training", fields))


def kept(path: Path, images: str) -> dict[str, Any]:
    """The cases of a record of these images that ended well."""
    if not path.is_file():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    if found["images"] != images:
        return {}
    return {name: case for name, case in found["cases"].items() if name in CASES and "failed" not in case}


def in_a_process(
    case: Mapping[str, Any], name: str, folder: Path, images: Path | None, limit_s: float
) -> dict[str, Any]:
    """A case's result: its runs, as many as it came to, and how it failed if it did."""
    environment = os.environ | {"GPULABS_DATA": str(folder / case.get("cache", name)), "TF_CPP_MIN_LOG_LEVEL": "3"}
    if images is None:  # the set lies where GPULABS_DATA pointed; a cache of the case's own must not hide it
        environment |= {"GPULABS_DATA_OF_SET": os.environ.get("GPULABS_DATA", "")}
    if case.get("cpu"):
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    command = [sys.executable, "-m", "benchmarks.training_cases", json.dumps(case)]
    command += [str(images.resolve())] if images else []
    began = time.monotonic()
    runs, failed = lines_of(command, environment, limit_s)
    found = {**case, "process_s": time.monotonic() - began, "runs": runs}
    return found | ({"failed": failed} if failed else {})


def lines_of(command: list[str], environment: Mapping[str, str], limit_s: float) -> tuple[list[Any], str]:
    """The JSON lines that a command printed in time, and how it failed, if it did."""
    failed = ""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as log:
        try:
            done = subprocess.run(command, env=environment, stdout=output, stderr=log, timeout=limit_s, check=False)
        except subprocess.TimeoutExpired:
            failed = f"not done after {limit_s:.0f} s"
        output.seek(0)
        lines = [json.loads(line) for line in output if line.startswith("{") and line.endswith("}\n")]
        if not failed and done.returncode:
            log.seek(0)
            failed = log.read()[-800:] or f"exit code {done.returncode}"
    return lines, failed


def steady(runs: Iterable[Mapping[str, Any]]) -> float | None:
    """The median second of all epochs but each run's first."""
    times = [each for run in runs for each in run["epoch_times_s"][1:]]
    return median(times) if times else None


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """What stands on a line while the benchmark runs."""
    runs = found.get("runs", [])
    shown: dict[str, Any] = {"failed": found["failed"][-300:]} if "failed" in found else {}
    if runs:
        shown |= {"total_s": runs[0]["total_s"], "first_s": runs[0]["epoch_times_s"][0], "epoch_s": steady(runs)}
        shown |= {"accuracy": [run["test_accuracies"][-1] for run in runs]}
    return shown


if __name__ == "__main__":
    main()
