"""The tables of docs/training.md, of the records of `benchmarks.training` and `benchmarks.training_cpu`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.record import table
from benchmarks.training import CASES, steady

ASKED: dict[str, tuple[str, float, str]] = {
    # what: (its case, asked, unit)
    "20 epochs from the call of `fit`, nothing compiled before": ("cold", 15.0, "s at most"),
    "20 epochs from the call of `fit`, compiled programs kept": ("second", 6.0, "s at most"),
    "an epoch": ("cold", 0.15, "s at most"),
    "the better plan, 20 epochs": ("plan", 0.82, "of the test images at least"),
}
TITLES = {
    "cold": "trainer, bfloat16, as given",
    "second": "the same, compiled programs kept",
    "float32": "trainer, float32",
    "float16": "trainer, float16",
    "keras_fit": "`keras.Model.fit`, bfloat16",
    "torch_compile": "PyTorch, `torch.compile`, bfloat16",
    "torch_eager": "PyTorch, eager, bfloat16",
    "cpu": "`keras.Model.fit` on the CPU, float32",
}
PLANS = {
    "given": "as given, float32",
    "plan": "the better plan, bfloat16",
    "plan_float32": "the better plan, float32",
    "plan_float16": "the better plan, float16",
}


def on_a_gpu(found: Mapping[str, Any] | None) -> list[str]:
    """The part of the page that comes from a GPU; without a record it says what is missing."""
    if found is None:
        asked = "; ".join(f"{what}: {limit:g} {unit}" for what, (_, limit, unit) in ASKED.items())
        return [
            "Not measured yet on a GPU: there is no record of the trainer as it is now.",
            "",
            f"Asked: {asked}.",
            "",
        ]
    cases = found["cases"]
    good = {name: case for name, case in cases.items() if case.get("runs")}
    lines = [f"{found['images']}, batches of {found['batch_size']}.", ""]
    lines += [*verdicts(good), ""] if good else []
    lines += [*times(good), ""] if any(name in good for name in TITLES) else []
    lines += [*accuracies(good), ""] if any(name in good for name in PLANS) else []
    lines += [*augmentation(good["augmentation"]), ""] if "augmentation" in good else []
    failed = [
        f"{name}: {case['failed'].strip().splitlines()[-1][:120]}" for name, case in cases.items() if "failed" in case
    ]
    missing = [name for name in CASES if name not in cases]
    lines += [f"Ended early: {'; '.join(failed)}.", ""] if failed else []
    lines += [f"Not measured in this record: {', '.join(missing)}.", ""] if missing else []
    return lines


def verdicts(good: Mapping[str, Any]) -> list[str]:
    """What was asked, what was measured, whether it was met."""
    rows = []
    for what, (name, asked, unit) in ASKED.items():
        value = None
        if name in good and unit.startswith("of"):
            value = statistics.mean(last(good[name]["runs"]))
        elif name in good:
            run = good[name]["runs"][0]
            value = steady(good[name]["runs"]) if what == "an epoch" else run["total_s"] - run["model_s"]
        met = (
            None
            if value is None
            else "met"
            if (value >= asked) == unit.startswith("of") or value == asked
            else "missed"
        )
        rows.append((what, f"{asked:g} {unit}", None if value is None else f"{value:.4g}", met))
    return [table(("what", "asked", "measured", ""), rows)]


def times(good: Mapping[str, Any]) -> list[str]:
    """Who takes how long, each over the trainer's steady epoch."""
    rows = []
    ours = steady(good["cold"]["runs"]) if "cold" in good else None
    for name, title in TITLES.items():
        if name not in good:
            continue
        case = good[name]
        run, epoch = case["runs"][0], steady(case["runs"])
        share = case["images"] / 50_000 if "images" in case else 1.0
        whole = epoch / share if epoch is not None else None
        over = whole / ours if whole is not None and ours else None
        first = run["epoch_times_s"][0] if share == 1.0 else None
        total = run["total_s"] if len(run["epoch_times_s"]) == 20 else None
        rows.append((title, first, whole, total, over))
    columns = ("who", "first epoch s", "an epoch s", "20 epochs s", "epoch / the trainer's")
    return [
        table(columns, rows),
        "",
        "An epoch is the median of all but the first; that of the CPU is scaled from the images it had to all. "
        "Validation with 10,000 images is in each. The 20 epochs include making the model, which starts the GPU; "
        "importing is not counted.",
    ]


def accuracies(good: Mapping[str, Any]) -> list[str]:
    """Test accuracies over seeds."""
    rows = []
    for name, title in PLANS.items():
        if name in good:
            values = last(good[name]["runs"])
            spread = f"{100 * statistics.stdev(values):.2f}" if len(values) > 1 else None
            each = ", ".join(f"{100 * value:.2f}" for value in values)
            rows.append(
                (title, len(values), f"{100 * statistics.mean(values):.2f}", spread, each, steady(good[name]["runs"]))
            )
    return [table(("plan", "seeds", "mean %", "sd", "each", "an epoch s"), rows)]


def augmentation(case: Mapping[str, Any]) -> list[str]:
    """What augmentation adds to a step."""
    plain = next((steady([run]) for run in case["runs"] if run["augmentation"] == "none"), None)
    rows = []
    for run in case["runs"]:
        epoch = steady([run])
        share = f"{100 * (epoch - plain) / epoch:.1f} %" if plain and epoch else None
        rows.append((run["augmentation"], epoch, share))
    return [table(("augmentation", "an epoch s, no validation", "its share"), rows)]


def on_a_cpu(found: Mapping[str, Any] | None) -> list[str]:
    """One epoch on a CPU, killed and gone on."""
    if found is None:
        return ["An epoch of CIFAR-10 on a CPU has no record yet.", ""]
    load = " to ".join(f"{each:.1f}" for each in (min(found["load_average"]), max(found["load_average"])))
    history = {name: values[0] for name, values in found["history"].items()}
    return [
        f"On {found['cores']} CPU cores, {found['images']}: an epoch of `gpulabs train` took {found['epoch_s']:.0f} s "
        f"at a load average of {load} (other work ran beside it); its bar moved {found['bar_moved']} times; "
        f"{history['val_accuracy']:.1%} of the test images right after it. Killed with SIGKILL in the second epoch, "
        "the same command began with the second.",
        "",
    ]


def last(runs: Sequence[Mapping[str, Any]]) -> list[float]:
    """The accuracy each run ended with."""
    return [run["test_accuracies"][-1] for run in runs]
