"""A made-up calibration: naive 4 ms, coalesced 2 ms, cuDNN 0.1 ms on Lab 1's workload."""

from __future__ import annotations

from autograder.calibration import summary
from autograder.calibration.record import Calibration, Conditions, Workload
from autograder.evidence import Race

WORKLOAD = "8x58x58x64 * 3x3x64->64"


def workload(naive_ms: float = 4.0, coalesced_ms: float = 2.0) -> Workload:
    times = {"naive": naive_ms, "coalesced": coalesced_ms, "cudnn": 0.1}
    return Workload(
        lab="lab1_conv_kernel",
        task="conv_coalesced",
        item="speed",
        workload=WORKLOAD,
        baseline="naive",
        flops=1.85e9,
        bytes=1.3e7,
        kernels={name: summary.kernel_time([[time], [1.01 * time]]) for name, time in times.items()},
        ratios={"coalesced": summary.ratio_noise([[(coalesced_ms, naive_ms)] * 4] * 2)},
    )


def calibration(*workloads: Workload) -> Calibration:
    return Calibration(
        gpu="NVIDIA Test",
        uuid="GPU-1",
        driver="580.1",
        date="2026-11-25T01:00:00+00:00",
        launches=2,
        rounds=1,
        ladder={"naive": "aa"},
        workloads=workloads or (workload(),),
        conditions=(Conditions(sm_mhz=1980.0),),
    )


def race(mine_ms: float = 2.0, naive_ms: float = 4.0, **more: object) -> Race:
    made = {"peers": {"naive": naive_ms, "coalesced": naive_ms / 2}, "flops": 1.85e9, "bytes": 1.3e7} | more
    return Race("conv_coalesced", WORKLOAD, "naive", ((mine_ms, naive_ms),) * 15, **made)  # type: ignore[arg-type]
