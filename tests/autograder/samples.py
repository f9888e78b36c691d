"""Made-up results for the tests of what a result looks like; no grading behind them."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

from autograder.result import Figure, ItemScore, Result, Status

LAB = "lab1_conv_kernel"
ITEMS = (
    ("conv_first", "exact", "exact on integers", 12),
    ("conv_first", "photo", "a filtered photograph", 4),
    ("conv_first", "close", "close to cuDNN on real numbers", 4),
    ("conv_strided", "same", "padding 'same', exact", 9),
    ("conv_strided", "stride", "stride 2 and 3, exact", 9),
    ("conv_strided", "close", "close to cuDNN, NaN and infinity as IEEE has them", 7),
    ("launch_config", "covers", "every output has its thread, within the device's limits", 8),
    ("launch_config", "warps", "whole warps, 64 to 1024 threads a block", 3),
    ("launch_config", "tight", "at most half of the threads idle", 4),
    ("conv_coalesced", "exact", "exact on integers", 8),
    ("conv_coalesced", "coalesced", "neighbouring threads touch neighbouring words", 8),
    ("conv_coalesced", "speed", "faster than the naive kernel", 6),
    ("conv_coalesced", "cpu", "faster than one core of the CPU", 3),
    ("roofline", "flops", "floating-point operations", 5),
    ("roofline", "bytes", "fewest bytes moved", 5),
    ("roofline", "roof", "attainable GFLOP/s", 5),
)
_REASONS = {
    Status.EARNED: "All 5 cases agree to the last bit.",
    Status.LOST: "12 of 96 outputs differ; first y[0, 0, 0, 1]: got 12, expected 18. The halo is read, not zero.",
    Status.PENDING: "Speed needs a GPU; this machine has none. Run it where there is one.",
    Status.WITHHELD: "The grader's oracle did not answer within 60 s. Your points are withheld, not lost.",
}
_EVIDENCE: dict[str, Any] = {"cases": 5, "wrong_outputs": 12, "worst_error": 6.0, "tolerance": 0.0, "time_ms": 0.4124}
_SPEED: dict[str, Any] = {"speedup": 1.874, "baseline": "naive", "candidate_ms": 1.3142, "bandwidth_gb_s": 812.55}


def png(width: int = 8, height: int = 4) -> str:
    """Returns a grey PNG as base64."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + bytes(8 * column % 256 for column in range(width))) * height)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(parts)).decode()


def item(task: str, name: str, title: str, worth: float, status: Status, **changes: Any) -> ItemScore:
    """Returns one verdict with a reason that suits its status."""
    lost = status is Status.LOST
    fields: dict[str, Any] = {
        "points": float(worth) if status is Status.EARNED else 0.0,
        "max_points": float(worth),
        "reason": _REASONS[status],
        "hint": "A tap outside the image counts as zero: test 0 <= row < H before you read x." if lost else "",
        "fault": "wrong values" if lost else "",
        "cell": task if lost else None,
        "line": 12 if lost else None,
        "evidence": _EVIDENCE if lost else (_SPEED if name in ("speed", "cpu") else {"cases": 5}),
    }
    return ItemScore(task=task, item=name, title=title, status=status, **{**fields, **changes})


def result(student: str = "ada", statuses: dict[str, Status] | None = None, **changes: Any) -> Result:
    """Returns a graded Lab 1: all earned but for `statuses`, keyed `task`, `task.item`; speed is pending."""
    chosen = {"conv_coalesced.speed": Status.PENDING, "conv_coalesced.cpu": Status.PENDING, **(statuses or {})}
    items = tuple(
        item(task, name, title, worth, chosen.get(f"{task}.{name}", chosen.get(task, Status.EARNED)))
        for task, name, title, worth in ITEMS
    )
    fields: dict[str, Any] = {
        "source": "lab1_conv_kernel.ipynb",
        "sha256": "ab" * 32,
        "figures": (Figure("conv_first", "The filtered photograph", "A temple roof, edges bright", png()),),
        "device": {"gpu": "none", "driver": "none", "tensorflow": "2.21.0", "numba_cuda": "0.30.4", "cpu_cores": 2},
        "isolation": "strong: bubblewrap; no network, read-only system, 2 GiB, 60 s",
        "oracle": "int64 on the CPU; TensorFlow 2.21.0 on the CPU for real numbers",
        "data_sets": {"photographs": "scikit-learn 1.9, 2 images"},
        "seed": 1234567,
        "started_at": "2026-11-24T22:00:00+00:00",
        "duration_s": 9.4,
        "notes": ("No GPU: kernels ran in Numba's simulator on small cases.",),
    }
    return Result(lab=LAB, student=student, items=items, **{**fields, **changes})
