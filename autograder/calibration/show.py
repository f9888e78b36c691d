"""What `autograder calibrate` does and prints; the command line's own part is only its options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autograder.calibration import survey
from autograder.calibration.record import SCHEMA_VERSION, Calibration, current, location, read, to_text
from autograder.calibration.review import APART, gap, unresolved
from autograder.calibration.trust import OFF
from autograder.evidence import Race, encode
from autograder.rubric import load as load_rubric
from autograder.store import write_atomically
from gpulabs import devices
from gpulabs.errors import BadInputError, MissingError
from gpulabs.terminal import console, print_table, progress


def measure(lab: str | None, launches: int, rounds: int, out: Path | None, traces: Path | None) -> Calibration:
    """Calibrates this machine's GPU and keeps what it found.

    Args:
        lab: Only this lab's workloads; the file then holds that lab alone.
        launches: Separate processes for each workload.
        rounds: Timed runs of each kernel in a launch.
        out: The file; where grading looks for it by default.
        traces: A file for the raw pairs, or None.
    """
    with progress("calibrating") as tell:
        found, pairs = survey.calibrate(lab, launches, rounds, lambda text: tell("calibrate", text))
    path = write_atomically(out or location(found.uuid), to_text(found).encode("utf-8"))
    console(stderr=True).print(f"wrote {path}", soft_wrap=True)
    if traces:
        kept = {"schema_version": SCHEMA_VERSION, "gpu": found.gpu, "driver": found.driver, "date": found.date}
        text = json.dumps(kept | {"device": found.device, "traces": pairs}) + "\n"
        console(stderr=True).print(f"wrote {write_atomically(traces, text.encode('utf-8'))}", soft_wrap=True)
    return found


def load(path: Path | None) -> Calibration:
    """Reads the calibration in a file, or the one that holds on this machine.

    Raises:
        BadInputError: There is no such file.
        MissingError: This GPU is not calibrated.
        DataError: The file is damaged.
    """
    if path is not None:
        if not path.is_file():
            raise BadInputError(f"{path}: no such file; run: autograder calibrate --out {path}")
        return read(path)
    found, line = current()
    if found is None:
        raise MissingError(f"{line} ({location(devices.identity())}); on a quiet GPU run: autograder calibrate")
    return found


def payload(found: Calibration) -> dict[str, Any]:
    """The calibration for `--json`."""
    return {"schema_version": SCHEMA_VERSION, "calibration": encode(found), "warnings": warnings(found)}


def tables(found: Calibration) -> None:
    """Prints the calibration."""
    out = console()
    out.print(f"{found.gpu} ({found.uuid}), driver {found.driver}, {found.line()}", soft_wrap=True)
    for one in found.workloads:
        out.print(f"\n{one.lab} {one.task}.{one.item}: {one.workload}", soft_wrap=True)
        rows = []
        for name, kernel in one.kernels.items():
            noise = one.ratios.get(name)
            paired = (f"{noise.ratio:.3f}", _percent(noise.spread), _percent(noise.jitter)) if noise else ("-",) * 3
            rows.append((name, f"{kernel.median_ms:.4g}", _percent(kernel.spread), *paired))
        headers = ("kernel", "median ms", "spread", f"{one.baseline} / it", "spread", "noise of a pair")
        print_table(headers, rows, right=(1, 2, 3, 4, 5))
        for note in one.notes:
            out.print(note, soft_wrap=True)
    if clocks := [each.sm_mhz for each in found.conditions if each.sm_mhz]:
        out.print(f"SM clock after the launches: {min(clocks):.0f} to {max(clocks):.0f} MHz", soft_wrap=True)
    for line in warnings(found):
        out.print(f"Note: {line}", soft_wrap=True)


def warnings(found: Calibration) -> list[str]:
    """What an instructor should know: thresholds that this GPU can't decide, times that wander, launches set aside."""
    told = []
    for one in found.workloads:
        item = load_rubric(one.lab).task(one.task).item(one.item)
        race = Race(one.task, one.workload, one.baseline, ())
        why = unresolved(gap(race, item.threshold, found), item.threshold) if item.threshold else ""
        if item.kind == "speed_curve" and all(name in one.kernels for name in (one.baseline, item.high or "")):
            ratio = one.kernels[one.baseline].median_ms / one.kernels[item.high or ""].median_ms
            if ratio < APART:
                times = f"{ratio:.2f} times as fast as {one.baseline} on this GPU"
                told.append(f"{one.task}.{one.item}: {item.high} is only {times}: the compiled code decides, not speed")
        if why:
            told.append(f"{one.task}.{one.item}: {why}; its points are given where the other checks pass")
    if (spread := survey.widest(found.workloads)) > OFF / 3:
        told.append(
            f"the baseline's times differ by {spread:.1%} from launch to launch; grading measures again from {OFF:.0%} "
            "on, so that on this GPU it often will"
        )
    return told + [f"a launch was set aside: {reason}" for reason in found.set_aside]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
