"""Compares the memory model with what XLA planned and what was measured, tensor by tensor: what is missing or too much.

    PYTHONPATH=src:. python -m benchmarks.memory_fit benchmarks/results/batch/h200.json [--batch 512] [--brief] [--save]

For records of `benchmarks.batch` and of `benchmarks.xla_for_gpu`. A rule of `gpulabs.lifetimes` is right when every
large buffer of XLA's peak has a tensor of its size in the model, and every tensor a buffer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import write
from gpulabs.memory import Prediction, layers_of, predict
from gpulabs.training_step import StepPlan, network
from gpulabs.xla_memory import layer_workspaces

MIB = 2**20
SAME = 0.001
"""Sizes that differ by less are of the same tensor: XLA rounds to 128 bytes."""
FROM_SHARE = 0.003
"""Of the peak: smaller tensors are not listed."""


@dataclass(frozen=True)
class Comparison:
    """The model beside one measurement.

    Attributes:
        plan: The configuration.
        predicted: Peak by the rules, with measured scratch space.
        scratch: How much of it is scratch space.
        xla: What XLA planned in all.
        gaps: Bytes of its temporaries that nobody lies on at the peak.
        measured: TensorFlow's allocator's peak; None where there was no GPU.
        missing: (buffer of XLA's peak, its operation, bytes) without a tensor in the model.
        surplus: (tensor of the model's peak, bytes) without a buffer.
    """

    plan: StepPlan
    predicted: int
    scratch: int
    xla: int
    gaps: int
    measured: int | None
    missing: tuple[tuple[str, str, int], ...]
    surplus: tuple[tuple[str, int], ...]


def compare(plan: StepPlan, found: Prediction, xla: Mapping[str, Any], measured: int | None) -> Comparison:
    """Matches the tensors of a prediction with the buffers of a plan, by their sizes.

    Args:
        plan: The configuration.
        found: Its prediction.
        xla: Its buffer assignment, as `gpulabs.xla_memory.parse` gives it.
        measured: Peak by the allocator, if measured.
    """
    kept = ("parameters", "optimizer state", "inputs")  # outside of XLA's temporaries
    tensors = [tensor for tensor in found.tensors if tensor.part not in kept]
    pieces = [[tensor.name, tensor.size] for tensor in tensors]
    unmatched = []
    for name, size in xla["peak"].items():
        match = next((piece for piece in pieces if abs(piece[1] - size) <= SAME * size), None)
        if match is None:  # the model counts a maximum and its indices as one
            match = next((p for p in pieces if "index" in p[0] and p[1] >= size * (1 - SAME)), None)
        if match is None:
            unmatched.append((name, xla["operations"].get(name, ""), size))
        else:
            match[1] -= size
            if match[1] <= SAME * size:
                pieces.remove(match)
    floor = FROM_SHARE * found.peak_bytes
    return Comparison(
        plan,
        found.peak_bytes,
        sum(tensor.size for tensor in tensors if "scratch space" in tensor.name),
        xla["total_bytes"],
        xla["temp_bytes"] - xla["live_bytes"],
        measured,
        tuple(entry for entry in unmatched if entry[2] > floor),
        tuple((name, size) for name, size in pieces if size > floor),
    )


def compare_rows(rows: Sequence[Mapping[str, Any]]) -> list[Comparison]:
    """Compares the rows of a record that have a buffer assignment."""
    layers: dict[tuple[str, str], Any] = {}
    found = []
    for row in rows:
        if not row.get("xla"):
            continue
        plan = StepPlan(**row["plan"])
        key = plan.network, plan.precision
        if key not in layers:
            layers[key] = layers_of(network(plan))
        scratch = layer_workspaces(row["xla"].get("workspaces") or {})
        found.append(compare(plan, predict(layers[key], plan, "gpu", scratch), row["xla"], row.get("peak_bytes")))
    return found


def show(found: Comparison, details: bool) -> str:
    """One comparison in a line, its unmatched tensors below."""

    def off(value: int | None) -> str:
        return f"{found.predicted / value - 1:+.1%} of {value / MIB:,.1f}" if value else "-"

    plan = found.plan
    what = (
        f"{plan.network} {plan.precision} {plan.batch}{' recomputed' * plan.recompute}{'' if plan.tf32 else ' no TF32'}"
    )
    lines = [
        f"{what:38} predicted {found.predicted / MIB:9,.1f} MiB (scratch {found.scratch / MIB:,.1f}); "
        f"XLA {off(found.xla)} (gaps {found.gaps / MIB:,.1f}); allocator {off(found.measured)}"
    ]
    if details:
        lines += [
            f"    missing  {size / plan.batch:12,.0f} B an image {size / MIB:9,.1f} MiB  {name}  {operation[-70:]}"
            for name, operation, size in found.missing
        ]
        lines += [
            f"    surplus  {size / plan.batch:12,.0f} B an image {size / MIB:9,.1f} MiB  {name}"
            for name, size in found.surplus
        ]
    return "\n".join(lines)


def main() -> int:
    """Prints the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    parser.add_argument("--batch", type=int, help="only this one")
    parser.add_argument("--brief", action="store_true", help="no tensors")
    parser.add_argument("--save", action="store_true", help="write the predictions into the record, for its tables")
    asked = parser.parse_args()
    record = json.loads(asked.record.read_text(encoding="utf-8"))
    rows = [row for row in record["rows"] if row.get("xla") and asked.batch in (None, row["plan"]["batch"])]
    for row, found in zip(rows, compare_rows(rows), strict=True):
        print(show(found, not asked.brief), flush=True)
        row["predicted_bytes"] = found.predicted
    if asked.save:
        write(asked.record, record)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
