"""`gpulabs bench conv`: the ladder beside cuDNN, and how far each kernel is from what the device allows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gpulabs import terminal
from gpulabs.errors import BadInputError, MissingDataError
from gpulabs.exit_codes import ExitCode
from gpulabs.recordings import folders
from gpulabs.roofline import TENSOR_KERNELS, Roof, intensity, known_roof, roof_for, tensor_peak_gflops

FOOTNOTE = """
TFLOP/s count the direct method's operations, also for winograd, which needs fewer. tensor_core and those
in _tf32 round their inputs to TF32: they are compared with cuDNN in TF32 and with the tensor cores' peak.
error: the largest on normal numbers against float64, relative to the largest output."""


def conv(
    shape: str,
    stride: int,
    padding: str,
    rungs: str | None,
    runs: int,
    figure: Path | None,
    recorded: bool,
    as_json: bool,
) -> int:
    """Measures, or reads the record, then prints and draws."""
    if figure is not None and figure.suffix != ".png":
        raise BadInputError(f"bench conv: --figure {figure}; give a name that ends in .png")
    found = read_record(shape) if recorded else run(shape, stride, padding, rungs, runs)
    roof = known_roof(found["device"]["name"]) if recorded else roof_for(found["device"]["name"])
    tensor = tensor_peak_gflops(found["device"]["name"])
    for each in found["shapes"]:
        add_limits(each, roof, tensor)
    if as_json:
        terminal.print_json(found)
    else:
        show(found)
    if figure is not None:
        draw(found, roof, tensor, figure)
        terminal.complain(f"wrote {figure}")
    return ExitCode.OK


def run(shape: str, stride: int, padding: str, rungs: str | None, runs: int) -> dict[str, Any]:
    """Measures on this machine's GPU."""
    from autograder import bench, ladder
    from autograder.launch.gpu import CudaGpu
    from gpulabs.convolution import flops, min_bytes, output_shape
    from gpulabs.devices import header

    names = list(bench.WORKLOADS) if shape == "all" else shape.split(",")
    workloads = [bench.parse_workload(name, stride, padding) for name in names]
    chosen = tuple(rungs.split(",")) if rungs else ladder.ALL
    if unknown := [name for name in chosen if name not in ladder.ALL]:
        raise BadInputError(f"bench conv: --rungs {unknown[0]!r}; there are {', '.join(ladder.ALL)}")
    y_shapes = [output_shape(each.x_shape, each.w_shape, each.stride, each.padding) for each in workloads]
    gpu = CudaGpu()
    device = header()
    shapes = []
    with terminal.progress("measuring") as report:
        for each, y_shape in zip(workloads, y_shapes, strict=True):
            rows, notes = bench.measure(gpu, each, chosen, runs, lambda text: report("measuring", text))
            shapes.append(
                {
                    "workload": each.name,
                    "flops": float(flops(y_shape, each.w_shape)),
                    "bytes": float(min_bytes(each.x_shape, each.w_shape, y_shape)),
                    "rows": [asdict(row) for row in rows],
                    "notes": notes,
                }
            )
    return {
        "schema_version": 1,
        "device": {"name": device.gpu or "no GPU"} | device.as_dict(),
        "recorded": False,
        "shapes": shapes,
    }


def read_record(shape: str) -> dict[str, Any]:
    """The record that ships with the package.

    Raises:
        MissingDataError: This installation has none.
        BadInputError: The shape is not in it.
    """
    path = next((place / "ladder.json" for place in folders() if (place / "ladder.json").is_file()), None)
    if path is None:
        raise MissingDataError("bench conv --recorded: no record is installed; run it on a GPU, without --recorded")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    names = {each["name"]: each for each in found["shapes"]}
    wanted = list(names) if shape == "all" else shape.split(",")
    if unknown := [name for name in wanted if name not in names]:
        raise BadInputError(f"bench conv --recorded: no {unknown[0]!r} in the record; there are {', '.join(names)}")
    return {
        "schema_version": 1,
        "device": found["device"],
        "recorded": True,
        "date": found["date"],
        "shapes": [names[name] for name in wanted],
    }


