"""`gpulabs memory`: where the memory of a training step goes, predicted and measured."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpulabs import terminal
from gpulabs.batches import parse_batches, parse_precisions
from gpulabs.devices import has_gpu, header
from gpulabs.errors import BadInputError, GpulabsError, OutOfMemory
from gpulabs.exit_codes import ExitCode
from gpulabs.lifetimes import PARTS
from gpulabs.measured_step import Settings, describe, sweep, what_fits
from gpulabs.recorded_batches import recorded_for
from gpulabs.training_step import StepPlan

if TYPE_CHECKING:
    from gpulabs.lifetimes import Layer
    from gpulabs.memory import Prediction
    from gpulabs.recorded_batches import RecordedBatches

MIB = 2**20
FOOTNOTE = """
gradients: of the parameters; a layer's live from its backward pass to its update, so that few are there at the peak.
activations: kept from the forward pass for the backward pass. passing tensors: needed by the next layer only."""


def memory(
    batches: str,
    precision: str,
    optimizer: str,
    network: str,
    recompute: bool,
    device: str,
    measure: bool | None,
    memory_limit_mb: int | None,
    figure: Path | None,
    as_json: bool,
) -> int:
    """Predicts, measures where asked, prints, draws."""
    if figure is not None and figure.suffix != ".png":
        raise BadInputError(f"memory: --figure {figure}; give a name that ends in .png")
    here = "gpu" if has_gpu() else "cpu"
    where = here if device == "auto" else device
    plans = [
        StepPlan(size, name, optimizer=optimizer, recompute=recompute, network=network)
        for name in parse_precisions(precision)
        for size in parse_batches(batches)
    ]
    measured_here = (here == "gpu" if measure is None else measure) and where == here
    if measure and where != here:
        raise BadInputError(f"memory: --measure needs the device itself; this machine has a {here}, not a {where}")
    with terminal.progress("reading the network: TensorFlow's import takes a few seconds"):
        layers = read_layers(plans)
    from gpulabs.memory import COMPARED, largest_batch

    about = header()
    recorded = recorded_for(about.gpu) if where == "gpu" else None
    predictions = [predicted(layers, plan, where, recorded) for plan in plans]
    peaks, failures, stopped = measured(plans, memory_limit_mb) if measured_here else ({}, [], None)
    limit = memory_limit_mb * MIB if memory_limit_mb else int(about.memory_gb * 1e9) if about.memory_gb else None
    rows = []
    for found in predictions:
        row = found.as_dict() | {"measured_bytes": peaks.get(found.plan)}
        if limit:
            row["largest_batch"] = largest_batch(peak_against_batch(layers, found.plan, where, recorded), limit)
        rows.append(row)
    payload = {
        "schema_version": 1,
        "device": about.as_dict(),
        "predicted_for": where,
        "within": COMPARED[where].within,
        "compared_with": COMPARED[where].what,
        "worst_known": COMPARED[where].worst,
        "compared_optimizers": ["adam"],
        "scratch_space_from": f"{recorded.name}, {recorded.date[:10]}" if recorded else None,
        "limit_bytes": limit,
        "rows": rows,
        "out_of_memory": failures,
        "stopped_by": str(stopped) if stopped else None,
    }
    if as_json:
        terminal.print_json(payload)
    else:
        show(payload, predictions)
    if figure is not None:
        draw(predictions, peaks, title_of(payload), figure)
        terminal.complain(f"wrote {figure}")
    for sentence in failures:
        terminal.complain(f"gpulabs: memory: {sentence}")
    if stopped:
        raise stopped
    return ExitCode.OUT_OF_MEMORY if failures else ExitCode.OK


def predicted(
    layers: dict[str, tuple[Layer, ...]], plan: StepPlan, device: str, recorded: RecordedBatches | None
) -> Prediction:
    """A plan's prediction, with the scratch space of libraries that was recorded on a GPU."""
    from gpulabs.memory import predict

    return predict(layers[plan.precision], plan, device, recorded.workspaces(plan) if recorded else None)


def peak_against_batch(
    layers: dict[str, tuple[Layer, ...]], plan: StepPlan, device: str, recorded: RecordedBatches | None
) -> Callable[[int], int]:
    """Predicted bytes as a function of the batch alone."""
    return lambda size: predicted(layers, replace(plan, batch=size), device, recorded).peak_bytes


