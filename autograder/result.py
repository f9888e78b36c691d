"""What grading one submission ends in: points with reasons, and how they were come by."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 1


class Status(enum.StrEnum):
    """The four states of an item; only the first two count."""

    EARNED = "earned"
    LOST = "lost"
    PENDING = "pending"
    WITHHELD = "withheld"


@dataclass(frozen=True)
class ItemScore:
    """One rubric item's verdict.

    Attributes:
        task: The task's id, e.g. `conv_first`.
        item: The item's id, e.g. `exact`.
        title: What the item asks, in a few words.
        points: Points earned; 0 unless `status` is earned.
        max_points: Points it is worth.
        status: Earned, lost, pending (needs a GPU, a data set) or withheld (the grader failed).
        reason: One sentence: why.
        hint: What to look at next; empty when earned.
        fault: The fault's kind (`FaultKind` value), or empty.
        cell: The notebook cell the reason points at, or None.
        line: Line in that cell, or None.
        evidence: Numbers behind the reason, ready for a table: name -> value.
    """

    task: str
    item: str
    title: str
    points: float
    max_points: float
    status: Status
    reason: str
    hint: str = ""
    fault: str = ""
    cell: str | None = None
    line: int | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A picture for the report.

    Attributes:
        task: The task it belongs to.
        title: Its caption.
        alt: What it shows, for those who can't see it.
        png_base64: The image.
    """

    task: str
    title: str
    alt: str
    png_base64: str


@dataclass(frozen=True)
class Result:
    """The graded submission.

    Attributes:
        lab: The lab's id, e.g. `lab1_conv_kernel`.
        student: Whose it is; from the file's place, never from its content.
        source: Name of the file that was graded, and its sha256.
        sha256: Of the file.
        items: All rubric items of the lab, in order.
        figures: Pictures for the report.
        device: Device header: names, versions (see `gpulabs.devices`).
        isolation: Tier and what it covers, one line.
        oracle: What computed the expected outputs, one line.
        data_sets: Name -> identity (sha256) of each data set used.
        seed: Of the drawn cases.
        started_at: ISO time, UTC.
        duration_s: From start to verdict.
        notes: Whatever a person should know: flags, missing compiler, simulator.
        schema_version: Of this record.
    """

    lab: str
    student: str
    source: str
    sha256: str
    items: tuple[ItemScore, ...]
    figures: tuple[Figure, ...] = ()
    device: dict[str, Any] = field(default_factory=dict)
    isolation: str = ""
    oracle: str = ""
    data_sets: dict[str, str] = field(default_factory=dict)
    seed: int = 0
    started_at: str = ""
    duration_s: float = 0.0
    notes: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    @property
    def points(self) -> float:
        """Points earned."""
        return sum(item.points for item in self.items)

    @property
    def max_points(self) -> float:
        """Points of the whole lab."""
        return sum(item.max_points for item in self.items)

    def points_with(self, *statuses: Status) -> float:
        """Maximum points of the items in one of these states."""
        return sum(item.max_points for item in self.items if item.status in statuses)
