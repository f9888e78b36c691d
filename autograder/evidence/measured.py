"""What a GPU or the simulator says of cases and races."""

from __future__ import annotations

from dataclasses import dataclass, field

from autograder.evidence.asked import Fault


@dataclass(frozen=True)
class Coalescing:
    """Global memory traffic of one launch, counted by warp in the simulator.

    A request is one load or store executed by a warp; a sector is an aligned run of 32 bytes,
    the unit in which a GPU moves data. Ideal is 4 sectors for 32 neighbouring floats, 1 for a
    broadcast.

    Attributes:
        kernel: The kernel's Python name.
        load_requests: Warp-wide loads.
        load_sectors: Sectors they touch.
        store_requests: Warp-wide stores.
        store_sectors: Sectors they touch.
    """

    kernel: str
    load_requests: int
    load_sectors: int
    store_requests: int
    store_sectors: int


@dataclass(frozen=True)
class Outcome:
    """What running one case gave; the output itself lies beside it as `<case>.npy`.

    Attributes:
        case: The case's id.
        fault: What stopped it, or None.
        unwritten: Outputs that still hold the poison.
        guards_intact: Nothing was written around the arrays.
        inputs_intact: x and w are as they were.
        coalescing: Memory traffic, from the simulator only.
        pending: Why it can't be run without a GPU, or empty.
    """

    case: str
    fault: Fault | None = None
    unwritten: int = 0
    guards_intact: bool = True
    inputs_intact: bool = True
    coalescing: tuple[Coalescing, ...] = ()
    pending: str = ""


@dataclass(frozen=True)
class Race:
    """A timed comparison in one run: a submission's function against a named baseline.

    Attributes:
        task: The task's id.
        workload: Human-readable shapes, e.g. `64x58x58x64 * 3x3x64->64`.
        baseline: Name of the rung of the ladder.
        pairs: (candidate_ms, baseline_ms), in the order measured.
        wrong_outputs: Timed outputs that differed from the judged one.
        peers: Other medians of the same run, ms: `cudnn`, other rungs.
        flops: Floating-point operations of the workload.
        bytes: Fewest bytes that it must move.
        trouble: Trusted signs of trouble: throttling, another process on the GPU, a ladder off its calibration.
        discarded: Why each earlier measurement of this race does not count; empty when the first one does.
        high: Of a race between two rungs, the upper one; the baseline is the lower.
        rounds: Its rounds, (candidate_ms, baseline_ms, high_ms); `pairs` holds their first two.
    """

    task: str
    workload: str
    baseline: str
    pairs: tuple[tuple[float, float], ...]
    wrong_outputs: int = 0
    peers: dict[str, float] = field(default_factory=dict)
    flops: float = 0.0
    bytes: float = 0.0
    trouble: tuple[str, ...] = ()
    discarded: tuple[str, ...] = ()
    high: str = ""
    rounds: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class Measurement:
    """All that stage 4, a GPU or the simulator, says of one task.

    Attributes:
        task: The task's id.
        where: `gpu` or `simulator`.
        outcomes: One for each case that ran.
        races: Timed comparisons; empty in the simulator.
        fault: What stopped the whole stage, or None.
    """

    task: str
    where: str
    outcomes: tuple[Outcome, ...] = ()
    races: tuple[Race, ...] = ()
    fault: Fault | None = None