def add_limits(each: dict[str, Any], roof: Roof | None, tensor: float | None) -> None:
    """Adds to every row its share of cuDNN (in the same precision) and of what the device allows."""
    medians = {row["kernel"]: row["median_ms"] for row in each["rows"]}
    for row in each["rows"]:
        on_tensor_cores = row["kernel"] in TENSOR_KERNELS
        cudnn = medians.get("cudnn_tf32" if on_tensor_cores else "cudnn")
        row["share_of_cudnn"] = cudnn / row["median_ms"] if cudnn else None
        peak = tensor if on_tensor_cores else roof.peak_gflops if roof else None
        if roof is None or peak is None:
            row["share_of_roof"] = None
            continue
        limit = Roof(peak, roof.bandwidth_gb_s, roof.name)
        row["share_of_roof"] = limit.share(intensity(each["flops"], each["bytes"]), row["gflops"])


def show(found: dict[str, Any]) -> None:
    """Device header, a table a shape, notes, verdict."""
    device = found["device"]
    when = f", recorded {found['date'][:10]}" if found["recorded"] else ""
    print(f"{device['name']}, driver {device.get('driver') or 'unknown'}{when}; float32, L2 flushed before every run")
    columns = ("kernel", "median ms", "95 % interval", "TFLOP/s", "of cuDNN", "of the roof", "error", "registers")
    for each in found["shapes"]:
        print(f"\n{each['workload']}: {each['flops'] / 1e9:.3g} GFLOP, {each['bytes'] / 1e6:.3g} MB at least")
        terminal.print_table(columns, [cells(row) for row in each["rows"]], right=range(1, len(columns)))
        for note in each["notes"]:
            print(f"  {note}")
        print(verdict(each["rows"]))
    print(FOOTNOTE)


def cells(row: dict[str, Any]) -> Sequence[str]:
    """A row of the table."""
    error = row.get("error")
    return (
        row["kernel"],
        f"{row['median_ms']:.4g}",
        f"{row['low_ms']:.4g} to {row['high_ms']:.4g}",
        f"{row['gflops'] / 1e3:.3g}",
        f"{row['share_of_cudnn']:.2f}" if row["share_of_cudnn"] else "",
        f"{row['share_of_roof']:.0%}" if row["share_of_roof"] else "",
        f"{error:.0e}" if error is not None else "",
        str(row["registers"] or ""),
    )


def verdict(rows: Sequence[dict[str, Any]]) -> str:
    """One line: the fastest kernel in float32 of the ladder, beside cuDNN."""
    outside = ("cudnn", "cudnn_tf32", "torch", "torch_tf32", "tensor_core")
    ours = [row for row in rows if row["kernel"] not in outside]
    if not ours:
        return ""
    best = min(ours, key=lambda row: row["median_ms"])
    beside = f", {best['share_of_cudnn']:.2f} of cuDNN's speed" if best["share_of_cudnn"] else ""
    return f"fastest in float32: {best['kernel']}, {best['gflops'] / 1e3:.3g} TFLOP/s{beside}"


def draw(found: dict[str, Any], roof: Roof | None, tensor: float | None, figure: Path) -> None:
    """Saves the roofline of the last shape."""
    from gpulabs.plots import roofline

    if roof is None:
        raise BadInputError(f"bench conv: no roof is known for {found['device']['name']}; leave --figure out")
    each = found["shapes"][-1]
    points = {
        row["kernel"]: (intensity(each["flops"], each["bytes"]), row["gflops"])
        for row in each["rows"]
        if row["kernel"] not in ("torch", "torch_tf32")
    }
    roofline(roof, points, tensor, TENSOR_KERNELS).save(figure)
