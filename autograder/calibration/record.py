"""A GPU's calibration: what was measured, where its file lies, and whether it still fits the machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder import ladder
from autograder.evidence import Race
from autograder.records import decode, encode
from gpulabs import devices
from gpulabs.errors import BadInputError, DataError, GraderError

SCHEMA_VERSION = 1
VARIABLE = "GPULABS_CALIBRATION"
"""Names a calibration file, or a folder of them, in place of the user's."""

CUDNN = "cudnn"


@dataclass(frozen=True)
class KernelTime:
    """One kernel on one workload.

    Attributes:
        median_ms: Median of the launches' medians.
        launches_ms: Median of each launch.
        spread: Run-to-run spread: (slowest - fastest launch) / median.
        jitter: Within a launch: interquartile range / median, the median over launches.
    """

    median_ms: float
    launches_ms: tuple[float, ...]
    spread: float
    jitter: float


@dataclass(frozen=True)
class RatioNoise:
    """The paired ratio of one rung against the baseline: what a race decides by.

    Attributes:
        ratio: Speedup over the baseline, median of the launches' medians.
        launches: Median ratio of each launch.
        spread: Run-to-run spread: (largest - smallest) / ratio.
        jitter: Standard deviation of a pair's ratio within a launch, as a share; robust (1.48 times the
            median absolute deviation), the median over launches.
        far: Share of pairs more than 5 % from their launch's median: outliers.
        pairs: Pairs in all.
    """

    ratio: float
    launches: tuple[float, ...]
    spread: float
    jitter: float
    far: float
    pairs: int


@dataclass(frozen=True)
class Workload:
    """All kernels on the workload of one speed item.

    Attributes:
        lab: The lab's id.
        task: The task's id.
        item: The item's id.
        workload: Shapes, as in `Race.workload`.
        baseline: The rung that the item compares with.
        flops: Of the workload.
        bytes: Fewest bytes that it must move.
        kernels: Rung, or `cudnn` -> its times.
        ratios: Rung -> its paired ratio; the baseline's own is the noise of two equal kernels.
        notes: Why a kernel is not there.
    """

    lab: str
    task: str
    item: str
    workload: str
    baseline: str
    flops: float
    bytes: float
    kernels: dict[str, KernelTime]
    ratios: dict[str, RatioNoise]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conditions:
    """What NVML said of the GPU right after a launch's timed runs; None where it says nothing.

    Attributes:
        sm_mhz: Clock of the multiprocessors.
        memory_mhz: Clock of the memory.
        temperature_c: Of the chip.
        power_w: Drawn.
    """

    sm_mhz: float | None = None
    memory_mhz: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None


@dataclass(frozen=True)
class Calibration:
    """A GPU's calibration.

    Attributes:
        gpu: Its name.
        uuid: What tells it from others; see `gpulabs.devices.identity`.
        driver: Driver version.
        date: ISO time, UTC.
        launches: Separate processes that measured.
        rounds: Timed runs of each kernel in a launch.
        ladder: Rung -> sha256 of its PTX: other code has other times.
        workloads: One for each speed item's workload.
        conditions: One for each launch.
        set_aside: Why launches were not counted.
        device: The device header.
        schema_version: Of this record.
    """

    gpu: str
    uuid: str
    driver: str
    date: str
    launches: int
    rounds: int
    ladder: dict[str, str]
    workloads: tuple[Workload, ...]
    conditions: tuple[Conditions, ...] = ()
    set_aside: tuple[str, ...] = ()
    device: dict[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def of(self, race: Race) -> Workload | None:
        """Finds what was calibrated of a race's workload."""
        for found in self.workloads:
            if (found.task, found.workload, found.baseline) == (race.task, race.workload, race.baseline):
                return found
        return None

    def line(self) -> str:
        """One line for a report."""
        return f"calibrated {self.date[:10]}, {self.launches} launches"


def location(uuid: str) -> Path:
    """Where a GPU's calibration is kept: `GPULABS_CALIBRATION`, or the user's configuration folder."""
    name = re.sub(r"[^A-Za-z0-9-]", "_", uuid) + ".json"
    if chosen := os.environ.get(VARIABLE):
        path = Path(chosen)
        return path / name if path.is_dir() else path
    configured = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    home = configured if configured.is_absolute() else Path.home() / ".config"
    return home / "gpulabs" / "calibration" / name


def to_text(calibration: Calibration) -> str:
    """The file's content."""
    return json.dumps(encode(calibration), indent=1) + "\n"


def read(path: Path) -> Calibration:
    """Reads a calibration file.

    Raises:
        DataError: It is damaged, or of another schema.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no readable calibration ({error}); run: autograder calibrate") from error
    if not isinstance(data, dict) or data.get("schema_version") != SCHEMA_VERSION:
        raise DataError(f"{path}: not a calibration of schema {SCHEMA_VERSION}; run: autograder calibrate")
    try:
        return decode(Calibration, data, path.name)
    except (BadInputError, TypeError) as error:
        raise DataError(f"{path}: damaged calibration ({error}); run: autograder calibrate") from error


def unfit(calibration: Calibration, uuid: str, driver: str, rungs: dict[str, str]) -> str:
    """Says why a calibration doesn't hold on this machine, or nothing.

    Args:
        calibration: As read.
        uuid: Of the GPU that grades.
        driver: Its driver.
        rungs: Rung -> sha256 of the PTX that ships now.
    """
    if calibration.uuid != uuid:
        return f"it was made on another GPU ({calibration.gpu}, {calibration.uuid})"
    if calibration.driver != driver:
        return f"it was made with driver {calibration.driver}, this is {driver}"
    changed = [name for name, sha256 in calibration.ladder.items() if rungs.get(name) != sha256]
    return f"the ladder changed since ({', '.join(changed)})" if changed else ""


def current(gpu: int = 0) -> tuple[Calibration | None, str]:
    """Finds a GPU's calibration.

    Args:
        gpu: Its number.

    Returns:
        The calibration, or None; and one line for the report: `not calibrated`, and why if there is a file.
    """
    uuid = devices.identity(gpu)
    try:
        path = location(uuid)
        if not path.is_file():
            return None, "not calibrated"
        found = read(path)
        problem = unfit(found, uuid, devices.header(gpu).driver or "", fingerprints())
    except (DataError, GraderError, OSError, RuntimeError) as error:  # RuntimeError: an account without a home
        return None, f"not calibrated: {error}"
    if problem:
        return None, f"not calibrated: {problem}; run: autograder calibrate"
    return found, found.line()


def fingerprints() -> dict[str, str]:
    """Rung -> sha256 of its kernels' PTX as it ships."""
    found = {}
    for name in ladder.NAMES:
        kernels = sorted(ladder.rung(name).ptx.items())
        found[name] = hashlib.sha256("\0".join(ptx for _, ptx in kernels).encode()).hexdigest()
    return found
