"""The tables of docs/measurements.md on batches and memory, from `benchmarks/results/batch/*.json`.

Records of a GPU (`benchmarks.batch`) and what XLA plans for one without having it (`benchmarks.xla_for_gpu`);
`benchmarks.memory_fit --save` writes the memory model's predictions into both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import table

MIB = 2**20
NOT_YET = (
    "Throughput, utilisation, TensorFlow's peak memory and what mixed precision gains on a GPU: **not measured yet**; "
    "`bash scripts/gpu_records.sh OUT` measures them."
)
Row = Mapping[str, Any]


def sections(folder: Path, header: Callable[[Any], str]) -> list[str]:
    """Everything on batches and memory.

    Args:
        folder: Of the records.
        header: Record -> what it was measured with, and when.
    """
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    measured = [record for record in records if record["benchmark"] == "batch" and record["device"]["gpu"]]
    planned = [record for record in records if record["benchmark"] == "xla_for_gpu"]
    lines = ["## Batch size and memory", ""]
    for record in measured:
        lines += [header(record), "", *on_gpu(record)]
    if not measured:
        lines += [NOT_YET, ""]
    for record in planned:
        lines += [plan_of(record), "", memory(record["rows"]), ""]
    return lines


def on_gpu(record: Any) -> list[str]:
    """Throughput, memory and failures of a GPU's record."""
    rows = [row for row in record["rows"] if "failed" not in row]
    failed = [row["failed"] for row in record["rows"] if "failed" in row]
    timed = [row for row in rows if row["plan"]["tf32"] and not row["plan"]["recompute"]]
    stopped = record["out_of_memory"]
    lines = ["Training steps of the labs' CNN with Adam, a process a row:", "", throughput(timed), ""]
    if failed:
        lines += [f"Failed: {'; '.join(failed)}.", ""]
    if stopped:
        said = stopped["stderr"].strip().splitlines()[-1]
        left = f"exit code {stopped['exit_code']}, {stopped['processes_left']} processes left"
        lines += [f"`{stopped['command']}` says `{said}`: {left}.", ""]
    return [*lines, "Memory of the same steps; the last two columns compare the memory model:", "", memory(rows), ""]


def throughput(rows: Sequence[Row]) -> str:
    """A row for each batch and precision; speedups are over float32 with TF32."""
    slow = {row["plan"]["batch"]: row["images_per_s"] for row in rows if row["plan"]["precision"] == "float32"}
    columns = ("precision", "batch", "ms a step", "images/s", "95 % interval", "over float32", "busy", "first step s")
    return table(
        columns,
        [
            (
                row["plan"]["precision"],
                row["plan"]["batch"],
                row["step"]["median_ms"],
                f"{row['images_per_s']:,.0f}",
                f"{row['images_per_s_low']:,.0f} to {row['images_per_s_high']:,.0f}",
                row["images_per_s"] / slow[batch] if (batch := row["plan"]["batch"]) in slow else None,
                f"{row['utilisation']:.0%}" if row["utilisation"] is not None else None,
                row["compile_s"],
            )
            for row in rows
        ],
    )


def memory(rows: Sequence[Row]) -> str:
    """A row for each plan: what was measured, what XLA planned, and how far the memory model is off."""
    measured = ("TensorFlow's peak MiB",) if any(row.get("peak_bytes") for row in rows) else ()
    columns = ("network", "precision", "batch", *measured, "XLA's plan MiB", "predicted MiB", "off by")
    found = []
    for row in rows:
        plan, xla, peak = row["plan"], row.get("xla") or {}, row.get("peak_bytes")
        planned, predicted = xla.get("total_bytes"), row.get("predicted_bytes")
        truth, sizes = peak or planned, (peak, planned, predicted)[0 if measured else 1 :]
        remark = ", recomputation" * plan["recompute"] + ", no TF32" * (not plan["tf32"])
        found.append(
            (
                plan["network"],
                f"{plan['precision']}{remark}",
                plan["batch"],
                *(f"{size / MIB:,.1f}" if size else None for size in sizes),
                f"{predicted / truth - 1:+.1%}" if predicted and truth else None,
            )
        )
    return table(columns, found)


def plan_of(record: Any) -> str:
    """What a plan without a GPU is."""
    return (
        f"What XLA *plans* for an {record['compiled_for']} ({record['by']}), compiled on a machine without a GPU: its "
        "own account of the buffers of one step, no measurement. Scratch space of libraries and what TensorFlow's "
        "allocator adds are not in it, nor in the predictions beside it. "
        f"Planned {record['date'][:10]} with `{record['command']}`."
    )