def read_layers(plans: list[StepPlan]) -> dict[str, tuple[Layer, ...]]:
    """The layers of the plans' network in each of their precisions."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from gpulabs.memory import layers_of
    from gpulabs.training_step import network

    return {plan.precision: layers_of(network(plan)) for plan in {plan.precision: plan for plan in plans}.values()}


def measured(
    plans: list[StepPlan], memory_limit_mb: int | None
) -> tuple[dict[StepPlan, int], list[str], GpulabsError | None]:
    """Measures peaks: TensorFlow's allocator on a GPU, XLA's buffer assignment on a CPU.

    Returns:
        Plan -> bytes, a sentence for each that did not fit, and what ended it early: Ctrl-C, or a process that failed.
    """
    peaks: dict[StepPlan, int] = {}
    failures = []
    settings = Settings(seconds=0, memory_limit_mb=memory_limit_mb, dump=not has_gpu())
    try:
        with (
            terminal.progress("measuring") as report,
            closing(sweep(plans, settings, lambda text: report("measuring", text))) as outcomes,
        ):
            for plan, outcome in outcomes:
                if isinstance(outcome, OutOfMemory):
                    failures.append(what_fits(plan, peaks)[0])
                else:
                    peaks[plan] = outcome.peak_bytes or (outcome.xla or {})["total_bytes"]
    except KeyboardInterrupt:
        return peaks, failures, terminal.Interrupted(f"stopped by Ctrl-C; {len(peaks)} of {len(plans)} were measured")
    except GpulabsError as error:
        return peaks, failures, GpulabsError(f"memory: {error}; {len(peaks)} of {len(plans)} were measured before")
    return peaks, failures, None


def title_of(payload: dict[str, Any]) -> str:
    """Network and device, for a heading."""
    plan, device = payload["rows"][0]["plan"], payload["device"]
    where = device["gpu"] if payload["predicted_for"] == "gpu" else f"{device['cpu']} (CPU result)"
    return f"{plan['network']} on {where or 'a GPU, not this machine'}, {plan['optimizer']}" + (
        ", recomputation" if plan["recompute"] else ""
    )


def show(payload: dict[str, Any], predictions: list[Prediction]) -> None:
    """A table of the parts for one plan, of the peaks for several."""
    print(title_of(payload))
    if len(predictions) == 1:
        found = predictions[0]
        print(f"{describe(found.plan)}; the peak is in the {found.moment}")
        rows = [
            (part, f"{found.whole[part] / MIB:,.1f}", f"{at / MIB:,.1f}", f"{at / found.peak_bytes:.0%}")
            for part, at in found.parts.items()
        ]
        terminal.print_table(("part", "in all, MiB", "at the peak, MiB", "share"), rows, right=(1, 2, 3))
    else:
        print("MiB at the peak")
        beside = ("measured", "off by") if any(row["measured_bytes"] for row in payload["rows"]) else ()
        columns = ("precision", "batch", *PARTS, "predicted", *beside)
        terminal.print_table(
            columns, [cells(row)[: len(columns)] for row in payload["rows"]], right=range(1, len(columns))
        )
    for row in payload["rows"] if len(predictions) == 1 else []:
        print(f"predicted peak: {row['peak_bytes'] / MIB:,.1f} MiB")
        if row["measured_bytes"]:
            what = "TensorFlow's allocator" if payload["predicted_for"] == "gpu" else "XLA's buffer assignment"
            off = row["peak_bytes"] / row["measured_bytes"] - 1
            print(
                f"measured peak ({what}): {row['measured_bytes'] / MIB:,.1f} MiB; the prediction is off by {off:+.1%}"
            )
        if row.get("largest_batch"):
            print(f"largest batch that should fit in {payload['limit_bytes'] / MIB:,.0f} MiB: {row['largest_batch']:,}")
    print(FOOTNOTE)
    print(how_sure(payload))


def how_sure(payload: dict[str, Any]) -> str:
    """What the prediction was compared with, and what is not in it."""
    from gpulabs.memory import ONLY_ADAM

    compared = f"For lab_cnn the rules were within {payload['within']:.0%} of {payload['compared_with']}"
    if payload["predicted_for"] == "cpu":
        return f"{compared}; {payload['worst_known']}. {ONLY_ADAM}"
    scratch = payload["scratch_space_from"]
    return f"{compared}, without scratch space; {payload['worst_known']}. {ONLY_ADAM}\n" + (
        f"Scratch space of cuDNN and cuBLAS: as recorded on {scratch}."
        if scratch
        else "Scratch space of cuDNN and cuBLAS is not in it: no recording of a GPU is installed. For the same reason "
        "nobody has compared it with the memory that a GPU's allocator hands out."
    )


def cells(row: dict[str, Any]) -> list[str]:
    """A row of the table of several plans."""
    measured_bytes = row["measured_bytes"]
    return [
        row["plan"]["precision"],
        str(row["plan"]["batch"]),
        *(f"{row['parts_at_peak_bytes'][part] / MIB:,.1f}" for part in PARTS),
        f"{row['peak_bytes'] / MIB:,.1f}",
        f"{measured_bytes / MIB:,.1f}" if measured_bytes else "",
        f"{row['peak_bytes'] / measured_bytes - 1:+.1%}" if measured_bytes else "",
    ]


def draw(predictions: list[Prediction], peaks: dict[StepPlan, int], title: str, figure: Path) -> None:
    """Saves the stacked bars."""
    from gpulabs.plots import memory_bars

    captions = {found.plan: describe(found.plan) for found in predictions}
    memory_bars(
        {captions[found.plan]: found for found in predictions},
        {captions[plan]: peak for plan, peak in peaks.items()},
        title,
    ).save(figure)
