"""The trainer beside `keras.Model.fit` and PyTorch, on one machine in one run, each case in a process of its own.

    python -m benchmarks.training                          all cases, on CIFAR-10 as `gpulabs data` has it
    python -m benchmarks.training --images FILE.npz --name "CIFAR-10, JPEG" --only cold,second

Importing is not counted. A case begins before the model is made, which starts the GPU, and ends with the trained one;
validation after every epoch included. The record is written after every case.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

RECORD = Path(__file__).parent / "results" / "training.json"
EPOCHS = 20
BATCH = 128
BF16 = {"precision": "mixed_bfloat16"}
SEEDS = 5

CASES: dict[str, dict[str, Any]] = {
    "cold": BF16 | {"how": "trainer", "note": "nothing compiled before"},
    "second": BF16 | {"how": "trainer", "cache": "cold", "note": "what cold compiled is kept"},
    "float32": {"how": "trainer", "precision": "float32"},
    "float16": {"how": "trainer", "precision": "mixed_float16"},
    "flip_shift": BF16 | {"how": "trainer", "epochs": 8, "augment": {"flip": True, "shift": 3}},
    "all_augmentation": BF16
    | {
        "how": "trainer",
        "epochs": 8,
        "augment": {"flip": True, "shift": 3, "rotate": 10.0, "brightness": 0.1, "contrast": 0.1, "saturation": 0.1},
    },
    "keras_fit": BF16 | {"how": "keras", "epochs": 6, "note": "stock fit, jit_compile as Keras chooses"},
    "torch": BF16
    | {"how": "torch", "epochs": 6, "note": "torch.compile, reduce-overhead, channels_last, data on the GPU"},
    "cpu": {"how": "trainer", "precision": "float32", "epochs": 2, "images": 12_800, "cpu": True, "note": "no GPU"},
    **{
        f"seed_{seed}": BF16 | {"how": "trainer", "seed": seed, "cache": "seeds", "side_by_side": True}
        for seed in range(SEEDS)
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="an npz with x_train, y_train, x_test, y_test")
    parser.add_argument("--name", default="CIFAR-10", help="what the images are, for the record")
    parser.add_argument("--only", help="cases, with commas")
    parser.add_argument("--out", type=Path, default=RECORD)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(run_case(json.loads(arguments.case), arguments.images)))
        return
    from benchmarks import record

    chosen = arguments.only.split(",") if arguments.only else list(CASES)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:

        def run(name: str) -> None:
            results[name] = in_a_process(name, Path(folder), arguments.images)
            print(name, json.dumps(summary(results[name])), file=sys.stderr, flush=True)
            fields = {"images": arguments.name, "epochs": EPOCHS, "batch_size": BATCH, "cases": dict(results)}
            record.write(arguments.out, record.record("training", "python -m benchmarks.training", fields))

        for name in chosen:
            if not CASES[name].get("side_by_side"):
                run(name)
        beside = [name for name in chosen if CASES[name].get("side_by_side")]
        with ThreadPoolExecutor(SEEDS) as pool:  # their accuracy counts, not their time
            for name, found in zip(
                beside, pool.map(lambda n: in_a_process(n, Path(folder), arguments.images), beside), strict=True
            ):
                results[name] = found
                print(name, json.dumps(summary(found)), file=sys.stderr, flush=True)
        fields = {"images": arguments.name, "epochs": EPOCHS, "batch_size": BATCH, "cases": results}
        record.write(arguments.out, record.record("training", "python -m benchmarks.training", fields))


def in_a_process(name: str, folder: Path, images: Path | None) -> dict[str, Any]:
    """A case's result, or how it failed."""
    case = CASES[name]
    cache = folder / case.get("cache", name)
    environment = os.environ | {"GPULABS_CACHE_OF_CASE": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3"}
    if case.get("cpu"):
        environment["CUDA_VISIBLE_DEVICES"] = ""
    command = [sys.executable, "-m", "benchmarks.training", "--case", json.dumps(case)]
    command += ["--images", str(images)] if images else []
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    except subprocess.TimeoutExpired:
        return case | {"failed": "not done after 240 s"}
    if done.returncode:
        return case | {"failed": (done.stderr or done.stdout)[-600:]}
    return case | dict(json.loads(done.stdout.splitlines()[-1]))


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """What stands on a line."""
    keep = ("failed", "total_s", "first_epoch_s", "epoch_s", "test_accuracy")
    return {key: found[key] for key in keep if key in found}


def run_case(case: dict[str, Any], images: Path | None) -> dict[str, Any]:
    """Runs in the case's own process."""
    data = read(images, case.get("images"))
    runner = {"trainer": by_trainer, "keras": by_keras, "torch": by_torch}[case["how"]]
    found = runner(case, data)
    times = found["epoch_times_s"]
    steady = sorted(times[1:])[len(times[1:]) // 2]
    return found | {
        "first_epoch_s": times[0],
        "epoch_s": steady,
        "images_a_second": len(data[0]) // BATCH * BATCH / steady,
    }


def read(images: Path | None, count: int | None) -> tuple[Any, Any, Any, Any]:
    import numpy as np

    if images is None:
        from gpulabs.data import load

        arrays = tuple(load("cifar10"))
    else:
        with np.load(images) as stored:
            arrays = tuple(stored[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    x, y, x_test, y_test = arrays
    return x[:count], y.reshape(-1)[:count], x_test, y_test.reshape(-1)


def by_trainer(case: dict[str, Any], data: tuple[Any, Any, Any, Any]) -> dict[str, Any]:
    os.environ["GPULABS_DATA"] = os.environ["GPULABS_CACHE_OF_CASE"]
    from gpulabs.training import fit, prepare

    prepare()
    from gpulabs.commands.train import epoch_clock

    augment = None
    if "augment" in case:
        from gpulabs.augmentation import Augmentation, augmenter

        augment = augmenter(Augmentation(**case["augment"]))
    x, y, x_test, y_test = data
    clock = epoch_clock()
    start = time.perf_counter()
    model = keras_model(case)
    history = fit(
        model,
        x,
        y,
        epochs=case.get("epochs", EPOCHS),
        batch_size=BATCH,
        validation_data=(x_test, y_test),
        augment=augment,
        seed=case.get("seed", 0),
        callbacks=[clock],
        verbose=0,
    )
    return result(start, clock.seconds, history.history["val_accuracy"]) | {"program": history.params["program"]}


def by_keras(case: dict[str, Any], data: tuple[Any, Any, Any, Any]) -> dict[str, Any]:
    import keras  # noqa: F401 (imported before the clock starts)
    import numpy as np

    from gpulabs.commands.train import epoch_clock

    x, y, x_test, y_test = data
    x, x_test = (each.astype(np.float32) / np.float32(255) for each in (x, x_test))
    clock = epoch_clock()
    start = time.perf_counter()
    model = keras_model(case)
    history = model.fit(
        x, y, epochs=case["epochs"], batch_size=BATCH, validation_data=(x_test, y_test), callbacks=[clock], verbose=0
    )
    return result(start, clock.seconds, history.history["val_accuracy"])


def keras_model(case: dict[str, Any]) -> Any:
    import keras

    from gpulabs.networks import lab_cnn

    keras.utils.set_random_seed(case.get("seed", 0))
    model = lab_cnn(precision=case["precision"], seed=case.get("seed", 0))
    optimizer = keras.optimizers.Adam(1e-3)
    if case["precision"] == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    return model


def by_torch(case: dict[str, Any], data: tuple[Any, Any, Any, Any]) -> dict[str, Any]:
    """The same network, Keras's defaults for normalization, initial weights and Adam's epsilon where they differ."""
    import torch
    from torch import nn

    def block(inputs: int, filters: int) -> list[nn.Module]:
        return [
            *(nn.Conv2d(inputs, filters, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(filters, 1e-3, 0.01)),
            *(nn.Conv2d(filters, filters, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        ]

    head = [
        *(nn.Flatten(), nn.Linear(2304, 512), nn.ReLU(), nn.BatchNorm1d(512, 1e-3, 0.01), nn.Dropout(0.5)),
        nn.Linear(512, 10),
    ]
    x, y, x_test, y_test = (torch.from_numpy(each.astype("int64") if each.ndim == 1 else each).cuda() for each in data)
    start = time.perf_counter()
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    model = nn.Sequential(*block(3, 32), *block(32, 64), *head).cuda().to(memory_format=torch.channels_last)
    for part in model.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-7, fused=True, capturable=True)

    def images(batch: Any) -> Any:
        return batch.permute(0, 3, 1, 2).to(memory_format=torch.channels_last).float() / 255

    @torch.compile(mode="reduce-overhead")
    def losses(batch: Any, labels: Any) -> Any:
        with torch.autocast("cuda", torch.bfloat16):
            return nn.functional.cross_entropy(model(images(batch)).float(), labels)

    times, accuracies = [], []
    for _ in range(case["epochs"]):
        begin = time.perf_counter()
        model.train()
        order = torch.randperm(len(x), device="cuda")
        for step in range(len(x) // BATCH):
            rows = order[step * BATCH : (step + 1) * BATCH]
            loss = losses(x[rows], y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad(), torch.autocast("cuda", torch.bfloat16):
            right = sum(
                int((model(images(x_test[at : at + 1000])).argmax(1) == y_test[at : at + 1000]).sum())
                for at in range(0, len(x_test), 1000)
            )
        accuracies.append(right / len(x_test))
        times.append(time.perf_counter() - begin)
    return result(start, times, accuracies)


def result(start: float, times: list[float], accuracies: list[float]) -> dict[str, Any]:
    return {
        "total_s": time.perf_counter() - start,
        "epoch_times_s": times,
        "test_accuracy": accuracies[-1],
        "test_accuracies": accuracies,
    }


if __name__ == "__main__":
    main()
