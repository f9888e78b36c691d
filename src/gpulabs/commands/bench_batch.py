"""`gpulabs bench batch`: throughput, utilisation and memory of training against the batch size."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from gpulabs import terminal
from gpulabs.batches import conclusion, parse_batches, parse_precisions
from gpulabs.devices import has_gpu, header
from gpulabs.errors import BadInputError, GpulabsError, MissingError, OutOfMemory
from gpulabs.exit_codes import ExitCode
from gpulabs.measured_step import Settings, sweep, what_fits
from gpulabs.recorded_batches import recorded_for
from gpulabs.training_step import StepPlan

ON_GPU = ("lab_cnn", "1-8192", "all")
ON_CPU = ("small_cnn", "1-512", "float32")
"""Network, batches and precisions of a sweep that names none: a CPU takes minutes for what a GPU does in seconds."""
MIB = 2**20
FOOTNOTE = """
A step is the forward pass, the backward pass and the update; its batch lies in the device's memory already. Each row
comes from a process of its own. busy: share of the time in which some kernel ran (NVML); how fast is not in it."""
CPU_NOTE = "CPU result: TensorFlow on this machine's processor, {how}. It says nothing of a GPU."


def batch(
    batches: str | None,
    precision: str | None,
    network: str | None,
    seconds: float,
    memory_limit_mb: int | None,
    recorded: bool,
    figure: Path | None,
    as_json: bool,
) -> int:
    """Measures, prints, draws; also what was measured before Ctrl-C, a failure, or before memory ran out."""
    if figure is not None and figure.suffix != ".png":
        raise BadInputError(f"bench batch: --figure {figure}; give a name that ends in .png")
    if recorded:
        return present(from_recording(batches, precision, network), figure, as_json)
    defaults = ON_GPU if has_gpu() else ON_CPU
    chosen = network or defaults[0]
    plans = [
        StepPlan(size, name, network=chosen)
        for name in parse_precisions(precision or defaults[2])
        for size in parse_batches(batches or defaults[1])
    ]
    settings = Settings(seconds=seconds, memory_limit_mb=memory_limit_mb, dump=bool(memory_limit_mb) and not has_gpu())
    rows, failures, stopped = run(plans, settings)
    if stopped and not rows and not failures:
        raise stopped
    found = {
        "schema_version": 1,
        "device": header().as_dict(),
        "cpu_result": not has_gpu() or any(row["device"] == "cpu" for row in rows),  # a driver, but no CUDA libraries
        "network": chosen,
        "settings": {"seconds": seconds, "memory_limit_mb": memory_limit_mb},
        "rows": rows,
        "out_of_memory": failures,
        "complete": stopped is None,
        "stopped_by": str(stopped) if stopped else None,
        "conclusion": conclusion(rows),
    }
    code = present(found, figure, as_json)
    if stopped:
        raise stopped
    return code


def present(found: dict[str, Any], figure: Path | None, as_json: bool) -> int:
    """Prints and draws a sweep; complains of what did not fit, unless that was long ago."""
    if as_json:
        terminal.print_json(found)
    else:
        show(found)
    if figure is not None and found["rows"]:
        from gpulabs.plots import throughput_curve

        throughput_curve(found["rows"], title_of(found)).save(figure)
        terminal.complain(f"wrote {figure}")
    if "recorded" in found:
        return ExitCode.OK
    for failure in found["out_of_memory"]:
        terminal.complain(f"gpulabs: bench batch: {failure['sentence']}")
    return ExitCode.OUT_OF_MEMORY if found["out_of_memory"] else ExitCode.OK


def from_recording(batches: str | None, precision: str | None, network: str | None) -> dict[str, Any]:
    """A recorded sweep, as `batch` gives one.

    Raises:
        MissingError: Nothing was recorded, or none of what is asked for.
    """
    device = recorded_for(header().gpu)
    if device is None:
        raise MissingError("bench batch: no recording of a GPU is installed yet; leave --recorded out to measure here")
    wanted = parse_precisions(precision or "all"), parse_batches(batches or "1-8192")
    rows = [
        dict(row)
        for row in device.rows
        if (plan := row["plan"])["precision"] in wanted[0]
        and plan["batch"] in wanted[1]
        and plan["network"] == (network or ON_GPU[0])
        and plan["tf32"]
        and not plan["recompute"]
    ]
    if not rows:
        raise MissingError(f"bench batch: {device.name} has no recording of these batches; ask for others, or for all")
    return {
        "schema_version": 1,
        "device": dict(device.header),
        "recorded": device.date,
        "cpu_result": False,
        "network": network or ON_GPU[0],
        "settings": {"seconds": None, "memory_limit_mb": None},
        "rows": rows,
        "out_of_memory": [{"sentence": row["failed"]} for row in device.failed],
        "complete": True,
        "stopped_by": None,
        "conclusion": conclusion(rows),
    }


def run(
    plans: Sequence[StepPlan], settings: Settings
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], GpulabsError | None]:
    """Sweeps.

    Returns:
        Rows, the batches that did not fit, and what ended it early: Ctrl-C, or a process that failed.
    """
    rows: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    try:
        with (
            terminal.progress("measuring") as report,
            closing(sweep(plans, settings, lambda text: report(f"{len(rows) + 1} of {len(plans)}", text))) as outcomes,
        ):
            for plan, outcome in outcomes:
                if isinstance(outcome, OutOfMemory):
                    failures.append(failure_of(plan, rows, outcome))
                else:
                    rows.append(outcome.as_dict())
    except KeyboardInterrupt:
        done = f"{len(rows)} of {len(plans)} configurations were measured"
        return rows, failures, terminal.Interrupted(f"stopped by Ctrl-C; {done}")
    except GpulabsError as error:
        done = f"; {len(rows)} of {len(plans)} configurations were measured before" if rows else ""
        return rows, failures, GpulabsError(f"bench batch: {error}{done}")
    return rows, failures, None


def failure_of(plan: StepPlan, rows: Sequence[dict[str, Any]], error: OutOfMemory) -> dict[str, Any]:
    """What to say of a batch that did not fit."""
    sentence, largest = what_fits(plan, [StepPlan(**row["plan"]) for row in rows])
    return {
        "batch": plan.batch,
        "precision": plan.precision,
        "largest": largest,
        "sentence": sentence,
        "said": error.detail,
    }


def title_of(found: dict[str, Any]) -> str:
    """Where it was measured, for a heading."""
    device = found["device"]
    return f"{found['network']} on {device['gpu'] or device['cpu']}" + (" (CPU result)" if found["cpu_result"] else "")


def show(found: dict[str, Any]) -> None:
    """Device header, table, conclusion."""
    when = f"; recorded {found['recorded'][:10]}" if "recorded" in found else ""
    print(f"{title_of(found)}; training steps with Adam{when}")
    if found["cpu_result"]:
        limited = found["settings"]["memory_limit_mb"]  # XLA's own plan is what the limit is compared with
        print(CPU_NOTE.format(how="compiled by XLA" if limited else "without XLA"))
    columns = ("precision", "batch", "ms a step", "95 % interval", "images/s", "busy", "peak MiB", "first step s")
    terminal.print_table(columns, [cells(row) for row in found["rows"]], right=range(1, len(columns)))
    for sentence in found["conclusion"]:
        print(sentence)
    print(FOOTNOTE)


def cells(row: dict[str, Any]) -> Sequence[str]:
    """A row of the table."""
    step = row["step"]
    return (
        row["plan"]["precision"],
        str(row["plan"]["batch"]),
        f"{step['median_ms']:.4g}",
        f"{step['low_ms']:.4g} to {step['high_ms']:.4g}",
        f"{row['images_per_s']:,.0f}",
        f"{row['utilisation']:.0%}" if row["utilisation"] is not None else "",
        f"{row['peak_bytes'] / MIB:,.0f}" if row["peak_bytes"] else "",
        f"{row['compile_s']:.1f}",
    )
